using ToyVmm.Engines;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Debugging.Autopsies;

/// <summary>
/// Remembers the last exceptions of a guest, equal ones in a row as one: an autopsy then sees what came before the end, and a handler that
/// faults again and again. Attach it as <see cref="VirtualMachines.VirtualMachineOptions.Observer"/>; an exception costs some nanoseconds, an instruction nothing.
/// </summary>
/// <param name="next">Whoever else observes; told of everything.</param>
public sealed unsafe class TrapHistory(IEngineObserver? next = null) : IEngineObserver
{
    /// <summary>So many kinds of exceptions in a row are remembered.</summary>
    public const int Capacity = 64;

    private readonly TrapRun[] _runs = new TrapRun[Capacity];
    private int _first;
    private int _count;

    /// <inheritdoc/>
    public bool WantsInstructions => next?.WantsInstructions ?? false;

    /// <summary>The exceptions that are remembered, oldest first.</summary>
    public IReadOnlyList<TrapRun> Runs => [.. Enumerable.Range(0, _count).Select(n => _runs[(_first + n) % Capacity])];

    /// <summary>External interrupts delivered so far.</summary>
    public ulong Interrupts { get; private set; }

    /// <inheritdoc/>
    public void BeforeInstruction(Vcpu vcpu) => next?.BeforeInstruction(vcpu);

    /// <inheritdoc/>
    public void BeforeTrap(Vcpu vcpu, in TrapInfo trap)
    {
        ArgumentNullException.ThrowIfNull(vcpu);
        switch (trap.Source)
        {
            case TrapSource.ExternalInterrupt:
                Interrupts++;
                break;

            // INT n is how programs call their kernel: no accident.
            case TrapSource.SoftwareInterrupt or TrapSource.Nmi:
                break;
            default:
                Note(vcpu.State, trap);
                break;
        }

        next?.BeforeTrap(vcpu, trap);
    }

    private void Note(CpuState* s, in TrapInfo trap)
    {
        if (_count > 0)
        {
            ref TrapRun last = ref _runs[(_first + _count - 1) % Capacity];
            if (last.First.Vector == trap.Vector && last.Eip == s->Eip && last.CodeBase == s->Cs.Base)
            {
                last = last with { Last = trap, LastInstructions = s->Retired, Times = last.Times + 1 };
                return;
            }
        }

        TrapRun run = new(trap, trap, s->Cs.Selector, s->Cs.Base, s->Eip, s->Cs.Big, s->Retired, s->Retired, 1);
        if (_count < Capacity)
        {
            _runs[(_first + _count++) % Capacity] = run;
        }
        else
        {
            _runs[_first] = run;
            _first = (_first + 1) % Capacity;
        }
    }
}

/// <summary>The same exception at the same instruction, once or several times in a row.</summary>
/// <param name="First">The first one.</param>
/// <param name="Last">The last one.</param>
/// <param name="CodeSelector">CS.</param>
/// <param name="CodeBase">The base of CS.</param>
/// <param name="Eip">The instruction's offset in CS.</param>
/// <param name="Code32">True for 32-bit code.</param>
/// <param name="FirstInstructions">Instructions retired before the first one.</param>
/// <param name="LastInstructions">Instructions retired before the last one.</param>
/// <param name="Times">How often.</param>
public readonly record struct TrapRun(
    TrapInfo First, TrapInfo Last, ushort CodeSelector, uint CodeBase, uint Eip, bool Code32, ulong FirstInstructions, ulong LastInstructions, ulong Times);
