using System.IO.Hashing;
using System.Runtime.InteropServices;
using ToyVmm.Hardware.Memory;
using ToyVmm.Hardware.State;
using ToyVmm.VirtualMachines.Comparing;

namespace ToyVmm.VirtualMachines.Replay;

/// <summary>
/// Hashes of a stopped machine's parts. Machines that went the same way have the same ones, whatever engine ran them, however the runs were cut, and
/// whatever waits in their input queues.
/// </summary>
/// <param name="Cpu">Registers (<see cref="StateHash.OfCpu"/>).</param>
/// <param name="Devices">Chips, clock and timers, the clock page, what was written to the drives, the run loop.</param>
/// <param name="Memory">RAM, which costs most; null where it was not hashed.</param>
public readonly record struct MachineFingerprint(ulong Cpu, ulong Devices, ulong? Memory)
{
    /// <summary>Looks at a machine.</summary>
    /// <param name="vm">The machine, not running.</param>
    /// <param name="withMemory">Whether RAM is hashed too: 64 MiB that are all in use take some 10 ms, the rest some 50 us.</param>
    public static MachineFingerprint Of(VirtualMachine vm, bool withMemory)
    {
        ArgumentNullException.ThrowIfNull(vm);
        StateTransfer devices = StateTransfer.ForSaving();
        vm.TransferDeterministic(devices);
        return new MachineFingerprint(StateHash.OfCpu(vm.Vcpu), StateHash.Of(devices.Saved), withMemory ? OfMemory(vm.Machine.Memory) : null);
    }

    // Pages that are zeros do not count, and most of them are not even looked at: reading one that was never written would take memory, and time.
    private static unsafe ulong OfMemory(GuestMemory memory)
    {
        XxHash3 hash = new();
        Span<ulong> page = stackalloc ulong[2];
        uint pages = memory.RamSize / GuestPhysicalAddress.PageSize;
        for ((uint at, uint end) = memory.NextUsed(0); at < pages; (at, end) = memory.NextUsed(end))
        {
            for (; at < end; at++)
            {
                ReadOnlySpan<byte> bytes = new(memory.RamBase + ((ulong)at * GuestPhysicalAddress.PageSize), (int)GuestPhysicalAddress.PageSize);
                if (bytes.ContainsAnyExcept((byte)0))
                {
                    (page[0], page[1]) = (at, XxHash3.HashToUInt64(bytes));
                    hash.Append(MemoryMarshal.AsBytes(page));
                }
            }
        }

        page[0] = memory.RamSize;
        hash.Append(MemoryMarshal.AsBytes(page[..1]));
        return hash.GetCurrentHashAsUInt64();
    }

    /// <summary>Says which parts differ; null where none does. RAM counts where both have it.</summary>
    /// <param name="other">The other machine's.</param>
    public string? Differs(MachineFingerprint other)
    {
        List<string> parts = [];
        if (Cpu != other.Cpu)
        {
            parts.Add("the CPU");
        }

        if (Devices != other.Devices)
        {
            parts.Add("the devices");
        }

        if (Memory is { } own && other.Memory is { } others && own != others)
        {
            parts.Add("memory");
        }

        return parts.Count == 0 ? null : string.Join(", ", parts);
    }
}
