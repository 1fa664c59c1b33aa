using System.Globalization;
using ToyVmm.Engines.Interpretation;

namespace ToyVmm.Debugging.Inspecting;

/// <summary>Descriptors in words (SDM 3A 3.4.5, 3.5, 5.8.3, 6.11).</summary>
internal static class DescriptorText
{
    /// <summary>What the access bits of a cache or a descriptor say: kind, size, rights, DPL.</summary>
    /// <param name="access">As <see cref="Hardware.Cpu.SegmentCache.Access"/> has them.</param>
    public static string Access(int access)
    {
        string present = (access & 0x80) != 0 ? "" : ", not present";
        if ((access & 0x10) == 0)
        {
            return $"{System((SystemType)(access & 15))}, DPL {(access >> 5) & 3}{present}";
        }

        bool isCode = (access & 8) != 0;
        string size = (access & 0x4000) != 0 ? "32" : "16";
        string rights = isCode
            ? ((access & 2) != 0 ? "r-x" : "--x") + ((access & 4) != 0 ? " conforming" : "")
            : ((access & 2) != 0 ? "rw-" : "r--") + ((access & 4) != 0 ? " expand-down" : "");
        return $"{(isCode ? "code" : "data")}{size} {rights}, DPL {(access >> 5) & 3}{((access & 1) != 0 ? ", accessed" : "")}{present}";
    }

    /// <summary>A whole table entry.</summary>
    public static string Describe(in Descriptor descriptor)
    {
        int access = (int)(descriptor.High >> 8) & 0xF0FF;
        string text = Access(access);
        return descriptor.System switch
        {
            SystemType.CallGate16 or SystemType.CallGate32 => string.Create(CultureInfo.InvariantCulture, $"{text}, to {descriptor.GateSelector:x4}:{descriptor.GateOffset:x8}, {descriptor.ParameterCount} parameters"),
            SystemType.TaskGate => string.Create(CultureInfo.InvariantCulture, $"{text}, to task {descriptor.GateSelector:x4}"),
            SystemType.InterruptGate16 or SystemType.TrapGate16 or SystemType.InterruptGate32 or SystemType.TrapGate32 =>
                string.Create(CultureInfo.InvariantCulture, $"{text}, to {descriptor.GateSelector:x4}:{descriptor.GateOffset:x8}"),
            SystemType.None or SystemType.AvailableTask16 or SystemType.AvailableTask32 or SystemType.BusyTask16 or SystemType.BusyTask32 or SystemType.LocalTable =>
                string.Create(CultureInfo.InvariantCulture, $"base {descriptor.Base:x8} limit {descriptor.Limit:x8}, {text}"),
            _ => text,
        };
    }

    private static string System(SystemType type) => type switch
    {
        SystemType.AvailableTask16 => "TSS16 available",
        SystemType.BusyTask16 => "TSS16 busy",
        SystemType.AvailableTask32 => "TSS32 available",
        SystemType.BusyTask32 => "TSS32 busy",
        SystemType.LocalTable => "LDT",
        SystemType.CallGate16 => "call gate16",
        SystemType.CallGate32 => "call gate32",
        SystemType.TaskGate => "task gate",
        SystemType.InterruptGate16 => "interrupt gate16",
        SystemType.InterruptGate32 => "interrupt gate32",
        SystemType.TrapGate16 => "trap gate16",
        SystemType.TrapGate32 => "trap gate32",
        _ => string.Create(CultureInfo.InvariantCulture, $"reserved type {(int)type}"),
    };
}
