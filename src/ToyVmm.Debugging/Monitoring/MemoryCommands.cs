using System.Globalization;
using ToyVmm.Hardware.Memory;
using ToyVmm.VirtualMachines;

namespace ToyVmm.Debugging.Monitoring;

/// <summary>The monitor's commands about how much memory a guest has: what it is asked for, what it is given, what it holds.</summary>
internal static class MemoryCommands
{
    private const uint PageSize = GuestPhysicalAddress.PageSize;

    /// <summary>balloon SIZE: the guest's balloon should hold so much.</summary>
    public static MonitorReply Balloon(VirtualMachine vm, string[] arguments)
    {
        GuestMemory memory = vm.Machine.Memory;
        if (arguments is not [string text] || Size(text) is not { } size || size > memory.RamSize)
        {
            return MonitorReply.Error($"balloon: of what size? for example balloon 4M: at most {memory.RamSize >> 10}K, and 0 gives everything back");
        }

        if (!vm.HasClockPage)
        {
            return MonitorReply.Error("balloon: the guest has no clock page in which it could read that (docs/hypercalls.md)");
        }

        vm.Input.SetBalloonTarget(size / PageSize);
        return new MonitorReply($"the guest is asked for {size / PageSize} pages; it hears of it when it goes on");
    }

    /// <summary>memory-add SIZE: more RAM behind what there is.</summary>
    public static MonitorReply Add(VirtualMachine vm, string[] arguments)
    {
        GuestMemory memory = vm.Machine.Memory;
        uint room = memory.Capacity - memory.RamSize;
        if (room == 0)
        {
            return MonitorReply.Error("memory-add: the machine has no room for more; run it with --memory-max SIZE");
        }

        if (arguments is not [string text] || Size(text) is not { } size || size is 0 || size > room)
        {
            return MonitorReply.Error($"memory-add: how much? for example memory-add 4M; there is room for {room >> 10}K");
        }

        vm.Input.AddMemory(size);
        return new MonitorReply($"{size / PageSize} pages from {memory.RamSize:x8} on are the guest's when it goes on");
    }

    /// <summary>info balloon.</summary>
    public static string Describe(VirtualMachine vm)
    {
        GuestMemory memory = vm.Machine.Memory;
        return string.Create(
            CultureInfo.InvariantCulture,
            $"""
            RAM              {memory.RamSize / PageSize,9} pages, at most {memory.Capacity / PageSize}
            in the balloon   {memory.BalloonPages,9} pages, asked for {vm.BalloonTarget}
            host memory      {memory.ResidentBytes / PageSize,9} pages of its own{(memory.PageLimit is { } limit ? $", at most {limit}" : "")}
            """);
    }

    // Whole pages: 4M, 512K, 1G, or bytes.
    private static uint? Size(string text)
    {
        int shift = char.ToUpperInvariant(text[^1]) switch { 'K' => 10, 'M' => 20, 'G' => 30, _ => 0 };
        return ulong.TryParse(shift == 0 ? text : text[..^1], NumberStyles.None, CultureInfo.InvariantCulture, out ulong number)
            && number <= uint.MaxValue >> shift && (number << shift) % PageSize == 0 ? (uint)(number << shift) : null;
    }
}
