using System.Text;
using ToyVmm.Hardware.State;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Checkpoints;
using ToyVmm.VirtualMachines.Comparing;
using ToyVmm.VirtualMachines.Tracing;
using Xunit;
using Xunit.Abstractions;

namespace ToyVmm.GuestTests;

/// <summary>Guests that are taken back in the middle of their run, and go on: at each moment, and in the end, they are where they are without that.</summary>
public sealed class CheckpointTests(ITestOutputHelper output)
{
    private const int Moments = 4;

    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(5);

    public static IEnumerable<object[]> Everything => GuestRunner.Everything;

    [Theory]
    [MemberData(nameof(Everything))]
    public void A_guest_that_was_taken_back_comes_where_it_came(string name, EngineKind engine)
    {
        GuestImage guest = GuestCatalog.Find(name);
        guest = guest.IsCompute ? guest with { Append = "1" } : guest;
        using VirtualMachine straight = Create(guest, GuestRunner.Engines[^1]);
        using VirtualMachine other = Create(guest, engine);
        ulong length = GuestRunner.Run(guest, GuestRunner.Engines[^1]).Instructions;
        Random random = new(name.Aggregate(17, (hash, letter) => (hash * 31) + letter));
        List<(ulong At, (ulong Cpu, ulong Memory, ulong Tlb, ulong Board) Hash)> moments = [];
        foreach (ulong at in Enumerable.Range(0, Moments).Select(_ => (ulong)random.NextInt64((long)length)).Order())
        {
            _ = Run(straight, at);
            moments.Add((straight.InstructionsRetired, Hash(straight)));
        }

        StopReason expected = Run(straight, ulong.MaxValue);
        List<Checkpoint> checkpoints = [];
        StopReason? end = null;
        for (int round = 0; round < 2; round++)
        {
            foreach ((ulong at, (ulong Cpu, ulong Memory, ulong Tlb, ulong Board) hash) in moments.Where(moment => moment.At >= other.InstructionsRetired))
            {
                _ = Run(other, at);
                Assert.True(Hash(other) == hash, $"round {round}, at {at} of {length}: {hash}, {Hash(other)}");
                checkpoints.Add(other.TakeCheckpoint());
            }

            end = Run(other, ulong.MaxValue);
            Assert.Equal((expected.Kind, expected.Code, straight.InstructionsRetired), (end.Kind, end.Code, other.InstructionsRetired));
            Assert.Equal(Hash(straight), Hash(other));
            Assert.Equal(straight.SerialOutput, other.SerialOutput);
            Checkpoint back = checkpoints[random.Next(checkpoints.Count)];
            other.Forget(checkpoints[random.Next(checkpoints.Count)]);
            back = back.IsUsable ? back : other.Checkpoints[0];
            output.WriteLine($"at {back.At.Instructions}: {other.Checkpoints.Sum(checkpoint => (long)checkpoint.Bytes) >> 10} KiB of checkpoints");
            other.ReturnTo(back);
            checkpoints = [.. other.Checkpoints];
            Assert.Equal(moments.First(moment => moment.At == back.At.Instructions).Hash, Hash(other));
        }

        Assert.Equal(expected.Kind, Run(other, ulong.MaxValue).Kind);
        Assert.Equal(Hash(straight), Hash(other));
        Assert.Null(other.VerifyEmittedCode());
    }

    private static StopReason Run(VirtualMachine vm, ulong to) => vm.Run(new RunLimits { MaxInstructions = to - vm.InstructionsRetired, Timeout = s_limit });

    // CPU, memory, TLB and chips. What an engine and its accesses have left of what is done with depends on how a run was cut.
    private static (ulong Cpu, ulong Memory, ulong Tlb, ulong Board) Hash(VirtualMachine vm)
    {
        StateTransfer board = StateTransfer.ForSaving();
        board.Section("machine"u8, 1, vm.Machine);
        return (StateHash.OfCpu(vm.Vcpu), StateHash.OfMemory(vm.Machine.Memory), StateHash.OfTlb(vm.Vcpu.Mmu.Tlb), StateHash.Of(board.Saved));
    }

    private static VirtualMachine Create(GuestImage guest, EngineKind engine)
    {
        VirtualMachineOptions options = GuestRunner.Options(guest, engine, new TraceHash());
        VirtualMachine vm = VirtualMachine.Create(File.ReadAllBytes(guest.ImagePath), options with { Observer = null, ExitObserver = null });
        if (guest.SerialInput is { } typed)
        {
            vm.Input.Enqueue(Encoding.Latin1.GetBytes(typed));
        }

        return vm;
    }
}
