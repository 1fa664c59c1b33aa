using System.Diagnostics;

namespace ToyVmm.VirtualMachines.Verification;

/// <summary>How far a campaign is: enough to go on with it in another process.</summary>
public sealed class CampaignState
{
    /// <summary>The property's name.</summary>
    public required string Property { get; init; }

    /// <summary>The first case; the others follow.</summary>
    public required ulong Seed { get; init; }

    /// <summary>Pieces (<see cref="VerificationCampaign.PieceSize"/> cases each) that are done.</summary>
    public SortedSet<int> Pieces { get; init; } = [];

    /// <summary>Cases checked.</summary>
    public ulong Checked { get; set; }

    /// <summary>What was seen.</summary>
    public VerificationTally Tally { get; init; } = new();

    /// <summary>Where the property does not hold.</summary>
    public List<Counterexample> Counterexamples { get; init; } = [];

    /// <summary>Host time spent so far.</summary>
    public TimeSpan Time { get; set; }
}

/// <summary>
/// Checks many cases of a property on several threads. Cases are numbered from the seed on, and taken in pieces; a piece is done or not done, so that a
/// campaign that was interrupted goes on where it was, and ends with the same report.
/// </summary>
/// <param name="property">The property.</param>
/// <param name="cases">How many cases.</param>
/// <param name="threads">How many at a time.</param>
public sealed class VerificationCampaign(IVerifiedProperty property, ulong cases, int threads)
{
    /// <summary>Cases in a piece.</summary>
    public const int PieceSize = 64;

    /// <summary>A campaign that has found so many counterexamples ends: there is work to do.</summary>
    public const int MostCounterexamples = 10;

    /// <summary>Checks what the state says is not done yet.</summary>
    /// <param name="state">Where the campaign is; moves on.</param>
    /// <param name="progress">Told of each piece, under the lock of the state: it may read it.</param>
    /// <param name="stop">Ends the campaign early, behind the pieces that are being checked.</param>
    /// <returns>True where every case was checked.</returns>
    public bool Run(CampaignState state, Action<CampaignState>? progress = null, CancellationToken stop = default)
    {
        ArgumentNullException.ThrowIfNull(state);
        int pieces = checked((int)((cases + PieceSize - 1) / PieceSize));
        int next = -1;
        Stopwatch time = Stopwatch.StartNew();
        TimeSpan before = state.Time;
        Task[] workers = new Task[threads];
        for (int n = 0; n < threads; n++)
        {
            workers[n] = Task.Factory.StartNew(Work, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        }

        Task.WaitAll(workers, CancellationToken.None);
        return state.Pieces.Count == pieces;

        void Work()
        {
            using ICaseChecker checker = property.CreateChecker();
            while (!stop.IsCancellationRequested && state.Counterexamples.Count < MostCounterexamples)
            {
                int piece = Interlocked.Increment(ref next);
                if (piece >= pieces)
                {
                    return;
                }

                lock (state)
                {
                    if (state.Pieces.Contains(piece))
                    {
                        continue;
                    }
                }

                ulong first = (ulong)piece * PieceSize;
                ulong count = Math.Min(PieceSize, cases - first);
                VerificationTally tally = new();
                List<Counterexample> found = [];
                for (ulong n = 0; n < count && found.Count < MostCounterexamples; n++)
                {
                    if (checker.Check(state.Seed + first + n, tally) is { } counterexample)
                    {
                        found.Add(counterexample);
                    }
                }

                lock (state)
                {
                    state.Tally.Add(tally);
                    state.Counterexamples.AddRange(found);
                    state.Checked += count;
                    state.Time = before + time.Elapsed;
                    _ = state.Pieces.Add(piece);
                    progress?.Invoke(state);
                }
            }
        }
    }
}
