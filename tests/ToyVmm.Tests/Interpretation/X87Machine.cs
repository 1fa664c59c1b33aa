using ToyVmm.Engines;
using ToyVmm.Engines.Interpretation;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Memory;

namespace ToyVmm.Tests.Interpretation;

/// <summary>
/// An interpreter in ring 0, in protected or real mode, that runs a few instructions and tells which exception they raised.
/// Where the host has a translator, it runs beside and must agree (<see cref="TranslatorTwin"/>).
/// </summary>
internal sealed unsafe class X87Machine : IEngineObserver, IDisposable
{
    /// <summary>Where the code is.</summary>
    public const uint Origin = 0x1000;

    private readonly Vcpu _vcpu;
    private readonly Interpreter _engine;
    private readonly GuestMemory _memory = new(1 << 22);
    private readonly TranslatorTwin? _twin;
    private int _vector = -1;

    public X87Machine(bool portable = false)
    {
        _vcpu = new Vcpu(_memory) { Observer = this };
        _engine = new Interpreter(_vcpu, portable);
        _twin = TranslatorTwin.TryCreate(_vcpu, _engine, portable);
        EnterProtected();
    }

    public GuestMemory Memory
    {
        get
        {
            _twin?.LetMemoryBeSeen();
            return _memory;
        }
    }

    public CpuState* State => _vcpu.State;

    bool IEngineObserver.WantsInstructions => false;

    /// <summary>Flat 32-bit segments, without an IDT: the first exception ends the run.</summary>
    public void EnterProtected()
    {
        _vcpu.Reset();
        State->Cr0 = Cr0.PE | Cr0.ET;
        State->IdtLimit = 0;
        for (SegmentCache* segment = &State->Es; segment <= &State->Gs; segment++)
        {
            segment->LoadDescriptor(0x10, 0x0000FFFF, 0x00CF9300);
        }

        State->Cs.LoadDescriptor(0x08, 0x0000FFFF, 0x00CF9B00);
        _vcpu.NotifyStateChanged();
    }

    /// <summary>Real mode, with CS at 0x0040 and DS at 0x0300.</summary>
    public void EnterReal()
    {
        _vcpu.Reset();
        State->IdtLimit = 0;
        (State->Cs.Selector, State->Cs.Base) = (0x0040, 0x0400);
        (State->Ds.Selector, State->Ds.Base) = (0x0300, 0x3000);
        State->Cs.Refresh();
        State->Cs.Rights = SegmentRights.All;
        State->Ds.Refresh();
        _vcpu.NotifyStateChanged();
    }

    /// <summary>Changes made from outside are seen by the engine.</summary>
    public void Notify() => _vcpu.NotifyStateChanged();

    public void Write(uint address, ReadOnlySpan<byte> bytes)
    {
        _ = _memory.TryWrite(new GuestPhysicalAddress(address), bytes);
        _twin?.Write(address, bytes);
    }

    public byte[] Read(uint address, int length)
    {
        byte[] bytes = new byte[length];
        _ = _memory.TryRead(new GuestPhysicalAddress(address), bytes);
        return bytes;
    }

    /// <summary>Runs one instruction.</summary>
    /// <returns>The exception it raised, or -1.</returns>
    public int RunOne(byte[] code) => Run(code, 1);

    /// <summary>Runs instructions from <see cref="Origin"/> (a linear address).</summary>
    public int Run(byte[] code, ulong instructions)
    {
        _ = RunToExit(code, instructions);
        if (_vector >= 0)
        {
            // As the fault found it.
            State->Halted = 0;
        }

        return _vector;
    }

    /// <summary>Runs one instruction and tells why the engine left.</summary>
    public ExitReason RunToExit(byte[] code, ulong instructions = 1)
    {
        Write(Origin, code);
        State->Eip = Origin - State->Cs.Base;
        _vector = -1;
        _vcpu.NotifyStateChanged();
        return (_twin?.Run(instructions) ?? _engine.Run(instructions)).Reason;
    }

    void IEngineObserver.BeforeInstruction(Vcpu vcpu)
    {
    }

    void IEngineObserver.BeforeTrap(Vcpu vcpu, in TrapInfo trap)
    {
        if (_vector < 0)
        {
            _vector = trap.Vector;
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
            _vcpu.Dispose();
            _memory.Dispose();
        }
    }
}
