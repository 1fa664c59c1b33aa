using System.Numerics;
using ToyVmm.Engines;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.VirtualMachines.Tracing;

/// <summary>
/// A fingerprint of a whole run: a hash over every trap and every exit, each with its instruction count, its data and all general
/// registers. Two runs with the same hash went the same way; one instruction of difference before any event changes it.
/// </summary>
/// <remarks>
/// Exits that only say how the monitor slices a run (spent budgets, interrupt windows, cancellations) do not count, so that limits and
/// engines can differ. The function is fast and not cryptographic: each 64-bit word is XORed in, multiplied by an odd constant
/// (2^64 / the golden ratio, Knuth TAOCP 6.4) and rotated, so that every bit reaches every other.
/// </remarks>
/// <param name="next">Another observer that is told everything too, or null.</param>
public sealed unsafe class TraceHash(IEngineObserver? next = null) : IEngineObserver
{
    private const ulong Seed = 0x546F_7956_6D6D_0001;   // "ToyVmm", version 1 of what is hashed
    private const ulong Multiplier = 0x9E37_79B9_7F4A_7C15;
    private const ulong TrapMark = 0x5452_4150;
    private const ulong ExitMark = 0x4558_4954;

    /// <summary>The hash so far.</summary>
    public ulong Value { get; private set; } = Seed;

    /// <summary>How many events it covers.</summary>
    public ulong Events { get; private set; }

    /// <inheritdoc/>
    public bool WantsInstructions => next?.WantsInstructions ?? false;

    /// <inheritdoc/>
    public void BeforeInstruction(Vcpu vcpu) => next?.BeforeInstruction(vcpu);

    /// <inheritdoc/>
    public void BeforeTrap(Vcpu vcpu, in TrapInfo trap)
    {
        ArgumentNullException.ThrowIfNull(vcpu);
        Begin(TrapMark, vcpu);
        Mix(((ulong)trap.Source << 32) | (uint)trap.Vector);
        Mix(((ulong)trap.ErrorCode << 32) | trap.FaultAddress);
        next?.BeforeTrap(vcpu, trap);
    }

    /// <summary>Takes an exit: see <see cref="VirtualMachineOptions.ExitObserver"/>.</summary>
    /// <param name="machine">The machine.</param>
    /// <param name="exit">The exit, not yet handled.</param>
    public void OnExit(VirtualMachine machine, VmExit exit)
    {
        ArgumentNullException.ThrowIfNull(machine);
        if (exit.Reason is ExitReason.BudgetSpent or ExitReason.InterruptWindow or ExitReason.Cancelled)
        {
            return;
        }

        Begin(ExitMark, machine.Vcpu);
        Mix(((ulong)exit.Reason << 32) | ((ulong)exit.Width << 1) | (exit.IsWrite ? 1UL : 0));
        Mix(exit.Address);
        Mix(exit.Value);
    }

    private void Begin(ulong mark, Vcpu vcpu)
    {
        CpuState* s = vcpu.State;
        Events++;
        Mix(mark);
        Mix(s->Retired);
        Mix(((ulong)s->Cs.Selector << 32) | s->Eip);
        Mix(LazyFlags.GetEflags(s));
        for (uint* register = &s->Eax; register <= &s->Edi; register++)
        {
            Mix(*register);
        }
    }

    private void Mix(ulong word) => Value = BitOperations.RotateLeft((Value ^ word) * Multiplier, 29);
}
