using System.Globalization;
using ToyVmm.Hardware;
using ToyVmm.Hardware.Devices;
using ToyVmm.Hardware.State;
using ToyVmm.Tests.State;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Checkpoints;
using ToyVmm.VirtualMachines.Comparing;
using ToyVmm.VirtualMachines.Verification.Programs;
using Xunit;
using Xunit.Abstractions;

namespace ToyVmm.Tests.Checkpoints;

/// <summary>A machine that goes back and forward again, however often, is at every moment what one is that went straight there.</summary>
public sealed class CheckpointTests(ITestOutputHelper output)
{
    public static TheoryData<string> Settings => [.. new[] { EngineSetting.Interpreter }.Concat(EngineSetting.Translators).Select(setting => setting.Name)];

    [Theory]
    [MemberData(nameof(Settings))]
    public void RandomProgramsGoBackAndForward(string name)
    {
        const int Programs = 60;
        EngineSetting setting = EngineSetting.Translators.FirstOrDefault(setting => setting.Name == name, EngineSetting.Interpreter);
        ulong seed = Environment.GetEnvironmentVariable("TOYVMM_SEED") is { } text ? ulong.Parse(text, CultureInfo.InvariantCulture) : (ulong)Random.Shared.NextInt64();
        int returns = 0;
        for (ulong program = seed; program < seed + Programs; program++)
        {
            ProgramImage image = new(ProgramGenerator.Generate(program));
            using VirtualMachine straight = ProgramMachine.Create(image.Bytes, EngineSetting.Interpreter);
            using VirtualMachine wandering = ProgramMachine.Create(image.Bytes, setting);
            returns += Wander(straight, wandering, new Random((int)program), $"seed {program}");
        }

        output.WriteLine($"{Programs} programs, {returns} returns");
    }

    [Fact]
    public void EverythingOfADeviceGoesBack()
    {
        using MachineFixture fixture = new();
        VirtualMachine vm = fixture.Vm;
        byte[] before = vm.SaveState();
        ulong memory = StateHash.OfMemory(vm.Machine.Memory);
        Checkpoint checkpoint = vm.TakeCheckpoint();
        for (int round = 0; round < 3; round++)
        {
            _ = vm.Run(new RunLimits { MaxInstructions = 200_000 });
            vm.Machine.SetLocalApicBase(0x0009_F900);
            vm.Machine.Ports.Write(0xCF8, 4, 0x8000_1030);
            vm.Machine.Ports.Write(0xCFC, 4, 0xFEB0_0001);
            vm.Input.Enqueue("typed"u8);
            vm.Input.Enqueue(new MouseEvent(1, 2, 3, MouseButtons.Left));
            if (round == 1)
            {
                vm.Reset();
                _ = vm.Run(new RunLimits { MaxInstructions = 100_000 });
            }

            _ = vm.TakeCheckpoint();
            _ = vm.Run(new RunLimits { MaxInstructions = 50_000 });
            vm.ReturnTo(checkpoint);
            Assert.Equal(before, vm.SaveState());
            Assert.Equal(memory, StateHash.OfMemory(vm.Machine.Memory));
            Assert.Same(checkpoint, Assert.Single(vm.Checkpoints));
        }
    }

    [Fact]
    public void ADisksSectorsGoBack()
    {
        using MachineFixture fixture = new();
        VirtualMachine vm = fixture.Vm;
        WriteSector(vm, 5, 1);
        Checkpoint first = vm.TakeCheckpoint();
        byte[] atFirst = vm.SaveState();
        WriteSector(vm, 5, 2);
        WriteSector(vm, 6, 2);
        Checkpoint second = vm.TakeCheckpoint();
        byte[] atSecond = vm.SaveState();
        WriteSector(vm, 5, 3);
        WriteSector(vm, 7, 3);
        Assert.True(second.Bytes >= 2 * 512);
        vm.ReturnTo(second);
        Assert.Equal(atSecond, vm.SaveState());
        WriteSector(vm, 7, 4);
        vm.Forget(second);
        Assert.False(second.IsUsable);
        _ = Assert.Throws<ArgumentException>(() => vm.ReturnTo(second));
        vm.ReturnTo(first);
        Assert.Equal(atFirst, vm.SaveState());
        Assert.Equal(512ul, vm.DiskBytesWritten);
    }

    [Fact]
    public void ADiskThatIsWrittenToForGoodDoesNotGoBack()
    {
        string path = Path.GetTempFileName();
        File.WriteAllBytes(path, new byte[512]);
        try
        {
            using VirtualMachine vm = VirtualMachine.CreateFromDrives(new VirtualMachineOptions
            {
                Engine = EngineKind.Interpreter,
                Machine = new() { MemorySize = 2 << 20, Disks = [new(path, DiskAccess.ReadWrite)] },
            });
            Assert.Contains(path, Assert.Throws<NotSupportedException>(vm.TakeCheckpoint).Message, StringComparison.Ordinal);
        }
        finally
        {
            File.Delete(path);
        }
    }

    // Runs one machine through some moments of a program, and the other to and fro between them.
    internal static int Wander(VirtualMachine straight, VirtualMachine wandering, Random random, string where, int moments = 8, ulong most = RandomProgram.MostInstructions)
    {
        ulong[] at = [.. Enumerable.Range(0, moments).Select(_ => (ulong)Math.Pow(most, random.NextDouble())).Order()];
        List<Fingerprint> expected = [];
        foreach (ulong moment in at)
        {
            _ = straight.Run(new RunLimits { MaxInstructions = moment - straight.InstructionsRetired });
            expected.Add(Fingerprint.Of(straight));
            if (straight.InstructionsRetired < moment)
            {
                break;
            }
        }

        List<(Checkpoint Checkpoint, int Moment)> checkpoints = [(wandering.TakeCheckpoint(), -1)];
        int now = -1;
        int returns = 0;
        for (int step = 0; step < moments * 4; step++)
        {
            switch (random.Next(5))
            {
                case 0 when step > 3:
                    int back = random.Next(checkpoints.Count);
                    wandering.ReturnTo(checkpoints[back].Checkpoint);
                    now = checkpoints[back].Moment;
                    checkpoints.RemoveRange(back + 1, checkpoints.Count - back - 1);
                    returns++;
                    break;
                case 1 when checkpoints.Count > 1:
                    int forgotten = random.Next(1, checkpoints.Count);
                    wandering.Forget(checkpoints[forgotten].Checkpoint);
                    checkpoints.RemoveAt(forgotten);
                    break;
                case 2:
                    checkpoints.Add((wandering.TakeCheckpoint(), now));
                    break;
                default:
                    if (now + 1 < expected.Count)
                    {
                        now++;
                        _ = wandering.Run(new RunLimits { MaxInstructions = at[now] - wandering.InstructionsRetired });
                    }

                    break;
            }

            if (now >= 0)
            {
                Fingerprint found = Fingerprint.Of(wandering);
                Assert.True(expected[now].Equals(found), $"{where}, step {step}, at {at[now]}: {expected[now].DifferenceFrom(found)}");
            }
        }

        return returns;
    }

    private static void WriteSector(VirtualMachine vm, uint sector, uint first)
    {
        vm.Machine.Reset();
        vm.Machine.Ports.Write(0x1F2, 1, 1);
        vm.Machine.Ports.Write(0x1F3, 1, sector);
        vm.Machine.Ports.Write(0x1F6, 1, 0xE0);
        vm.Machine.Ports.Write(0x1F7, 1, 0x30);
        for (int word = 0; word < 256; word++)
        {
            vm.Machine.Ports.Write(0x1F0, 2, word == 0 ? first : 0);
        }
    }

    // CPU, memory, TLB, chips and what was said. What an engine and its accesses have left of what is done with depends on how a run was cut.
    private sealed record Fingerprint(ulong Cpu, ulong Memory, ulong Tlb, ulong Board, string Serial)
    {
        public static Fingerprint Of(VirtualMachine vm)
        {
            StateTransfer board = StateTransfer.ForSaving();
            board.Section("machine"u8, 1, vm.Machine);
            return new Fingerprint(
                StateHash.OfCpu(vm.Vcpu), StateHash.OfMemory(vm.Machine.Memory), StateHash.OfTlb(vm.Vcpu.Mmu.Tlb, ProgramLayout.MappedEnd), StateHash.Of(board.Saved), vm.SerialOutput);
        }

        public string DifferenceFrom(Fingerprint other) => Cpu != other.Cpu ? "the CPU" : Memory != other.Memory ? "memory" : Tlb != other.Tlb ? "the TLB" : Board != other.Board ? "chips" : "serial output";
    }
}
