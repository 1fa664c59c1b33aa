using System.Globalization;
using ToyVmm.Hardware.Cpu;
using ToyVmm.VirtualMachines.Symbols;

namespace ToyVmm.Debugging.Inspecting;

/// <summary>A word of the stack.</summary>
/// <param name="Offset">Its offset in SS.</param>
/// <param name="Value">What is there; null where no memory is.</param>
/// <param name="Name">The code or data that the value points to, by name; empty where it does not, or nobody knows.</param>
/// <param name="Pointers">ESP and EBP where they point here.</param>
public sealed record StackWord(uint Offset, uint? Value, string Name, string Pointers);

/// <summary>A call that has not returned.</summary>
/// <param name="Address">Linear: the next instruction, or where a call will return to.</param>
/// <param name="Frame">EBP of the function; 0 where nobody knows.</param>
/// <param name="Symbol">The function, by name.</param>
/// <param name="Source">The source line.</param>
/// <param name="IsGuess">True where no frame says it: the stack was searched for what follows a CALL.</param>
public sealed record StackFrame(uint Address, uint Frame, SymbolOffset? Symbol, SourceLine? Source, bool IsGuess);

/// <summary>The stack: its words on both sides of ESP, and the calls that led here.</summary>
internal static unsafe class StackText
{
    private const int MostFrames = 64;
    private const int WordsSearched = 256;

    /// <summary>The words around ESP.</summary>
    /// <param name="inspector">What to look at.</param>
    /// <param name="below">How many below it: what was popped lately.</param>
    /// <param name="above">How many from it on.</param>
    public static IReadOnlyList<StackWord> Words(Inspector inspector, int below, int above)
    {
        CpuState* s = inspector.Machine.Vcpu.State;
        int size = Width(s);
        uint mask = Mask(s);
        List<StackWord> words = [];
        for (int n = -below; n < above; n++)
        {
            uint offset = (uint)(s->Esp + (n * size)) & mask;
            uint? value = new GuestReader(inspector.Machine).TryRead(s->Ss.Base + offset, size, out ulong bits) ? (uint)bits : null;
            string pointers = (offset == (s->Esp & mask) ? size == 4 ? "ESP" : "SP" : "") + (offset == (s->Ebp & mask) ? n == 0 ? " EBP" : size == 4 ? "EBP" : "BP" : "");
            words.Add(new StackWord(offset, value, value is { } known ? Name(inspector, s, known) : "", pointers));
        }

        return words;
    }

    /// <summary>
    /// The calls: where the functions keep EBP as gcc does with frame pointers, by those frames; where they do not, by searching the stack for addresses that
    /// stand behind a CALL.
    /// </summary>
    public static IReadOnlyList<StackFrame> Frames(Inspector inspector)
    {
        CpuState* s = inspector.Machine.Vcpu.State;
        uint mask = Mask(s);
        int size = Width(s);
        GuestReader reader = new(inspector.Machine);
        List<StackFrame> frames = [Frame(inspector, s->Cs.Base + s->Eip, s->Ebp & mask, isGuess: false)];
        uint frame = s->Ebp & mask;
        uint last = s->Esp & mask;
        while (frames.Count < MostFrames && frame >= last && reader.TryRead(s->Ss.Base + frame, size, out ulong next) && reader.TryRead(s->Ss.Base + (frame + (uint)size), size, out ulong back) && IsBehindCall(reader, s, (uint)back))
        {
            frames.Add(Frame(inspector, s->Cs.Base + (uint)back, (uint)next & mask, isGuess: false));
            last = frame + (2 * (uint)size);
            frame = (uint)next & mask;
        }

        if (frames.Count > 1)
        {
            return frames;
        }

        for (int n = 0; n < WordsSearched && frames.Count < MostFrames; n++)
        {
            uint offset = (uint)((s->Esp & mask) + (n * size)) & mask;
            if (!reader.TryRead(s->Ss.Base + offset, size, out ulong value))
            {
                break;
            }

            // Without names a number that happens to point behind a CALL is too easily one.
            if (IsBehindCall(reader, s, (uint)value) && (inspector.Symbols.Count == 0 || inspector.Symbols.Find(s->Cs.Base + (uint)value) is not null))
            {
                frames.Add(Frame(inspector, s->Cs.Base + (uint)value, 0, isGuess: true));
            }
        }

        return frames;
    }

    /// <summary>The words for people.</summary>
    public static InspectionText ShowWords(Inspector inspector, int below, int above)
    {
        CpuState* s = inspector.Machine.Vcpu.State;
        string digits = Width(s) == 4 ? "x8" : "x4";
        InspectionWriter text = new();
        foreach (StackWord word in Words(inspector, below, above))
        {
            bool isTop = word.Pointers.Contains("SP", StringComparison.Ordinal);
            _ = text.Write($"{s->Ss.Selector:x4}:{word.Offset.ToString(digits, CultureInfo.InvariantCulture)}  {word.Value?.ToString(digits, CultureInfo.InvariantCulture) ?? "????"}")
                .Add("  ").Mark(MarkKind.Symbol, word.Name);
            if (word.Pointers.Length > 0)
            {
                _ = text.Add(word.Name.Length > 0 ? "  " : "").Mark(isTop ? MarkKind.Current : MarkKind.Heading, "<- " + word.Pointers.Trim());
            }

            _ = text.End();
        }

        return text.ToText();
    }

    /// <summary>The calls for people.</summary>
    public static InspectionText ShowFrames(Inspector inspector)
    {
        InspectionWriter text = new();
        IReadOnlyList<StackFrame> frames = Frames(inspector);
        for (int n = 0; n < frames.Count; n++)
        {
            StackFrame frame = frames[n];
            _ = text.Write($"#{n,-3}{frame.Address:x8}  ").Mark(MarkKind.Symbol, frame.Symbol?.ToString() ?? "?");
            if (frame.Source is { } source)
            {
                _ = text.Write($"  at {source}");
            }

            _ = text.Add(frame.IsGuess ? "  (found on the stack, behind a CALL)" : "").End();
        }

        return text.ToText();
    }

    private static StackFrame Frame(Inspector inspector, uint address, uint frame, bool isGuess)
    {
        // A call's return address may be another line's, or another function's, when the call was the last thing there.
        uint inside = frame == 0 && !isGuess ? address : address - 1;
        bool isFirst = address == inspector.Machine.Vcpu.State->Cs.Base + inspector.Machine.Vcpu.State->Eip;
        return new StackFrame(address, frame, inspector.Symbols.Find(isFirst ? address : inside) is { } name ? name with { Offset = address - name.Symbol.Address } : null, inspector.Lines.Find(isFirst ? address : inside), isGuess);
    }

    // E8 rel, FF /2 with its forms, 9A far.
    private static bool IsBehindCall(GuestReader reader, CpuState* s, uint offset)
    {
        if (offset < 2)
        {
            return false;
        }

        const int Longest = 7;
        Span<byte> before = stackalloc byte[Longest];
        for (int n = 0; n < Longest; n++)
        {
            if (reader.Read(s->Cs.Base + (offset - (uint)(n + 1)), before.Slice(n, 1)) != 1)
            {
                before[n..].Clear();
                break;
            }
        }

        int relative = s->Cs.Big ? 5 : 3;
        if (before[relative - 1] == 0xE8)
        {
            return true;
        }

        for (int length = 2; length <= Longest; length++)
        {
            // FF /2: the byte behind FF has 2 in its reg field.
            if (before[length - 1] == 0xFF && ((before[length - 2] >> 3) & 7) == 2)
            {
                return true;
            }
        }

        return false;
    }

    private static string Name(Inspector inspector, CpuState* s, uint value) =>
        inspector.Symbols.Find(s->Cs.Base + value) is { } code ? $"<{code}>" : inspector.DataName(s->Ds.Base + value) is { } data ? $"<{data}>" : "";

    private static int Width(CpuState* s) => s->Ss.Big ? 4 : 2;

    private static uint Mask(CpuState* s) => s->Ss.Big ? uint.MaxValue : 0xFFFF;
}
