using System.Globalization;
using ToyVmm.Engines.Interpretation;
using ToyVmm.Hardware.Cpu;
using ToyVmm.VirtualMachines;

namespace ToyVmm.Debugging.Inspecting;

/// <summary>A task-state segment for people: 32 bits (SDM 3A 7.2.1) or 16 (SDM 3A 7.6).</summary>
internal static unsafe class TaskText
{
    private const uint Stacks = 4;
    private const uint BitmapBase = 102;
    private static readonly string[] s_general = ["AX", "CX", "DX", "BX", "SP", "BP", "SI", "DI"];
    private static readonly string[] s_segments = ["ES", "CS", "SS", "DS", "FS", "GS"];

    /// <summary>Shows one.</summary>
    /// <param name="inspector">What to look at.</param>
    /// <param name="selector">Of its descriptor; null for the one in TR.</param>
    /// <param name="problem">Why there is none to show.</param>
    public static InspectionText? Show(Inspector inspector, ushort? selector, out string? problem)
    {
        VirtualMachine machine = inspector.Machine;
        SegmentCache task = machine.Vcpu.State->Tr;
        problem = null;
        if (selector is { } wanted && wanted != task.Selector)
        {
            if (DescriptorReader.Find(machine, wanted) is not { IsTaskState: true } descriptor)
            {
                problem = string.Create(CultureInfo.InvariantCulture, $"selector {wanted:x4} names no TSS");
                return null;
            }

            task = default;
            task.LoadDescriptor(wanted, descriptor.Low, descriptor.High);
        }
        else if ((task.Selector & 0xFFFC) == 0)
        {
            problem = "TR is null: no task register was loaded";
            return null;
        }

        return Show(inspector, task);
    }

    private static InspectionText Show(Inspector inspector, in SegmentCache task)
    {
        TaskState layout = new(TaskState.Is32(task));
        Fields fields = new(inspector.Machine, task, layout.Width);
        InspectionWriter text = new();
        _ = text.Heading(string.Create(CultureInfo.InvariantCulture, $"TSS {task.Selector:x4} at {task.Base:x8}, limit {task.Limit:x8}, {DescriptorText.Access(task.Access)}"));
        if (task.Limit < layout.LeastLimit)
        {
            _ = text.Mark(MarkKind.Problem, string.Create(CultureInfo.InvariantCulture, $"the limit is less than {layout.LeastLimit:x}: #TS on a switch to it")).End();
        }

        _ = text.Line($"back link {fields.Get(TaskState.BackLink, 2)}");
        for (uint ring = 0; ring < 3; ring++)
        {
            uint at = Stacks / (layout.Is32Bit ? 1u : 2) + (ring * 2 * (uint)layout.Width);
            _ = text.Write($"ring {ring} stack {fields.Get(at + (uint)layout.Width, 2)}:{fields.Get(at)}{(ring == 2 ? "\n" : "  ")}");
        }

        string prefix = layout.Is32Bit ? "E" : "";
        for (int n = 0; n < s_general.Length; n++)
        {
            _ = text.Write($"{prefix}{s_general[n]}={fields.Get(layout.General + ((uint)n * (uint)layout.Width))}{(n % 4 == 3 ? "\n" : " ")}");
        }

        _ = text.Write($"{prefix}IP={fields.Get(layout.InstructionPointer)}").Mark(MarkKind.Symbol, CodeName(inspector, fields, layout)).Line($" {prefix}FLAGS={fields.Get(layout.Flags)}");
        for (int n = 0; n < layout.SegmentCount; n++)
        {
            _ = text.Write($"{s_segments[n]}={fields.Get(layout.Segments + ((uint)n * (uint)layout.Width), 2)} ");
        }

        _ = text.Write($"LDT={fields.Get(layout.LocalTable, 2)}");
        if (layout.Is32Bit)
        {
            _ = text.Write($" CR3={fields.Get(TaskState.PageDirectory)} T={(fields.TryGet(TaskState.TrapFlag, 2, out ulong trap) ? trap & 1 : 0)}").End();
            Ports(text, fields, task.Limit);
        }

        return text.End().ToText();
    }

    private static string CodeName(Inspector inspector, Fields fields, TaskState layout) =>
        fields.TryGet(layout.Segments + (uint)layout.Width, 2, out ulong code) && fields.TryGet(layout.InstructionPointer, layout.Width, out ulong offset)
            && DescriptorReader.Find(inspector.Machine, (ushort)code) is { IsCode: true } segment
            ? inspector.NameAt(segment.Base + (uint)offset, " <", ">")
            : "";

    // The I/O permission bitmap (SDM 1 19.5.2): a clear bit lets the port through; what lies behind the limit is set.
    private static void Ports(InspectionWriter text, Fields fields, uint limit)
    {
        if (!fields.TryGet(BitmapBase, 2, out ulong start))
        {
            return;
        }

        if (start >= limit)
        {
            _ = text.Write($"I/O bitmap at {start:x}: behind the limit, so no ports");
            return;
        }

        List<string> ranges = [];
        int first = -1;
        for (int port = 0; port <= 0x1_0000; port++)
        {
            uint at = (uint)start + ((uint)port / 8);
            bool open = port < 0x1_0000 && at < limit && fields.TryGet(at, 1, out ulong bits) && (bits >> (port % 8) & 1) == 0;
            if (open && first < 0)
            {
                first = port;
            }
            else if (!open && first >= 0)
            {
                ranges.Add(first == port - 1 ? $"{first:x}" : $"{first:x}-{port - 1:x}");
                first = -1;
            }
        }

        _ = text.Write($"I/O bitmap at {start:x}: {(ranges.Count == 0 ? "no ports" : "ports " + string.Join(' ', ranges))}");
    }

    private readonly struct Fields(VirtualMachine machine, SegmentCache task, int width)
    {
        private readonly uint _base = task.Base;
        private readonly uint _limit = task.Limit;

        public bool TryGet(uint offset, int size, out ulong value)
        {
            value = 0;
            return (ulong)offset + (uint)size - 1 <= _limit && new GuestReader(machine).TryRead(_base + offset, size, out value);
        }

        public string Get(uint offset, int? size = null) =>
            TryGet(offset, size ?? width, out ulong value) ? value.ToString(size == 2 || width == 2 ? "x4" : "x8", CultureInfo.InvariantCulture) : "????";
    }
}
