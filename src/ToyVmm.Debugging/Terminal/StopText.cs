using System.Text;
using ToyVmm.Debugging.Registers;
using ToyVmm.Engines;
using ToyVmm.Engines.Decoding;
using ToyVmm.Hardware.Cpu;
using static System.FormattableString;

namespace ToyVmm.Debugging.Terminal;

/// <summary>What a stop looks like: why, what was delivered, where, the next instruction, which registers have changed.</summary>
internal static class StopText
{
    private const int MostChanges = 12;

    /// <summary>Tells of a stop.</summary>
    public static string Describe(CommandContext context, DebugStop stop)
    {
        StringBuilder text = new();
        bool linear = context.Options.IsLinear;
        if (Cause(context, stop) is { Length: > 0 } cause)
        {
            _ = text.Append(cause).Append('\n');
        }

        if (stop.Event is { } happened)
        {
            _ = text.Append(linear ? "Delivered: " : "delivered: ").Append(Event(happened)).Append('\n');
        }

        IReadOnlyList<(Register, UInt128, UInt128)> changes = context.Registers.Take();
        if (stop.Cause != StopCause.Ended)
        {
            Where(text, context.Session, linear);
        }

        if (stop.Cause != StopCause.Start)
        {
            Changes(text, context.Session, changes, linear);
        }

        return text.ToString().TrimEnd('\n');
    }

    /// <summary>An interrupt or exception in words.</summary>
    public static string Event(in TrapInfo trap)
    {
        string name = trap.Vector < 32 ? Invariant($"{Vector.Name(trap.Vector)}, vector 0x{trap.Vector:x2}") : Invariant($"vector 0x{trap.Vector:x2}");
        string source = trap.Source switch
        {
            TrapSource.ExternalInterrupt => "external interrupt",
            TrapSource.Nmi => "NMI",
            TrapSource.SoftwareInterrupt => "software interrupt",
            TrapSource.DebugTrap => "debug trap",
            _ => "exception",
        };
        string details = trap.Vector == Vector.PageFault && trap.Source == TrapSource.Exception ? Invariant($", error code 0x{trap.ErrorCode:x4}, address 0x{trap.FaultAddress:x8}")
            : trap.Source == TrapSource.Exception && trap.ErrorCode != 0 ? Invariant($", error code 0x{trap.ErrorCode:x4}") : "";
        return $"{source} {name}{details}";
    }

    /// <summary>CS:EIP with its symbol.</summary>
    public static string Place(DebugSession session)
    {
        ref CpuState cpu = ref session.Cpu;
        uint linear = cpu.Cs.Base + cpu.Eip;
        string place = cpu.Cs.Big ? Invariant($"{cpu.Cs.Selector:x4}:{cpu.Eip:x8}") : Invariant($"{cpu.Cs.Selector:x4}:{cpu.Eip:x4}");
        string flat = cpu.Cs.Base != 0 ? Invariant($" (linear 0x{linear:x8})") : "";
        string symbol = session.Symbols.Find(linear) is { } found ? $" <{found}>" : "";
        return place + flat + symbol;
    }

    private static string Cause(CommandContext context, DebugStop stop) => stop.Cause switch
    {
        StopCause.Ended => End(context.Session, stop),
        StopCause.Paused => context.Options.IsLinear ? "Paused." : "paused",
        StopCause.HistoryBegin => stop.Text.Length > 0 ? stop.Text : "the beginning of what is kept of the guest's history",
        StopCause.HistoryEnd => "the end of the recording; from here the guest goes on live",
        _ => stop.Text,
    };

    private static string End(DebugSession session, DebugStop stop) => stop.End is { } end
        ? Invariant($"the guest has ended at instruction {session.Point.Instructions:N0}: {end.Detail} (status {end.ExitStatus})")
        : "the guest has ended";

    private static void Where(StringBuilder text, DebugSession session, bool linear)
    {
        DisassembledInstruction next = session.NextInstruction();
        string place = Place(session);
        string source = SourceText.Of(session) is { } line ? line : "";
        string count = Invariant($"instruction {session.Point.Instructions:N0}{(session.Point.Events > 0 ? Invariant($", event {session.Point.Events:N0}") : "")}");
        if (linear)
        {
            _ = text.Append(Invariant($"At {place}, {count}.\n"));
            _ = source.Length > 0 ? text.Append(Invariant($"Source: {source}\n")) : text;
            _ = text.Append(Invariant($"Next: {next.Text}\n"));
            return;
        }

        _ = text.Append(Invariant($"{place}  {count}\n"));
        _ = source.Length > 0 ? text.Append(source).Append('\n') : text;
        _ = text.Append(Invariant($"=> {Bytes(session, next.Length),-16} {next.Text}\n"));
    }

    private static string Bytes(DebugSession session, int length)
    {
        byte[] bytes = new byte[length];
        int read = session.Memory.ReadLinear(session.Cpu.Cs.Base + session.Cpu.Eip, bytes);
        return Convert.ToHexStringLower(bytes.AsSpan(0, read));
    }

    private static void Changes(StringBuilder text, DebugSession session, IReadOnlyList<(Register Register, UInt128 Old, UInt128 New)> changes, bool linear)
    {
        // A cache that follows its selector is not told twice.
        HashSet<string> names = [.. changes.Select(change => change.Register.Name)];
        (Register Register, UInt128 Old, UInt128 New)[] told =
            [.. changes.Where(change => change.Register.Group != RegisterGroup.Segment || !change.Register.Name.Contains('_', StringComparison.Ordinal) || !names.Contains(change.Register.Name.Split('_')[0]))];
        foreach ((Register register, UInt128 old, UInt128 now) in told.Take(MostChanges))
        {
            string before = RegisterChanges.Digits(register, old);
            string after = RegisterChanges.Digits(register, now);
            string flags = register.Name == "eflags" ? $" [{StopDescription.Flags(session)}]" : "";
            _ = linear ? text.Append(Invariant($"{register.Name} is {after}{flags}, was {before}.\n")) : text.Append(Invariant($"   {register.Name,-6} {before} -> {after}{flags}\n"));
        }

        if (told.Length > MostChanges)
        {
            _ = text.Append(Invariant($"   and {told.Length - MostChanges} more registers have changed\n"));
        }
    }
}
