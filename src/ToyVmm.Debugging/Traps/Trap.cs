using System.Collections.Immutable;
using ToyVmm.Engines;
using ToyVmm.Engines.Probing;
using ToyVmm.Hardware.Cpu;
using ToyVmm.VirtualMachines;

namespace ToyVmm.Debugging.Traps;

/// <summary>
/// One trap: what the guest did, why the VMM had to step in, what it did then, micro-step by micro-step, and what came of it. All of it but
/// <see cref="TrapCost.HostTime"/> is the same from run to run and from engine to engine.
/// </summary>
public sealed record Trap
{
    private readonly CpuState _before;
    private readonly CpuState _after;

    internal Trap(in CpuState before, in CpuState after)
    {
        _before = before;
        _after = after;
    }

    /// <summary>Counts from 1 where recording began.</summary>
    public required ulong Number { get; init; }

    /// <summary>Where in the machine's history: before the trap.</summary>
    public required ExecutionPoint Point { get; init; }

    /// <summary>The guest's clock, in ticks, before the trap.</summary>
    public required ulong Clock { get; init; }

    /// <summary>What kind.</summary>
    public required TrapKind Kind { get; init; }

    /// <summary>The registers before.</summary>
    public ref readonly CpuState Before => ref _before;

    /// <summary>The registers after: at the next instruction, or at the handler's first.</summary>
    public ref readonly CpuState After => ref _after;

    /// <summary>The guest's instruction; for an event between two instructions, the one that it came before.</summary>
    public required TrapInstruction Instruction { get; init; }

    /// <summary>The interrupts and exceptions that were delivered, in order: none, one, or several where a delivery itself faulted.</summary>
    public required ImmutableArray<TrapInfo> Events { get; init; }

    /// <summary>Why.</summary>
    public required TrapReason Reason { get; init; }

    /// <summary>What the VMM did.</summary>
    public required ImmutableArray<MicroStep> Steps { get; init; }

    /// <summary>Micro-steps beyond those that are kept: a REP string instruction can have millions.</summary>
    public required ulong StepsLeftOut { get; init; }

    /// <summary>What is different now.</summary>
    public required ImmutableArray<StateChange> Changes { get; init; }

    /// <summary>What it cost.</summary>
    public required TrapCost Cost { get; init; }

    /// <summary>The trap on one line.</summary>
    public override string ToString() => TrapText.Line(this);
}

/// <summary>A guest instruction, for people.</summary>
/// <param name="Selector">CS.</param>
/// <param name="Offset">EIP.</param>
/// <param name="Linear">Its linear address.</param>
/// <param name="Bytes">Its bytes; none where no memory is.</param>
/// <param name="Text">In NASM's syntax.</param>
/// <param name="Symbol">Where in the guest's program: <c>main+0x12</c>; null where no symbol is known.</param>
/// <param name="Source">The source line: <c>main.c:12</c>; null where none is known.</param>
public sealed record TrapInstruction(ushort Selector, uint Offset, uint Linear, ReadOnlyMemory<byte> Bytes, string Text, string? Symbol, string? Source);

/// <summary>Why there was a trap.</summary>
/// <param name="Rule">The rule, in a sentence, with the manual's section.</param>
/// <param name="Class">What Popek and Goldberg's classification says of the instruction in its mode.</param>
/// <param name="Fault">Whether a page fault was true or hidden.</param>
/// <param name="Translation">What the translator does with such an instruction.</param>
public sealed record TrapReason(string Rule, string Class, FaultNature Fault, string Translation);

/// <summary>A register that the trap has changed.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Before">In hexadecimal, as wide as the register.</param>
/// <param name="After">Likewise.</param>
/// <param name="Note">What that means, where the digits do not say it: flags, rings.</param>
public sealed record StateChange(string Name, string Before, string After, string? Note);

/// <summary>What a trap cost.</summary>
/// <param name="Instructions">What it added to the count of retired instructions: 1 for an instruction or an exception, 0 for an interrupt.</param>
/// <param name="Steps">Micro-steps, those left out included.</param>
/// <param name="Walks">Page walks.</param>
/// <param name="Fills">TLB entries filled.</param>
/// <param name="HostTime">Host time, where it was measured; it differs from run to run.</param>
public sealed record TrapCost(ulong Instructions, ulong Steps, int Walks, int Fills, TimeSpan? HostTime);
