namespace ToyVmm.VirtualMachines.Replay;

/// <summary>
/// Everything that came into a machine from outside, in order, each with its moment: with the machine as it was at the log's start, this is the
/// whole run. Grows at its end; not thread-safe.
/// </summary>
/// <example>
/// <code>
/// InputLog log = InputLog.Of(vm);             // from here on
/// vm.Run();
/// again.Replay = new InputReplayer(log);      // a machine in the same state as vm then was
/// again.Run();                                // does the same
/// </code>
/// </example>
public sealed class InputLog
{
    private readonly List<StampedInput> _events = [];

    /// <summary>Makes an empty log.</summary>
    /// <param name="first">How many inputs the machine had taken before (<see cref="VirtualMachine.InputsTaken"/>): the first event of the log is the next one.</param>
    public InputLog(ulong first = 0) => First = first;

    /// <summary>The number of the log's first event among all that the machine takes in its life.</summary>
    public ulong First { get; }

    /// <summary>How many events there are.</summary>
    public int Count => _events.Count;

    /// <summary>An event.</summary>
    /// <param name="index">0 to <see cref="Count"/> - 1.</param>
    public StampedInput this[int index] => _events[index];

    /// <summary>A log of what a machine takes from now on. Others that listen (<see cref="InputQueue.Recorder"/>) go on listening.</summary>
    /// <param name="vm">The machine, not running.</param>
    public static InputLog Of(VirtualMachine vm)
    {
        ArgumentNullException.ThrowIfNull(vm);
        InputLog log = new(vm.InputsTaken);
        vm.Input.Recorder += log.Add;
        return log;
    }

    /// <summary>Adds what the machine has just taken.</summary>
    /// <param name="input">The event; not before the last one.</param>
    /// <exception cref="ArgumentException">It lies before the last one.</exception>
    public void Add(StampedInput input)
    {
        if (_events.Count > 0 && input.At < _events[^1].At)
        {
            throw new ArgumentException($"an input at {input.At} cannot follow one at {_events[^1].At}", nameof(input));
        }

        _events.Add(input);
    }

    /// <summary>Forgets events at the end: the machine has gone back, and takes another way.</summary>
    /// <param name="count">How many remain.</param>
    public void Truncate(int count) => _events.RemoveRange(count, _events.Count - count);

    /// <summary>How many events lie before a moment: the index of the first one at it or behind it.</summary>
    /// <param name="moment">The moment.</param>
    public int CountBefore(InputMoment moment)
    {
        int low = 0;
        int high = _events.Count;
        while (low < high)
        {
            int middle = low + ((high - low) / 2);
            if (_events[middle].At < moment)
            {
                low = middle + 1;
            }
            else
            {
                high = middle;
            }
        }

        return low;
    }
}
