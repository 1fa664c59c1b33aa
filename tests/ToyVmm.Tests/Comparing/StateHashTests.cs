using System.Runtime.InteropServices;
using ToyVmm.Engines;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Memory;
using ToyVmm.Hardware.Paging;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Comparing;
using ToyVmm.VirtualMachines.Loading;
using ToyVmm.VirtualMachines.Tracing;
using Xunit;

namespace ToyVmm.Tests.Comparing;

/// <summary>State hashes see every bit that is architectural and none that is not; lock-step finds where two machines part.</summary>
public sealed unsafe class StateHashTests
{
    private const uint Memory = 1 << 20;
    private const ulong StableHash = 13_913_274_175_884_193_975;

    [Fact]
    public void Every_byte_of_the_architectural_state_counts_and_is_named()
    {
        using GuestMemory memory = new(Memory);
        using Vcpu one = new(memory);
        using Vcpu other = new(memory);
        ulong expected = StateHash.OfCpu(one);
        Assert.Equal(expected, StateHash.OfCpu(other));
        Assert.Null(StateDifference.OfCpus(one, other));
        int end = (int)Marshal.OffsetOf<CpuState>(nameof(CpuState.Tlb));
        int flags = (int)Marshal.OffsetOf<CpuState>(nameof(CpuState.FlagsResult));
        HashSet<ulong> hashes = [expected];
        for (int n = 0; n < end; n++)
        {
            if (n >= flags && n < flags + (3 * sizeof(uint)))
            {
                continue;
            }

            byte* at = (byte*)other.State + n;
            *at ^= 0x10;
            Assert.True(hashes.Add(StateHash.OfCpu(other)), $"byte {n} makes no difference");
            Assert.NotNull(StateDifference.OfCpus(one, other));
            *at ^= 0x10;
        }

        other.State->Ebx = 7;
        Assert.Equal("Ebx: 00000000 and 07000000\n", StateDifference.OfCpus(one, other));
    }

    /// <summary>Flags are kept in more ways than one; what counts is what a guest would see.</summary>
    [Fact]
    public void Flags_count_as_a_guest_sees_them()
    {
        using GuestMemory memory = new(Memory);
        using Vcpu vcpu = new(memory);
        HashSet<ulong> hashes = [];
        for (uint n = 0; n < 64; n++)
        {
            uint flags = (n & 1) | ((n & 2) << 1) | ((n & 4) << 2) | ((n & 8) << 3) | ((n & 16) << 3) | ((n & 32) << 6);
            LazyFlags.Set(vcpu.State, flags);
            Assert.True(hashes.Add(StateHash.OfCpu(vcpu)), $"the flags {flags:x} look like others");
        }

        LazyFlags.Set(vcpu.State, Eflags.ZF | Eflags.PF);
        ulong set = StateHash.OfCpu(vcpu);

        // A result of zero without carries: the same flags, kept otherwise.
        (vcpu.State->FlagsResult, vcpu.State->FlagsCarries) = (0, 0);
        Assert.Equal(Eflags.ZF | Eflags.PF, LazyFlags.Get(vcpu.State));
        Assert.Equal(set, StateHash.OfCpu(vcpu));
        Assert.Equal(StateHash.OfCpu(vcpu), StateHash.OfCpu(vcpu));
    }

    [Fact]
    public void Every_byte_of_memory_and_its_place_count()
    {
        using GuestMemory memory = new(Memory);
        HashSet<ulong> hashes = [StateHash.OfMemory(memory)];
        for (uint n = 0; n < 300; n++)
        {
            uint at = n * 3497 % Memory;
            memory.RamBase[at] = 1;
            Assert.True(hashes.Add(StateHash.OfMemory(memory)));
            memory.RamBase[at] = 0;
        }

        Assert.NotEqual(StateHash.Of(new byte[5]), StateHash.Of(new byte[6]));
        Assert.NotEqual(StateHash.Of(new byte[64]), StateHash.Of(new byte[128]));
    }

    /// <summary>What is hashed must stay the same for good: recordings will keep hashes.</summary>
    [Fact]
    public void The_function_is_stable() => Assert.Equal(
        StableHash, StateHash.Of([.. Enumerable.Range(0, 200).Select(n => (byte)n)]));

    [Fact]
    public void A_translation_and_its_rights_count_and_a_flushed_one_does_not()
    {
        using Tlb one = new();
        using Tlb other = new();
        using GuestMemory memory = new(1 << 16);
        PageWalk walk = new() { Page = 0x7000, HasTableEntry = true };
        other.FlushAll();
        one.Insert(0x5000, walk, TlbRights.Writable, memory);
        Assert.NotEqual(StateHash.OfTlb(one), StateHash.OfTlb(other));
        Assert.Equal("TLB at 00005000: 7000 (Writable) and nothing\n", StateDifference.OfTlbs(one, other));
        other.Insert(0x5000, walk, TlbRights.Writable | TlbRights.Dirty, memory);
        Assert.NotEqual(StateHash.OfTlb(one), StateHash.OfTlb(other));
        other.Insert(0x5000, walk, TlbRights.Writable, memory);
        Assert.Equal(StateHash.OfTlb(one), StateHash.OfTlb(other));
    }

    /// <summary>Two guests that part behind a loop, in a register or only in memory.</summary>
    [Theory]
    [InlineData("mov al, n", "B0", "between instructions 1000 and 2000:\nEax: 01000000 and 02000000")]
    [InlineData("mov byte [0x500], n", "C6060005", "between instructions 0 and 10000:\nmemory at 00000500: 01")]
    public void Lock_step_finds_where_two_machines_part(string name, string before, string expected)
    {
        using VirtualMachine one = Create(before, 1);
        using VirtualMachine other = Create(before, 2);
        LockStepOutcome outcome = LockStep.Run(new(one), new(other), new LockStepOptions { Interval = 1000, MemoryInterval = 10_000 });
        Assert.True(outcome.Difference?.StartsWith(expected, StringComparison.Ordinal), $"{name}: {outcome.Difference}");
        using VirtualMachine same = Create(before, 1);
        using VirtualMachine again = Create(before, 1);
        outcome = LockStep.Run(new(same), new(again), new LockStepOptions { Interval = 1000 });
        Assert.Null(outcome.Difference);
        Assert.Equal(StopKind.HaltedForever, outcome.Stop.Kind);
        Assert.Equal(outcome.Instructions / 1000 + 1, outcome.Comparisons);
    }

    /// <summary>What a device was told is in the trace, and nowhere else.</summary>
    [Fact]
    public void Lock_step_compares_traces()
    {
        TraceHash[] traces = [new(), new()];
        using VirtualMachine elsewhere = Create("B0", 1);
        traces[1].OnExit(elsewhere, new VmExit(ExitReason.Halt));
        using VirtualMachine one = Create("B0", 1);
        using VirtualMachine other = Create("B0", 1);
        Assert.Contains("the traces differ", LockStep.Run(new(one, traces[0]), new(other, traces[1])).Difference, StringComparison.Ordinal);
    }

    // mov cx, 1000; again: loop again; the instruction; mov cx, 20000; again: loop again; cli; hlt.
    private static VirtualMachine Create(string before, byte value)
    {
        byte[] head = [0xB9, 0xE8, 0x03, 0xE2, 0xFE, .. Convert.FromHexString(before)];
        byte[] tail = [0xB9, 0x20, 0x4E, 0xE2, 0xFE, 0xFA, 0xF4];
        return VirtualMachine.Create(
            (byte[])[.. head, value, .. tail],
            new VirtualMachineOptions { Machine = new Hardware.MachineConfig { MemorySize = 2 << 20 }, Load = new LoadOptions { Format = ImageFormat.Raw } });
    }
}
