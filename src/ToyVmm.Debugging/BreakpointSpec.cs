using System.Globalization;

namespace ToyVmm.Debugging;

/// <summary>What a breakpoint waits for.</summary>
public abstract record BreakpointSpec
{
    /// <summary>For people: "at 0x00100000", "out to port 0x3f8".</summary>
    public abstract string Text { get; }

    /// <inheritdoc/>
    public sealed override string ToString() => Text;

    /// <summary>Formats with the same digits everywhere.</summary>
    private protected static string Format(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}

/// <summary>The instruction at a linear address is next.</summary>
/// <param name="Address">The linear address.</param>
/// <param name="Symbol">What the user called it; null for a number.</param>
public sealed record LinearSpec(uint Address, string? Symbol = null) : BreakpointSpec
{
    /// <inheritdoc/>
    public override string Text => Symbol is null ? Format($"at 0x{Address:x8}") : Format($"at 0x{Address:x8} <{Symbol}>");
}

/// <summary>The instruction at a guest-physical address is next.</summary>
/// <param name="Address">The guest-physical address.</param>
public sealed record PhysicalSpec(ulong Address) : BreakpointSpec
{
    /// <inheritdoc/>
    public override string Text => Format($"at physical 0x{Address:x8}");
}

/// <summary>The instruction at CS:EIP is next, whatever the base of CS is then.</summary>
/// <param name="Selector">CS.</param>
/// <param name="Offset">EIP.</param>
public sealed record SegmentOffsetSpec(ushort Selector, uint Offset) : BreakpointSpec
{
    /// <inheritdoc/>
    public override string Text => Format($"at {Selector:x4}:{Offset:x4}");
}

/// <summary>So many instructions have retired.</summary>
/// <param name="Count">How many since power-on.</param>
public sealed record InstructionSpec(ulong Count) : BreakpointSpec
{
    /// <inheritdoc/>
    public override string Text => Format($"at instruction {Count}");
}

/// <summary>Which accesses a watchpoint waits for.</summary>
public enum WatchAccess
{
    /// <summary>Stores, whatever is stored.</summary>
    Write,

    /// <summary>Loads.</summary>
    Read,

    /// <summary>Both.</summary>
    Access,

    /// <summary>Stores that change a byte.</summary>
    Change,
}

/// <summary>Data are accessed; the guest stops behind the instruction.</summary>
/// <param name="Address">The first byte.</param>
/// <param name="Length">How many bytes.</param>
/// <param name="Access">Which accesses.</param>
/// <param name="IsPhysical">True for a guest-physical address.</param>
/// <param name="Symbol">What the user called it; null for a number.</param>
public sealed record DataSpec(ulong Address, uint Length, WatchAccess Access, bool IsPhysical = false, string? Symbol = null) : BreakpointSpec
{
    /// <inheritdoc/>
    public override string Text => Format($"{Access switch { WatchAccess.Read => "read", WatchAccess.Write => "write", WatchAccess.Change => "change", _ => "access" }} of {Length} byte{(Length == 1 ? "" : "s")} at {(IsPhysical ? "physical " : "")}0x{Address:x8}{(Symbol is null ? "" : $" <{Symbol}>")}");
}

/// <summary>A port is accessed; the guest stops behind the instruction.</summary>
/// <param name="First">The first port.</param>
/// <param name="Last">The last one.</param>
/// <param name="Reads">IN counts.</param>
/// <param name="Writes">OUT counts.</param>
public sealed record PortSpec(ushort First, ushort Last, bool Reads = true, bool Writes = true) : BreakpointSpec
{
    /// <inheritdoc/>
    public override string Text => Format($"{(Reads && Writes ? "access to" : Reads ? "in from" : "out to")} port 0x{First:x}{(Last == First ? "" : Format($"-0x{Last:x}"))}");
}

/// <summary>A control register is written.</summary>
/// <param name="Number">0, 2, 3 or 4.</param>
public sealed record ControlRegisterSpec(int Number) : BreakpointSpec
{
    /// <inheritdoc/>
    public override string Text => Format($"write to cr{Number}");
}

/// <summary>A model-specific register is written.</summary>
/// <param name="Number">Its number.</param>
public sealed record ModelSpecificRegisterSpec(uint Number) : BreakpointSpec
{
    /// <inheritdoc/>
    public override string Text => Format($"write to msr 0x{Number:x}");
}

/// <summary>An interrupt or exception with a vector is delivered; the guest stops at the handler's first instruction.</summary>
/// <param name="Vector">0 to 255.</param>
public sealed record VectorSpec(int Vector) : BreakpointSpec
{
    /// <inheritdoc/>
    public override string Text => Format($"vector 0x{Vector:x2}{(Vector < 32 ? $" ({Hardware.Cpu.Vector.Name(Vector)})" : "")}");
}

/// <summary>A hypercall is made.</summary>
/// <param name="Number">Its number (docs/hypercalls.md).</param>
public sealed record HypercallSpec(uint Number) : BreakpointSpec
{
    /// <inheritdoc/>
    public override string Text => Format($"hypercall {Number}");
}

/// <summary>A sensitive instruction is next, in Popek and Goldberg's sense; the guest is interpreted while one of these is on.</summary>
public sealed record SensitiveSpec : BreakpointSpec
{
    /// <inheritdoc/>
    public override string Text => "sensitive instruction";
}

/// <summary>The mode has changed: see <see cref="StepKind.ModeSwitch"/>.</summary>
public sealed record ModeSwitchSpec : BreakpointSpec
{
    /// <inheritdoc/>
    public override string Text => "mode switch";
}

/// <summary>CR3 has got another value.</summary>
public sealed record AddressSpaceSpec : BreakpointSpec
{
    /// <inheritdoc/>
    public override string Text => "address space switch";
}
