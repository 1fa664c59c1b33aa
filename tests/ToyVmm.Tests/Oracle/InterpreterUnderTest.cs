using ToyVmm.Engines;
using ToyVmm.Engines.Interpretation;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Memory;

namespace ToyVmm.Tests.Oracle;

/// <summary>
/// The interpreter as the oracle sees it: flat protected mode, ring 3, an empty IDT. Its observer notes the first exception; what
/// happens then (no handler: a triple fault) does not matter. Single instructions are observed, so each runs in a block of its own.
/// </summary>
public unsafe class InterpreterUnderTest : ICpuUnderTest, IEngineObserver, IDisposable
{
    // The engine shut down, but did not say before which exception it could not deliver: no vector, so it differs from any.
    private const int UntoldException = 256;
    private const ushort UserCode32 = 0xC0FB;
    private const ushort UserData32 = 0xC0F3;

    private readonly GuestMemory memory = new(OracleLayout.MemorySize);
    private readonly Vcpu vcpu;
    private readonly Interpreter engine;
    private CpuState ready;
    private int vector;
    private CpuState atTrap;

    /// <summary>Makes the machine and remembers its CPU state, to start every case from.</summary>
    public InterpreterUnderTest()
    {
        vcpu = new Vcpu(memory) { Observer = this };
        engine = new Interpreter(vcpu);
        CpuState* state = vcpu.State;
        state->Cr0 = Cr0.PE | Cr0.ET | Cr0.NE;
        state->Cpl = 3;
        state->IdtLimit = 0;
        state->GdtLimit = 0;
        for (SegmentCache* segment = &state->Es; segment <= &state->Gs; segment++)
        {
            bool isCode = segment == &state->Cs;
            segment->Selector = (ushort)(isCode ? 0x1B : 0x23);
            segment->Base = 0;
            segment->Limit = uint.MaxValue;
            segment->Access = isCode ? UserCode32 : UserData32;
            segment->Refresh();
        }

        vcpu.NotifyStateChanged();
        ready = *state;
    }

    /// <inheritdoc/>
    public virtual bool WantsInstructions => true;

    /// <inheritdoc/>
    public void Load(ReadOnlySpan<byte> code, uint address)
    {
        if (!memory.TryWrite(new GuestPhysicalAddress(address), code))
        {
            throw new ArgumentException($"{code.Length} bytes of code at 0x{address:X} are not in memory.", nameof(address));
        }
    }

    /// <inheritdoc/>
    public int Run(int instructions, ref OracleState state, Span<byte> window)
    {
        CpuState* cpu = vcpu.State;
        *cpu = ready;
        cpu->Eax = state.Eax;
        cpu->Ecx = state.Ecx;
        cpu->Edx = state.Edx;
        cpu->Ebx = state.Ebx;
        cpu->Esp = state.Esp;
        cpu->Ebp = state.Ebp;
        cpu->Esi = state.Esi;
        cpu->Edi = state.Edi;
        cpu->Eip = state.Eip;
        LazyFlags.Set(cpu, state.Eflags);
        cpu->OtherFlags = state.Eflags & ~Eflags.Arithmetic;
        var guestWindow = new Span<byte>(memory.RamBase + OracleLayout.WindowAddress, OracleLayout.WindowSize);
        window.CopyTo(guestWindow);

        if (!WantsInstructions)
        {
            // Blocks remember where they went: the engine must know that EIP did not get here by itself.
            vcpu.NotifyStateChanged();
        }

        vector = ICpuUnderTest.NoException;
        VmExit exit = engine.Run((ulong)instructions);
        if (exit.Reason == ExitReason.Shutdown && vector == ICpuUnderTest.NoException)
        {
            vector = UntoldException;
            atTrap = *cpu;
        }

        if (vector != ICpuUnderTest.NoException)
        {
            *cpu = atTrap;
            vcpu.NotifyStateChanged();
        }
        else if (exit.Reason != ExitReason.BudgetSpent)
        {
            throw new InvalidOperationException($"The interpreter left with {exit} where an instruction of ring 3 that touches memory only should complete.");
        }

        state = new OracleState
        {
            Eax = cpu->Eax,
            Ecx = cpu->Ecx,
            Edx = cpu->Edx,
            Ebx = cpu->Ebx,
            Esp = cpu->Esp,
            Ebp = cpu->Ebp,
            Esi = cpu->Esi,
            Edi = cpu->Edi,
            Eip = cpu->Eip,
            Eflags = LazyFlags.GetEflags(cpu),
        };
        guestWindow.CopyTo(window);
        return vector;
    }

    /// <inheritdoc/>
    public void BeforeInstruction(Vcpu vcpu)
    {
    }

    /// <inheritdoc/>
    public void BeforeTrap(Vcpu vcpu, in TrapInfo trap)
    {
        if (vector == ICpuUnderTest.NoException)
        {
            vector = trap.Vector;
            atTrap = *vcpu.State;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        GC.SuppressFinalize(this);
        engine.Dispose();
        vcpu.Dispose();
        memory.Dispose();
    }
}

/// <summary>The interpreter with instructions in blocks, as guests run: for sequences.</summary>
public sealed class InterpreterInBlocks : InterpreterUnderTest
{
    /// <inheritdoc/>
    public override bool WantsInstructions => false;
}
