using System.Collections;

namespace ToyVmm.Debugging;

/// <summary>The breakpoints of a session, in the order in which they were made. They may be changed while the guest stands still.</summary>
public sealed class BreakpointCollection : IReadOnlyCollection<Breakpoint>
{
    private readonly List<Breakpoint> _all = [];
    private int _last;

    /// <inheritdoc/>
    public int Count => _all.Count;

    /// <summary>One of them, in their order.</summary>
    internal Breakpoint this[int index] => _all[index];

    /// <summary>Makes one.</summary>
    /// <param name="spec">What it waits for.</param>
    public Breakpoint Add(BreakpointSpec spec)
    {
        Breakpoint breakpoint = new(++_last, spec);
        _all.Add(breakpoint);
        return breakpoint;
    }

    /// <summary>The one with a number; null where there is none.</summary>
    public Breakpoint? Find(int id) => _all.Find(one => one.Id == id);

    /// <summary>Removes one.</summary>
    /// <returns>False where there is none with that number.</returns>
    public bool Remove(int id) => _all.RemoveAll(one => one.Id == id) > 0;

    /// <summary>Removes all.</summary>
    public void Clear() => _all.Clear();

    /// <inheritdoc/>
    public IEnumerator<Breakpoint> GetEnumerator() => _all.GetEnumerator();

    /// <inheritdoc/>
    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
