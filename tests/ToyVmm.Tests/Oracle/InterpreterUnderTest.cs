using Iced.Intel;
using ToyVmm.Engines;
using ToyVmm.Engines.Interpretation;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Memory;
using Xunit.Abstractions;

namespace ToyVmm.Tests.Oracle;

/// <summary>The interpreter, in the world of <see cref="ICpuUnderTest"/>.</summary>
public unsafe class InterpreterUnderTest : ICpuUnderTest, IEngineObserver, IDisposable
{
    private const int UntoldException = 256;
    private const uint UserCodeHigh = 0x00CF_FB00;
    private const uint UserDataHigh = 0x00CF_F300;
    private const uint FlatLow = 0x0000_FFFF;

    private readonly GuestMemory _memory;
    private readonly Vcpu _vcpu;
    private readonly Interpreter _engine;
    private readonly bool _translates;
    private int _extra;
    private int _vector;
    private OracleState _atTrap;

    public InterpreterUnderTest()
        : this(portable: false)
    {
    }

    public InterpreterUnderTest(bool portable, bool translates = false)
    {
        _translates = translates;
        _memory = new GuestMemory(OracleLayout.MemorySize, shared: translates);
        _vcpu = new Vcpu(_memory) { Observer = this };
        _engine = new Interpreter(_vcpu, portable);
        if (translates && _engine.TryTranslate(new TranslatorOptions { Hotness = 0, Verify = true }) is { } unavailable)
        {
            throw new PlatformNotSupportedException(unavailable);
        }

        EnterUserMode();
    }

    public bool FollowsAmdUndefinedFlags => true;

    bool IEngineObserver.WantsInstructions => false;

    /// <summary>Instructions that ran on the host so far.</summary>
    public ulong HostInstructions => _vcpu.Translation?.HostInstructions ?? 0;

    public void Load(ReadOnlySpan<byte> code, uint address)
    {
        _extra = 0;
        if (!_translates || EndsInBranch(code))
        {
            _ = _memory.TryWrite(new GuestPhysicalAddress(address), code);
            return;
        }

        // A block runs as a whole or not at all: its end is a jump to itself, which is run too and changes nothing.
        byte[] block = [.. code, 0xEB, 0xFE];
        _ = _memory.TryWrite(new GuestPhysicalAddress(address), block);
        _extra = 1;
    }

    public int Run(int instructions, ref OracleState state, Span<byte> window)
    {
        CpuState* s = _vcpu.State;
        (s->Eax, s->Ecx, s->Edx, s->Ebx) = (state.Eax, state.Ecx, state.Edx, state.Ebx);
        (s->Esp, s->Ebp, s->Esi, s->Edi) = (state.Esp, state.Ebp, state.Esi, state.Edi);
        s->Eip = state.Eip;
        s->OtherFlags = state.Eflags & ~Eflags.Arithmetic;
        LazyFlags.Set(s, state.Eflags);
        _ = _memory.TryWrite(new GuestPhysicalAddress(OracleLayout.WindowAddress), window);

        _vector = ICpuUnderTest.NoException;
        ulong target = s->Retired + (ulong)(instructions + _extra);
        while (s->Retired < target)
        {
            if (_engine.Run(target - s->Retired).Reason == ExitReason.Shutdown)
            {
                if (_vector == ICpuUnderTest.NoException)
                {
                    // It did not tell which exception it could not deliver: no vector, so it differs from any.
                    _vector = UntoldException;
                    _atTrap = Capture();
                }

                break;
            }
        }

        _ = _memory.TryRead(new GuestPhysicalAddress(OracleLayout.WindowAddress), window);
        if (_vector != ICpuUnderTest.NoException)
        {
            state = _atTrap;
            EnterUserMode();
            return _vector;
        }

        state = Capture();
        return ICpuUnderTest.NoException;
    }

    void IEngineObserver.BeforeInstruction(Vcpu vcpu)
    {
    }

    void IEngineObserver.BeforeTrap(Vcpu vcpu, in TrapInfo trap)
    {
        if (_vector == ICpuUnderTest.NoException)
        {
            _vector = trap.Vector;
            _atTrap = Capture();
        }
    }

    public void Dispose()
    {
        _engine.Dispose();
        _vcpu.Dispose();
        _memory.Dispose();
        GC.SuppressFinalize(this);
    }

    private static bool EndsInBranch(ReadOnlySpan<byte> code)
    {
        Decoder decoder = Decoder.Create(32, code.ToArray());
        Instruction x = default;
        while (decoder.IP < (ulong)code.Length)
        {
            decoder.Decode(out x);
        }

        return x.FlowControl != FlowControl.Next;
    }

    private OracleState Capture()
    {
        CpuState* s = _vcpu.State;
        return new OracleState
        {
            Eax = s->Eax,
            Ecx = s->Ecx,
            Edx = s->Edx,
            Ebx = s->Ebx,
            Esp = s->Esp,
            Ebp = s->Ebp,
            Esi = s->Esi,
            Edi = s->Edi,
            Eip = s->Eip,
            Eflags = LazyFlags.GetEflags(s),
        };
    }

    // No IDT: the first exception is noted and then becomes a triple fault.
    private void EnterUserMode()
    {
        _vcpu.Reset();
        CpuState* s = _vcpu.State;
        s->Cr0 |= Cr0.PE;
        s->Cr4 |= Cr4.OSFXSR | Cr4.OSXMMEXCPT;
        s->Cpl = 3;
        s->IdtLimit = 0;
        for (SegmentCache* segment = &s->Es; segment <= &s->Gs; segment++)
        {
            segment->LoadDescriptor(0x23, FlatLow, UserDataHigh);
        }

        s->Cs.LoadDescriptor(0x1B, FlatLow, UserCodeHigh);
        _vcpu.NotifyStateChanged();
    }
}

/// <summary>The interpreter against the host CPU.</summary>
public sealed class InterpreterOracleTests(HostOracleFixture<InterpreterUnderTest> fixture, ITestOutputHelper output)
    : HostOracleTests<InterpreterUnderTest>(fixture, output);
