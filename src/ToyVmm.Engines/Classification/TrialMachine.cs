using ToyVmm.Engines.Interpretation;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Memory;

namespace ToyVmm.Engines.Classification;

/// <summary>How the instruction of a trial ended.</summary>
internal enum TrialEnd
{
    /// <summary>It completed; entering the handler of a software interrupt is completing.</summary>
    Completed,

    /// <summary>It raised an exception: a trap in Popek and Goldberg's words.</summary>
    Trapped,

    /// <summary>It left the world: their memory trap, which says nothing about the instruction.</summary>
    MemoryTrap,
}

/// <summary>One CPU on the reference interpreter, used for one instruction again and again.</summary>
internal sealed unsafe class TrialMachine : IDisposable
{
    private const uint RamSize = 1 << 20;
    private readonly GuestMemory _memory = new(RamSize);
    private readonly Vcpu _vcpu;
    private readonly Interpreter _engine;
    private readonly TrapRecorder _traps = new();

    /// <summary>Makes one.</summary>
    public TrialMachine()
    {
        _vcpu = new Vcpu(_memory) { Observer = _traps };
        _engine = new Interpreter(_vcpu, portable: true);
    }

    /// <summary>The CPU.</summary>
    public Vcpu Vcpu => _vcpu;

    /// <summary>Executes one instruction.</summary>
    /// <param name="setup">In which state.</param>
    /// <param name="code">Its bytes.</param>
    /// <param name="result">Receives everything that is to be known of it.</param>
    public void Run(in TrialSetup setup, ReadOnlySpan<byte> code, TrialResult result)
    {
        _vcpu.Reset();
        _vcpu.State->Retired = 0;
        TrialWorld.Build(setup, _vcpu);
        uint at = setup.Base + TrialWorld.Instruction;
        if (!new ReadOnlySpan<byte>(_memory.RamBase + at, code.Length).SequenceEqual(code))
        {
            _ = _memory.TryWrite(new GuestPhysicalAddress(at), code);
        }

        StateWords.Read(_vcpu, setup.Base, result.Before);
        _traps.Clear();
        VmExit exit = _engine.Run(1);
        result.Exit = exit;
        result.Vector = _traps.Vector;
        result.EnteredHandler = _traps.EnteredHandler;
        result.End = _traps.Vector >= 0 || exit.Reason == ExitReason.Shutdown ? TrialEnd.Trapped
            : exit.Reason == ExitReason.Mmio ? TrialEnd.MemoryTrap
            : TrialEnd.Completed;
        StateWords.Read(_vcpu, setup.Base, result.After);
        if (result.End == TrialEnd.Completed)
        {
            new ReadOnlySpan<byte>(_memory.RamBase + setup.Base + TrialWorld.Program, TrialResult.MemorySize).CopyTo(result.Memory);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _engine.Dispose();
        _vcpu.Dispose();
        _memory.Dispose();
    }

    private sealed class TrapRecorder : IEngineObserver
    {
        public bool WantsInstructions => false;

        public int Vector { get; private set; } = -1;

        public bool EnteredHandler { get; private set; }

        public void Clear()
        {
            Vector = -1;
            EnteredHandler = false;
        }

        public void BeforeInstruction(Vcpu vcpu)
        {
        }

        public void BeforeTrap(Vcpu vcpu, in TrapInfo trap)
        {
            switch (trap.Source)
            {
                case TrapSource.Exception:
                    Vector = Vector < 0 ? trap.Vector : Vector;
                    break;
                case TrapSource.SoftwareInterrupt or TrapSource.SoftwareException or TrapSource.PrivilegedSoftwareException:
                    EnteredHandler = true;
                    break;
            }
        }
    }
}

/// <summary>What a trial gave.</summary>
internal sealed class TrialResult
{
    /// <summary>Bytes of the program's memory.</summary>
    public const int MemorySize = (int)TrialWorld.ProgramSize;

    /// <summary>The state before.</summary>
    public uint[] Before { get; } = new uint[StateWords.Count];

    /// <summary>The state after.</summary>
    public uint[] After { get; } = new uint[StateWords.Count];

    /// <summary>The program's memory after.</summary>
    public byte[] Memory { get; } = new byte[MemorySize];

    /// <summary>How it ended.</summary>
    public TrialEnd End { get; set; }

    /// <summary>The exception's vector, or -1.</summary>
    public int Vector { get; set; }

    /// <summary>True when it entered the handler of a software interrupt.</summary>
    public bool EnteredHandler { get; set; }

    /// <summary>The exit it ended with.</summary>
    public VmExit Exit { get; set; }

    /// <summary>A system resource that a completed instruction has changed; null where there is none.</summary>
    public IEnumerable<string> ChangedResources()
    {
        for (int n = StateWords.ProgramCount; n < StateWords.Count; n++)
        {
            if (Before[n] != After[n])
            {
                yield return n == StateWords.ProgramCount + 1 ? FlagNames(Before[n] ^ After[n]) : StateWords.Name(n);
            }
        }

        if (Exit.Reason is not (ExitReason.BudgetSpent or ExitReason.Halt))
        {
            yield return Exit.Reason switch
            {
                ExitReason.PortIo => "I/O ports",
                ExitReason.Hypercall => "hypercall",
                _ => Exit.Reason.ToString(),
            };
        }
    }

    /// <summary>True when it has changed a system resource.</summary>
    public bool ChangesResources =>
        !Before.AsSpan(StateWords.ProgramCount).SequenceEqual(After.AsSpan(StateWords.ProgramCount))
        || Exit.Reason is not (ExitReason.BudgetSpent or ExitReason.Halt);

    /// <summary>
    /// The first thing that another state of the pair ended with and this one did not; bits that differed from the start do not count.
    /// Null where both did the same.
    /// </summary>
    public string? Difference(TrialResult other)
    {
        for (int n = 0; n < StateWords.Count; n++)
        {
            uint different = (After[n] ^ other.After[n]) & ~(Before[n] ^ other.Before[n]);
            if (different != 0)
            {
                string name = StateWords.Name(n) == "EFLAGS" ? FlagNames(different) : StateWords.Name(n);
                return string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{name} {After[n]:x8} / {other.After[n]:x8}");
            }
        }

        int at = Memory.AsSpan().CommonPrefixLength(other.Memory);
        if (at < MemorySize)
        {
            return string.Create(System.Globalization.CultureInfo.InvariantCulture,
                $"memory at {at:x4} {Memory[at]:x2} / {other.Memory[at]:x2}");
        }

        return Exit != other.Exit ? "the exit" : null;
    }

    private static string FlagNames(uint flags)
    {
        List<string> names = [];
        foreach ((uint bits, string name) in ((uint, string)[])[(Eflags.IF, "IF"), (Eflags.IoplMask, "IOPL"), (Eflags.VM, "VM"), (Eflags.NT, "NT"), (Eflags.ZF, "ZF"), (Eflags.AC, "AC")])
        {
            if ((flags & bits) != 0)
            {
                names.Add(name);
            }
        }

        return names.Count > 0 ? string.Join(", ", names) : "EFLAGS";
    }
}
