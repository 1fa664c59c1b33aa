using System.Diagnostics;
using System.Runtime.ExceptionServices;

namespace ToyVmm.VirtualMachines.Verification;

/// <summary>How far a campaign is: enough to go on with it in another process.</summary>
public sealed class CampaignState
{
    /// <summary>The property's name.</summary>
    public required string Property { get; init; }

    /// <summary>The first case; the others follow.</summary>
    public required ulong Seed { get; init; }

    /// <summary>Of each piece (<see cref="VerificationCampaign.PieceSize"/> cases), how many are done.</summary>
    public SortedDictionary<int, int> Pieces { get; init; } = [];

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
/// Checks many cases of a property on several threads. Cases are numbered from the seed on, and taken in pieces, of which the state knows how far each is: a
/// campaign that was interrupted, or is made longer, goes on where it was, and ends with the same report.
/// </summary>
/// <param name="property">The property.</param>
/// <param name="cases">How many cases.</param>
/// <param name="threads">How many at a time.</param>
public sealed class VerificationCampaign(IVerifiedProperty property, ulong cases, int threads)
{
    private IVerifiedProperty Property => property;

    private ulong Cases => cases;

    /// <summary>Cases in a piece.</summary>
    public const int PieceSize = 64;

    /// <summary>A campaign that has found so many counterexamples ends: there is work to do.</summary>
    public const int MostCounterexamples = 10;

    /// <summary>Checks what the state says is not done yet.</summary>
    /// <param name="state">Where the campaign is; moves on.</param>
    /// <param name="progress">Told of each piece, under the lock of the state: it may read it. What it throws ends the campaign, and comes out of here.</param>
    /// <param name="stop">Ends the campaign early, behind the cases that are being checked.</param>
    /// <returns>True where every case was checked.</returns>
    public bool Run(CampaignState state, Action<CampaignState>? progress = null, CancellationToken stop = default)
    {
        ArgumentNullException.ThrowIfNull(state);
        using CancellationTokenSource ending = CancellationTokenSource.CreateLinkedTokenSource(stop);
        Workers run = new(this, state, progress, ending);
        Task[] workers = new Task[threads];
        for (int n = 0; n < threads; n++)
        {
            workers[n] = Task.Factory.StartNew(run.Work, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        }

        try
        {
            Task.WaitAll(workers, CancellationToken.None);
        }
        catch (AggregateException e)
        {
            ExceptionDispatchInfo.Throw(e.InnerExceptions[0]);
        }

        state.Counterexamples.Sort((a, b) => a.Seed.CompareTo(b.Seed));
        return state.Checked >= cases;
    }

    private sealed class Workers(VerificationCampaign campaign, CampaignState state, Action<CampaignState>? progress, CancellationTokenSource ending)
    {
        private readonly Stopwatch _time = Stopwatch.StartNew();
        private readonly TimeSpan _before = state.Time;
        private readonly int _pieces = checked((int)((campaign.Cases + PieceSize - 1) / PieceSize));
        private int _next = -1;

        public void Work()
        {
            ICaseChecker checker = campaign.Property.CreateChecker();
            try
            {
                for (int piece = Interlocked.Increment(ref _next); piece < _pieces && !ending.IsCancellationRequested; piece = Interlocked.Increment(ref _next))
                {
                    CheckPiece(piece, ref checker);
                }
            }
            catch
            {
                ending.Cancel();
                throw;
            }
            finally
            {
                checker.Dispose();
            }
        }

        private void CheckPiece(int piece, ref ICaseChecker checker)
        {
            int first;
            lock (state)
            {
                first = state.Pieces.GetValueOrDefault(piece);
            }

            ulong start = (ulong)piece * PieceSize;
            int count = (int)Math.Min(PieceSize, campaign.Cases - start);
            if (first >= count)
            {
                return;
            }

            VerificationTally tally = new();
            List<Counterexample> found = [];
            int n = first;
            for (; n < count && found.Count < MostCounterexamples && !ending.IsCancellationRequested; n++)
            {
                if (Check(state.Seed + start + (ulong)n, tally, ref checker) is { } counterexample)
                {
                    found.Add(counterexample);
                }
            }

            lock (state)
            {
                state.Tally.Add(tally);
                state.Counterexamples.AddRange(found);
                state.Checked += (ulong)(n - first);
                state.Time = _before + _time.Elapsed;
                state.Pieces[piece] = n;
                if (state.Counterexamples.Count >= MostCounterexamples)
                {
                    ending.Cancel();
                }

                progress?.Invoke(state);
            }
        }

        // Nothing that a guest does may throw: where something does, that is a counterexample to every property.
        private Counterexample? Check(ulong seed, VerificationTally tally, ref ICaseChecker checker)
        {
            try
            {
                return checker.Check(seed, tally);
            }
            catch (Exception e) when (e is not OutOfMemoryException)
            {
                checker.Dispose();
                checker = campaign.Property.CreateChecker();
                return new Counterexample(campaign.Property.Name, seed, $"the VMM throws {e.GetType().Name}: {e.Message}", e.ToString());
            }
        }
    }
}
