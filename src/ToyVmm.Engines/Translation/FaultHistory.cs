namespace ToyVmm.Engines.Translation;

/// <summary>
/// Which instructions fault so often that they had better go to the interpreter, whose own look-up of the TLB costs a
/// hundredth of a fault: adaptive translation (Adams and Agesen 2006, 3.3). By physical address, since an instruction can be in several blocks.
/// </summary>
/// <remarks>
/// A fault and the mapping behind it cost as much as some ten thousand instructions. What counts is how often the instruction runs for each fault,
/// which nobody counts while it runs on the host: so one that keeps faulting is left to the interpreter on trial. If it needs
/// no page there for a while (a loop that walks over memory meets a new one every thousand rounds) it goes back, and has to fault twice as
/// often before the next trial.
/// </remarks>
internal sealed class FaultHistory
{
    private const ulong Dense = 50_000;
    private const int Patience = 16;
    private const int Quiet = 64;
    private const int MostReturns = 4;

    // Whether the host would still fault the interpreter cannot tell: now and then it is tried, for a few faults.
    private const int Longest = 8192;
    private const int FaultsToTry = 4;

    // Old code is not forgotten one by one.
    private const int MostInstructions = 1 << 16;

    private readonly Dictionary<ulong, Entry> _entries = [];

    /// <summary>True where an instruction goes to the interpreter.</summary>
    /// <param name="physical">Its address.</param>
    public bool IsLeft(ulong physical) => _entries.Count > 0 && _entries.TryGetValue(physical, out Entry? entry) && entry.Left;

    /// <summary>Notes that an instruction faulted.</summary>
    /// <param name="physical">Its address.</param>
    /// <param name="now">Instructions that have run on the host so far.</param>
    /// <returns>True when it is left to the interpreter from now on (or already was).</returns>
    public bool Note(ulong physical, ulong now)
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

        bool isDense = now - entry.Last < Dense;
        entry.Faults = isDense ? entry.Faults + 1 : Math.Max(entry.Faults - 1, 0);
        entry.Last = now;
        if (entry.Faults >= Patience << entry.Returns)
        {
            entry.Left = true;
            entry.Faults = 0;
            entry.Quiet = 0;
            entry.Interpreted = 0;
        }

        return entry.Left;
    }

    /// <summary>Notes that the interpreter performed an instruction that was left to it.</summary>
    /// <param name="physical">Its address.</param>
    /// <param name="wasQuiet">True when no page had to be looked up, and nothing faulted.</param>
    /// <returns>True when it goes back to the host.</returns>
    public bool NoteInterpreted(ulong physical, bool wasQuiet)
    {
        if (!_entries.TryGetValue(physical, out Entry? entry) || !entry.Left)
        {
            return true;
        }

        entry.Quiet = wasQuiet ? entry.Quiet + 1 : 0;
        entry.Interpreted++;
        if (entry.Quiet >= Quiet)
        {
            entry.Left = false;
            entry.Returns = Math.Min(entry.Returns + 1, MostReturns);
        }
        else if (entry.Interpreted >= Longest)
        {
            entry.Left = false;
            entry.Faults = (Patience << entry.Returns) - FaultsToTry;
        }

        return !entry.Left;
    }

    private sealed class Entry
    {
        public ulong Last { get; set; }

        public int Faults { get; set; }

        public int Quiet { get; set; }

        public int Interpreted { get; set; }

        public int Returns { get; set; }

        public bool Left { get; set; }
    }
}
