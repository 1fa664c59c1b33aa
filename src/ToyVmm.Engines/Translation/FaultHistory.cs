namespace ToyVmm.Engines.Translation;

/// <summary>
/// Which instructions fault so often that they had better go to the interpreter, whose own look-up of the TLB costs a
/// hundredth of a fault: adaptive translation (Adams and Agesen 2006, 3.3). By physical address, since an instruction can be in several blocks.
/// </summary>
/// <remarks>
/// A fault and the mapping behind it cost as much as ten thousand instructions or more. One now and then is fine (a loop that walks over memory meets
/// a new page every few thousand instructions); one every few hundred is not, and a guest's own page fault, after which the page has to be mapped
/// anew, not even every ten thousand. What is left to the interpreter and needs no page there for long goes back, each time after twice as long.
/// </remarks>
internal sealed class FaultHistory
{
    private const ulong Dense = 3_000;
    private const ulong DenseForGuest = 20_000;
    private const int Patience = 16;
    private const int Quiet = 64;
    private const int MostReturns = 8;

    // Old code is not forgotten one by one.
    private const int MostInstructions = 1 << 16;

    private readonly Dictionary<ulong, Entry> _entries = [];

    /// <summary>True where an instruction goes to the interpreter.</summary>
    /// <param name="physical">Its address.</param>
    public bool IsLeft(ulong physical) => _entries.Count > 0 && _entries.TryGetValue(physical, out Entry? entry) && entry.Left;

    /// <summary>Notes that an instruction faulted.</summary>
    /// <param name="physical">Its address.</param>
    /// <param name="now">Instructions that have run on the host so far.</param>
    /// <param name="isGuests">True where the guest has to handle it.</param>
    /// <returns>True when it is left to the interpreter from now on (or already was).</returns>
    public bool Note(ulong physical, ulong now, bool isGuests)
    {
        if (!_entries.TryGetValue(physical, out Entry? entry))
        {
            if (_entries.Count >= MostInstructions)
            {
                _entries.Clear();
            }

            entry = new Entry();
            _entries.Add(physical, entry);
        }

        bool isDense = now - entry.Last < (isGuests ? DenseForGuest : Dense);
        entry.Faults = isDense ? entry.Faults + 1 : Math.Max(entry.Faults - 1, 0);
        entry.Last = now;
        if (entry.Faults >= Patience)
        {
            entry.Left = true;
            entry.Faults = 0;
            entry.Quiet = 0;
        }

        return entry.Left;
    }

    /// <summary>Notes that the interpreter performed an instruction that was left to it.</summary>
    /// <param name="physical">Its address.</param>
    /// <param name="wasQuiet">True when no page had to be looked up.</param>
    /// <returns>True when it goes back to the host.</returns>
    public bool NoteInterpreted(ulong physical, bool wasQuiet)
    {
        if (!_entries.TryGetValue(physical, out Entry? entry) || !entry.Left)
        {
            return true;
        }

        entry.Quiet = wasQuiet ? entry.Quiet + 1 : 0;
        if (entry.Quiet < Quiet << entry.Returns)
        {
            return false;
        }

        entry.Left = false;
        entry.Returns = Math.Min(entry.Returns + 1, MostReturns);
        return true;
    }

    private sealed class Entry
    {
        public ulong Last { get; set; }

        public int Faults { get; set; }

        public int Quiet { get; set; }

        public int Returns { get; set; }

        public bool Left { get; set; }
    }
}
