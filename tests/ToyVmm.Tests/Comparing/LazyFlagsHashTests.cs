using ToyVmm.Engines;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Memory;
using ToyVmm.VirtualMachines.Comparing;
using Xunit;

namespace ToyVmm.Tests.Comparing;

/// <summary>Flags are kept in many ways, of which a guest sees none: neither do the fingerprint and the comparison.</summary>
public sealed unsafe class LazyFlagsHashTests
{
    [Theory]
    [InlineData(0x8000_0001u, 0u, Eflags.SF)]
    [InlineData(0x0000_0003u, 0u, Eflags.PF)]
    [InlineData(0x1234_5603u, 0x8000_0000u, Eflags.CF | Eflags.PF | Eflags.OF)]
    [InlineData(0xFFFF_FF01u, 0xC000_0008u, Eflags.CF | Eflags.SF | Eflags.AF)]
    public void However_they_are_kept(uint result, uint carries, uint flags)
    {
        using GuestMemory memory = new(1 << 16);
        using Vcpu kept = new(memory);
        using Vcpu set = new(memory);
        (kept.State->FlagsResult, kept.State->FlagsCarries) = (result, carries);
        LazyFlags.Set(set.State, flags);
        Assert.Equal(flags, LazyFlags.Get(kept.State));
        Assert.NotEqual((result, carries), (set.State->FlagsResult, set.State->FlagsCarries));
        Assert.Equal(StateHash.OfCpu(set), StateHash.OfCpu(kept));
        Assert.Null(StateDifference.OfCpus(set, kept));
    }
}
