using System.Globalization;
using ToyVmm.Engines.Interpretation;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Debugging.Inspecting;

/// <summary>Segment registers, GDT, LDT and IDT for people.</summary>
internal static unsafe class TableText
{
    /// <summary>Each segment register's cache, what it would be loaded from now, and where they differ.</summary>
    public static InspectionText Segments(Inspector inspector)
    {
        InspectionWriter text = new();
        foreach (SegmentReport segment in SegmentReport.ReadAll(inspector.Machine))
        {
            SegmentCache cache = segment.Cache;
            _ = text.Write($"{segment.Name,-4} {cache.Selector:x4} [{Selector(cache.Selector, segment.Source)}]").Column(24)
                .Write($"base {cache.Base:x8} limit {cache.Limit:x8}  {(segment.Source == SegmentSource.Null && cache.Access == 0 ? "unusable" : DescriptorText.Access(cache.Access))}").End();
            if (segment.Entry is { } entry)
            {
                _ = text.Write($"     {(segment.Source == SegmentSource.LocalTable ? "LDT" : "GDT")}:").Column(24).Write($"{DescriptorText.Describe(entry)}").End();
            }

            foreach (string difference in segment.Differences)
            {
                _ = text.Add("     ").Mark(MarkKind.Difference, "differs: " + difference).End();
            }
        }

        return text.ToText();
    }

    /// <summary>The GDT or the LDT.</summary>
    public static InspectionText Table(Inspector inspector, bool isLocal)
    {
        CpuState* s = inspector.Machine.Vcpu.State;
        InspectionWriter text = new();
        if (isLocal && (s->Ldtr.Selector & 0xFFFC) == 0)
        {
            return text.Add("there is no LDT: LDTR is null").ToText();
        }

        uint tableBase = isLocal ? s->Ldtr.Base : s->GdtBase;
        uint limit = isLocal ? s->Ldtr.Limit : s->GdtLimit;
        _ = text.Heading(string.Create(CultureInfo.InvariantCulture, $"{(isLocal ? "LDT" : "GDT")} at {tableBase:x8}, limit {limit:x4}"));

        // Nothing that a selector can name lies behind 64 KiB.
        for (uint offset = 0; (ulong)offset + 7 <= Math.Min(limit, 0xFFFF); offset += 8)
        {
            Descriptor? entry = DescriptorReader.Entry(inspector.Machine, tableBase, limit, offset);
            if (entry is { Low: 0, High: 0 })
            {
                uint first = offset;
                while ((ulong)offset + 15 <= Math.Min(limit, 0xFFFF) && DescriptorReader.Entry(inspector.Machine, tableBase, limit, offset + 8) is { Low: 0, High: 0 })
                {
                    offset += 8;
                }

                _ = text.Write($"{first | (isLocal ? 4u : 0):x4}{(first == offset ? "" : FormattableString.Invariant($"-{offset | (isLocal ? 4u : 0):x4}"))}").Column(11).Add("null").End();
                continue;
            }

            _ = text.Write($"{offset | (isLocal ? 4u : 0):x4}").Column(11);
            if (entry is not { } descriptor)
            {
                _ = text.Mark(MarkKind.Problem, "cannot be read").End();
                continue;
            }

            string users = Users(s, offset, isLocal);
            _ = text.Write($"{descriptor.High:x8} {descriptor.Low:x8}  {DescriptorText.Describe(descriptor)}");
            if (descriptor.System is SystemType.CallGate16 or SystemType.CallGate32)
            {
                _ = text.Mark(MarkKind.Symbol, inspector.NameAt(GateTarget(inspector, descriptor), " <", ">"));
            }

            _ = text.Mark(MarkKind.Current, users).End();
        }

        return text.ToText();
    }

    /// <summary>The IDT: gates, or in real mode the interrupt vectors.</summary>
    /// <param name="inspector">What to look at.</param>
    /// <param name="vector">One of them; null for all.</param>
    public static InspectionText Interrupts(Inspector inspector, int? vector)
    {
        CpuState* s = inspector.Machine.Vcpu.State;
        bool isReal = (s->Cr0 & Cr0.PE) == 0;
        uint size = isReal ? 4u : 8;
        InspectionWriter text = new();
        _ = text.Heading(string.Create(CultureInfo.InvariantCulture, $"{(isReal ? "interrupt vectors" : "IDT")} at {s->IdtBase:x8}, limit {s->IdtLimit:x4}"));
        int last = vector ?? 255;
        for (int n = vector ?? 0; n <= last; n++)
        {
            string entry = Entry(inspector, n, size, out string name);
            int same = n;
            while (vector is null && same < last && Entry(inspector, same + 1, size, out _) == entry)
            {
                same++;
            }

            _ = text.Write($"{n:x2}{(same > n ? FormattableString.Invariant($"-{same:x2}") : n < 32 ? " " + Vector.Name(n) : "")}").Column(11).Add(entry).Mark(MarkKind.Symbol, name).End();
            n = same;
        }

        return text.ToText();
    }

    private static string Entry(Inspector inspector, int vector, uint size, out string name)
    {
        CpuState* s = inspector.Machine.Vcpu.State;
        name = "";
        if ((size * (uint)vector) + size - 1 > s->IdtLimit)
        {
            return "beyond the limit";
        }

        if (!new GuestReader(inspector.Machine).TryRead(s->IdtBase + (size * (uint)vector), (int)size, out ulong bytes))
        {
            return "cannot be read";
        }

        if (size == 4)
        {
            name = inspector.NameAt((uint)(((bytes >> 16) << 4) + (bytes & 0xFFFF)), " <", ">");
            return string.Create(CultureInfo.InvariantCulture, $"{bytes >> 16:x4}:{bytes & 0xFFFF:x4}");
        }

        Descriptor gate = new((uint)bytes, (uint)(bytes >> 32));
        bool isGate = gate.System is SystemType.InterruptGate16 or SystemType.InterruptGate32 or SystemType.TrapGate16 or SystemType.TrapGate32;
        name = isGate && gate.Present ? inspector.NameAt(GateTarget(inspector, gate), " <", ">") : "";
        return bytes == 0 ? "null" : isGate || gate.System == SystemType.TaskGate ? DescriptorText.Describe(gate) : $"{DescriptorText.Describe(gate)}: no gate";
    }

    // Where a gate leads to, as a linear address.
    private static uint? GateTarget(Inspector inspector, in Descriptor gate) =>
        DescriptorReader.Find(inspector.Machine, gate.GateSelector) is { IsCode: true } code ? code.Base + gate.GateOffset : null;

    private static string Users(CpuState* s, uint offset, bool isLocal)
    {
        string[] names = ["ES", "CS", "SS", "DS", "FS", "GS", "LDTR", "TR"];
        List<string> users = [];
        for (int n = 0; n < names.Length; n++)
        {
            ushort selector = (&s->Es + n)->Selector;
            if ((selector & 0xFFFC) == (offset | (isLocal ? 4u : 0)) && selector >= 4 && (s->Cr0 & Cr0.PE) != 0 && (n >= 6 || (s->OtherFlags & Eflags.VM) == 0))
            {
                users.Add(names[n]);
            }
        }

        return users.Count == 0 ? "" : "  <- " + string.Join(' ', users);
    }

    private static string Selector(ushort selector, SegmentSource source) => source switch
    {
        SegmentSource.RealMode => "real",
        SegmentSource.Virtual8086 => "v8086",
        SegmentSource.Null => "null",
        _ => string.Create(CultureInfo.InvariantCulture, $"{((selector & 4) != 0 ? "LDT" : "GDT")} {selector >> 3} RPL {selector & 3}"),
    };
}
