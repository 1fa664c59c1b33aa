using System.Globalization;
using ToyVmm.Hardware.Cpu;
using ToyVmm.VirtualMachines.Hypercalls;
using ToyVmm.VirtualMachines.Symbols;

namespace ToyVmm.Debugging.Terminal;

/// <summary>From the text behind a command to what a breakpoint waits for.</summary>
internal static class SpecParser
{
    /// <summary>The words that name a kind; without one of them a text is a place.</summary>
    public static readonly string[] Kinds = ["watch", "rwatch", "awatch", "wchange", "port", "cr", "msr", "vector", "hypercall", "at", "sensitive", "mode", "space"];

    /// <summary>Parses a kind with what belongs to it, or a place.</summary>
    /// <exception cref="CommandErrorException">It is neither.</exception>
    public static BreakpointSpec Any(CommandContext context, string text)
    {
        (string first, string rest) = Words.First(text);
        return Kinds.Contains(first) ? Of(context, first, rest) : Place(context, text);
    }

    /// <summary>Parses what stands behind the name of a kind.</summary>
    /// <exception cref="CommandErrorException">It makes no sense.</exception>
    public static BreakpointSpec Of(CommandContext context, string kind, string text) => kind switch
    {
        "watch" => Data(context, text, WatchAccess.Write),
        "rwatch" => Data(context, text, WatchAccess.Read),
        "awatch" => Data(context, text, WatchAccess.Access),
        "wchange" => Data(context, text, WatchAccess.Change),
        "port" => Port(context, text),
        "cr" => ControlRegister(text),
        "msr" => new ModelSpecificRegisterSpec((uint)Number(context, text, uint.MaxValue)),
        "vector" => new VectorSpec((int)VectorNumber(context, text)),
        "hypercall" => new HypercallSpec(HypercallNumber(context, text)),
        "at" => new InstructionSpec(Number(context, text.Replace("_", "", StringComparison.Ordinal), ulong.MaxValue)),
        "sensitive" => Nothing(text, new SensitiveSpec()),
        "mode" => Nothing(text, new ModeSwitchSpec()),
        "space" => Nothing(text, new AddressSpaceSpec()),
        _ => Place(context, text),
    };

    /// <summary>Parses a place; an empty text is the next instruction.</summary>
    /// <exception cref="CommandErrorException">It is none.</exception>
    public static BreakpointSpec Place(CommandContext context, string text)
    {
        if (text.Length == 0)
        {
            uint here = context.Session.Cpu.Cs.Base + context.Session.Cpu.Eip;
            return new LinearSpec(here, context.Session.Symbols.Find(here)?.ToString());
        }

        if (text.StartsWith("phys:", StringComparison.Ordinal))
        {
            return new PhysicalSpec(context.Value(text[5..].Trim()));
        }

        if (SourcePlace.Find(context.Session, text) is { } line)
        {
            return new LinearSpec(line, text);
        }

        if (SegmentOffset(text) is { } far)
        {
            return far;
        }

        uint address = context.Address(text);
        SymbolOffset? symbol = context.Session.Symbols.Find(address);
        return new LinearSpec(address, symbol?.ToString());
    }

    // "0000:7c00", in hexadecimal as everybody writes it, with or without 0x. What is no pair of numbers ("cs:eip") is an expression.
    private static SegmentOffsetSpec? SegmentOffset(string text)
    {
        int colon = text.IndexOf(':', StringComparison.Ordinal);
        return colon <= 0 || Hexadecimal(text[..colon]) is not { } selector || Hexadecimal(text[(colon + 1)..]) is not { } offset ? null
            : selector > 0xFFFF ? throw new CommandErrorException($"{text}: a selector has 16 bits, at most ffff")
            : offset > uint.MaxValue ? throw new CommandErrorException($"{text}: an offset has 32 bits, at most ffffffff")
            : new SegmentOffsetSpec((ushort)selector, (uint)offset);
    }

    // What has more digits than any number here may have is the largest one: refused, and never taken for something else.
    private static ulong? Hexadecimal(string text)
    {
        string digits = text.Trim();
        digits = digits.StartsWith("0x", StringComparison.OrdinalIgnoreCase) ? digits[2..] : digits;
        return digits.Length == 0 || !digits.All(char.IsAsciiHexDigit) ? null
            : ulong.TryParse(digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ulong value) ? value : ulong.MaxValue;
    }

    private static DataSpec Data(CommandContext context, string text, WatchAccess access)
    {
        int comma = text.LastIndexOf(',');
        string what = (comma < 0 ? text : text[..comma]).Trim();
        if (what.Length == 0)
        {
            throw new CommandErrorException("which memory? An address or symbol, with ,LENGTH behind it");
        }

        ulong length = comma < 0 ? 0 : Number(context, text[(comma + 1)..].Trim(), 1 << 20);
        if (comma >= 0 && length == 0)
        {
            throw new CommandErrorException("a length is at least 1");
        }

        if (what.StartsWith("phys:", StringComparison.Ordinal))
        {
            return new DataSpec(context.Value(what[5..].Trim()), Length(length, 4), access, IsPhysical: true);
        }

        // "dword [x]" names memory, and its size; anything else is an address.
        if (context.TryPlace(what) is { } place)
        {
            return new DataSpec(place.Address, Length(length, (uint)place.Size), access, place.IsPhysical, what);
        }

        Symbol? symbol = context.Session.Symbols.Find(what);
        uint size = symbol is { Kind: SymbolKind.Data, Size: > 0 and <= 4096 } known ? known.Size : 4;
        return new DataSpec(context.Address(what), Length(length, size), access, Symbol: symbol?.Name);
    }

    private static uint Length(ulong said, uint otherwise) => said == 0 ? otherwise : (uint)said;

    private static PortSpec Port(CommandContext context, string text)
    {
        string[] words = Words.All(text);
        (bool reads, bool writes) = words is [.., "in"] or ["in", ..] ? (true, false) : words is [.., "out"] or ["out", ..] ? (false, true) : (true, true);
        string range = string.Concat(words.Where(word => word is not ("in" or "out")));
        int dash = range.IndexOf('-', StringComparison.Ordinal);
        ushort first = (ushort)Number(context, dash < 0 ? range : range[..dash], 0xFFFF);
        ushort last = dash < 0 ? first : (ushort)Number(context, range[(dash + 1)..], 0xFFFF);
        return last >= first ? new PortSpec(first, last, reads, writes) : throw new CommandErrorException("the last port is below the first");
    }

    private static ControlRegisterSpec ControlRegister(string text)
    {
        string number = text.StartsWith("cr", StringComparison.OrdinalIgnoreCase) ? text[2..] : text;
        return number is ['0' or '2' or '3' or '4'] ? new ControlRegisterSpec(number[0] - '0') : throw new CommandErrorException("which one? 0, 2, 3 or 4");
    }

    // #PF, PF, 14, 0x20.
    private static ulong VectorNumber(CommandContext context, string text)
    {
        string name = text.StartsWith('#') ? text : "#" + text;
        for (int n = 0; n < 32; n++)
        {
            if (string.Equals(Vector.Name(n), name, StringComparison.OrdinalIgnoreCase) || string.Equals(Vector.Name(n), text, StringComparison.OrdinalIgnoreCase))
            {
                return (ulong)n;
            }
        }

        return text.StartsWith('#') ? throw new CommandErrorException($"{text}: there is no such exception") : Number(context, text, 255);
    }

    private static uint HypercallNumber(CommandContext context, string text) =>
        HypercallCatalog.Calls.FirstOrDefault(call => call.Name == text) is { } known ? (uint)known.Call : (uint)Number(context, text, uint.MaxValue);

    private static ulong Number(CommandContext context, string text, ulong most)
    {
        if (text.Length == 0)
        {
            throw new CommandErrorException("a number is missing");
        }

        ulong value = context.Unsigned(text);
        return value <= most ? value : throw new CommandErrorException($"{text}: at most {most}");
    }

    private static BreakpointSpec Nothing(string text, BreakpointSpec spec) =>
        text.Length == 0 ? spec : throw new CommandErrorException($"{text}: nothing stands behind it, but for a condition");
}
