using ToyVmm.Engines;
using ToyVmm.Engines.Interpretation;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Memory;

namespace ToyVmm.Tests.Interpretation;

/// <summary>
/// A CPU with the interpreter in flat protected mode, ring 0, without an IDT: the first exception is noted, with the state at that
/// time, and then becomes a triple fault. Code is put at <see cref="Origin"/>. Where the host has a translator, it runs beside and must agree
/// (<see cref="TranslatorTwin"/>).
/// </summary>
internal sealed unsafe class TestCpu : IEngineObserver, IDisposable
{
    public const uint Origin = 0x20000;
    public const uint MemorySize = 1 << 20;
    public const int None = -1;

    private readonly Interpreter _engine;
    private readonly GuestMemory _memory;
    private readonly TranslatorTwin? _twin;

    public TestCpu(bool code32 = true, bool stack32 = true, CpuModel? model = null, bool portable = false, bool translates = false, TranslatorOptions? options = null)
    {
        _memory = new GuestMemory(MemorySize, shared: translates);
        Vcpu = new Vcpu(_memory, model) { Observer = this };
        _engine = new Interpreter(Vcpu, portable);
        if (translates && _engine.TryTranslate(options ?? new TranslatorOptions { Hotness = 0, Verify = true }) is { } unavailable)
        {
            throw new PlatformNotSupportedException(unavailable);
        }

        _twin = translates ? null : TranslatorTwin.TryCreate(Vcpu, _engine, portable);
        Reset(code32, stack32);
    }

    public GuestMemory Memory
    {
        get
        {
            _twin?.LetMemoryBeSeen();
            return _memory;
        }
    }

    public Vcpu Vcpu { get; }

    public Interpreter Engine => _engine;

    /// <summary>Instructions that ran on the host: this CPU's, or its twin's.</summary>
    public ulong HostInstructions => _twin?.HostInstructions ?? Vcpu.Translation?.HostInstructions ?? 0;

    public CpuState* State => Vcpu.State;

    /// <summary>The vector of the first exception since the last <see cref="Reset"/>.</summary>
    public int FaultVector { get; private set; }

    /// <summary>The linear address of a page fault.</summary>
    public uint FaultAddress { get; private set; }

    /// <summary>The state when it was raised.</summary>
    public CpuState AtFault { get; private set; }

    /// <summary>Instructions reported while <see cref="WantsInstructions"/> is set; one for each element of a repeated string.</summary>
    public int Reported { get; private set; }

    public bool WantsInstructions { get; set; }

    public uint Flags
    {
        get => LazyFlags.Get(State);
        set => LazyFlags.Set(State, value);
    }

    public Span<byte> Bytes => new(Memory.RamBase, (int)MemorySize);

    public void Reset(bool code32 = true, bool stack32 = true)
    {
        Vcpu.Reset();
        FaultVector = None;
        CpuState* s = State;
        s->Cr0 |= Cr0.PE;
        s->IdtLimit = 0;
        for (SegmentCache* segment = &s->Es; segment <= &s->Gs; segment++)
        {
            segment->LoadDescriptor(0x10, 0x0000FFFF, 0x00CF9300);
        }

        s->Ss.LoadDescriptor(0x10, 0x0000FFFF, stack32 ? 0x00CF9300u : 0x008F9300u);
        s->Cs.LoadDescriptor(0x08, 0x0000FFFF, code32 ? 0x00CF9B00u : 0x008F9B00u);
        (s->Es.Base, s->Cs.Base, s->Ss.Base, s->Ds.Base) = (Bases.Es, Bases.Cs, Bases.Ss, Bases.Ds);
        s->Esp = 0x8000;
        Vcpu.NotifyStateChanged();
    }

    /// <summary>Where the segments begin, from the next <see cref="Reset"/> on.</summary>
    public SegmentBases Bases { get; set; }

    /// <summary>Puts code at <see cref="Origin"/> and EIP there.</summary>
    public void Load(params ReadOnlySpan<byte> code)
    {
        _ = _memory.TryWrite(new GuestPhysicalAddress(Origin), code);
        _twin?.Write(Origin, code);
        State->Eip = Origin - State->Cs.Base;
    }

    /// <summary>Runs until so many instructions have retired, or an exit.</summary>
    public VmExit Run(ulong instructions = 1) => _twin?.Run(instructions) ?? _engine.Run(instructions);

    public void BeforeInstruction(Vcpu vcpu) => Reported++;

    public void BeforeTrap(Vcpu vcpu, in TrapInfo trap)
    {
        if (FaultVector == None)
        {
            FaultVector = trap.Vector;
            FaultAddress = trap.FaultAddress;
            AtFault = *State;
        }
    }

    public void Dispose()
    {
        try
        {
            _twin?.Dispose();
        }
        finally
        {
            _engine.Dispose();
            Vcpu.Dispose();
            _memory.Dispose();
        }
    }
}

/// <summary>Linear addresses of the segments' offset 0.</summary>
internal readonly record struct SegmentBases(uint Es, uint Cs, uint Ss, uint Ds);
