using ToyVmm.VirtualMachines;

namespace ToyVmm.Debugging.History;

/// <summary>What came of a run that looks for something.</summary>
public enum SearchStep
{
    /// <summary>It has happened: the machine stands there.</summary>
    Found,

    /// <summary>It has not, up to the moment that was given.</summary>
    NotFound,

    /// <summary>The user does not want to wait.</summary>
    Cancelled,
}

/// <content>Looking back.</content>
public sealed partial class ExecutionHistory
{
    // Where so many hits follow each other, the last one is found by halves.
    private const int ManyHits = 64;

    // A stretch that is gone through from hit to hit, however many there are.
    private const ulong ShortStretch = 2048;

    /// <summary>Takes the machine back by one step: to the moment before the last instruction, or before the event that was delivered last.</summary>
    /// <returns>False at <see cref="Begin"/>, or where the user has stopped it on the way.</returns>
    /// <exception cref="NotSupportedException">See <see cref="Unavailable"/>.</exception>
    public bool StepBack()
    {
        RequireAvailable();
        ExecutionPoint present = _machine.Point;
        if (present <= Begin)
        {
            return false;
        }

        // From the first moment with one instruction fewer, every moment to the present one: the last of them is it.
        ulong before = Math.Max(present.Instructions - 1, Begin.Instructions);
        int index = _marks.FindLastIndex(mark => mark.Checkpoint.Point.Instructions <= before && mark.Checkpoint.Point < present);
        ReturnTo(index);
        ExecutionPoint? last = Quietly<ExecutionPoint?>(() =>
        {
            if (_machine.InstructionsRetired < before && Advance(new ExecutionPoint(before, 0), isLadder: true).Kind == StopKind.Stopped)
            {
                return null;
            }

            Mark();
            ExecutionPoint last;
            do
            {
                last = _machine.Point;
                _machine.Stops = s_events;
                _ = RunPiece(new RunLimits { MaxInstructions = 1 });
            }
            while (_machine.Point < present && _machine.Point > last);
            return last;
        });
        return last is { } point && GoTo(point) is null;
    }

    /// <summary>
    /// Finds the last moment before now at which something happens, and takes the machine there. The history is gone through backwards, from checkpoint to checkpoint, each
    /// stretch forward; where there is more than a little, by halves.
    /// </summary>
    /// <param name="runToHit">
    /// Runs the machine with <see cref="RunTo"/> from where it stands up to a moment, or until it happens. Its second argument says whether an instruction that is waited for counts where
    /// the machine stands (or else is passed: <see cref="Engines.Vcpu.PassedAt"/>). It is called for stretches of the past in no particular order.
    /// </param>
    /// <param name="countsPresent">True where what happened on the last step here counts.</param>
    /// <returns>The moment; null where it has not happened, and the machine is at <see cref="Begin"/>, or where the user has cancelled, and it is anywhere.</returns>
    /// <exception cref="NotSupportedException">See <see cref="Unavailable"/>.</exception>
    public ExecutionPoint? FindLast(Func<ExecutionPoint, bool, SearchStep> runToHit, bool countsPresent = false)
    {
        ArgumentNullException.ThrowIfNull(runToHit);
        RequireAvailable();
        Search search = new(this, runToHit, _machine.Point, countsPresent);
        ExecutionPoint end = search.Present;
        for (; ; )
        {
            int index = _marks.FindLastIndex(mark => mark.Checkpoint.Point < end);
            if (index < 0)
            {
                ReturnTo(0);
                return null;
            }

            ReturnTo(index);
            ExecutionPoint begin = _machine.Point;
            ExecutionPoint? last = search.LastIn(end);
            if (search.IsCancelled)
            {
                return null;
            }

            if (last is { } found)
            {
                return GoTo(found) is null ? found : null;
            }

            end = begin;
        }
    }

    private sealed class Search(ExecutionHistory history, Func<ExecutionPoint, bool, SearchStep> runToHit, ExecutionPoint present, bool countsPresent)
    {
        public ExecutionPoint Present => present;

        public bool IsCancelled { get; private set; }

        private ExecutionPoint Now => history._machine.Point;

        // From where the machine stands to the end.
        public ExecutionPoint? LastIn(ExecutionPoint end)
        {
            ExecutionPoint? last = null;
            for (int hits = 0; HasHit(end, countsHere: last is null); hits++)
            {
                last = Now;
                if (hits >= ManyHits && end.Instructions - Now.Instructions > ShortStretch)
                {
                    end = Halve(end);
                    last = Now;
                    hits = 0;
                }
            }

            return last;
        }

        // Stops before an instruction count at the beginning of a stretch, those behind one at its end.
        private bool HasHit(ExecutionPoint end, bool countsHere)
        {
            if (Now >= end)
            {
                return false;
            }

            SearchStep step = runToHit(end, countsHere);
            IsCancelled |= step == SearchStep.Cancelled;
            return step == SearchStep.Found && Now <= end && (Now < present || countsPresent);
        }

        // The machine stands at a hit: takes it to a later one, if there is one, and the end to before where there is none, until they are near each other.
        private ExecutionPoint Halve(ExecutionPoint end)
        {
            history.Mark();
            ExecutionPoint hit = Now;
            while (end.Instructions - hit.Instructions > ShortStretch && !IsCancelled)
            {
                ExecutionPoint middle = new(hit.Instructions + ((end.Instructions - hit.Instructions) / 2), 0);
                StopReason reason = history.Quietly(() => history.Advance(middle, isLadder: false));
                IsCancelled |= reason.Kind == StopKind.Stopped;
                if (Now <= hit)
                {
                    break;
                }

                middle = Now;
                if (HasHit(end, countsHere: true))
                {
                    hit = Now;
                    history.Mark();
                }
                else
                {
                    end = middle;
                    history.ReturnTo(history._marks.FindLastIndex(mark => mark.Checkpoint.Point <= hit));
                    _ = history.Quietly(() => history.Advance(hit, isLadder: false));
                }
            }

            return end;
        }
    }
}
