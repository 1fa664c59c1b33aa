using ToyVmm.Hardware.Memory;
using ToyVmm.Tests.Hypercalls;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Comparing;
using ToyVmm.VirtualMachines.Hypercalls;
using ToyVmm.VirtualMachines.Snapshots;
using Xunit;

namespace ToyVmm.Tests.Snapshots;

/// <summary>Memory that was added, and pages that were given away, go through a snapshot.</summary>
public sealed class SnapshotMemoryTests
{
    [Fact]
    public void AddedAndGivenAwayMemoryIsKept()
    {
        const uint Clock = 0x2_0000;
        const uint List = 0x2_1000;
        using HypercallGuest guest = new(change: options => options with { Machine = options.Machine with { MaximumMemory = 2 * HypercallGuest.RamSize } });
        Assert.Equal(0u, guest.Call(Hypercall.ClockPage, Clock));
        guest.Machine.Input.AddMemory(0x4000);
        guest.Machine.Input.SetBalloonTarget(9);
        guest.Put(List, 0x30);
        Assert.Equal(0u, guest.Call(Hypercall.Balloon, List, 1, 0));
        guest.Put(HypercallGuest.RamSize + 0x3FFC, 0x1234_5678);
        string file = Path.GetTempFileName();
        try
        {
            SnapshotFile.Write(guest.Machine, file);
            using VirtualMachine again = SnapshotFile.Open(file).CreateMachine(new VirtualMachineOptions());
            GuestMemory memory = again.Machine.Memory;
            Assert.Equal((HypercallGuest.RamSize + 0x4000, 2 * HypercallGuest.RamSize, 1u), (memory.RamSize, memory.Capacity, memory.BalloonPages));
            Assert.Equal((0x1234_5678u, true, 9u), (memory.ReadUInt32(new GuestPhysicalAddress(HypercallGuest.RamSize + 0x3FFC)), memory.IsGivenAway(0x30), again.BalloonTarget));
            Assert.Equal(StateHash.OfMemory(guest.Memory), StateHash.OfMemory(memory));
        }
        finally
        {
            File.Delete(file);
        }
    }
}
