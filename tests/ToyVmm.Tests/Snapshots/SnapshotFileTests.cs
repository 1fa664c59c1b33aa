using System.Buffers.Binary;
using ToyVmm.Engines;
using ToyVmm.Hardware;
using ToyVmm.Tests.State;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Comparing;
using ToyVmm.VirtualMachines.Loading;
using ToyVmm.VirtualMachines.Snapshots;
using Xunit;

namespace ToyVmm.Tests.Snapshots;

/// <summary>The file of a snapshot: it comes back whole or not at all, and says why not.</summary>
public sealed partial class SnapshotFileTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("toyvmm-snapshot").FullName;

    /// <inheritdoc/>
    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void A_machine_with_everything_comes_back()
    {
        using MachineFixture from = new();
        _ = from.Vm.Run(new RunLimits { MaxInstructions = 12_345 });
        byte[] bytes = Write(from.Vm);
        SnapshotFile file = Read(bytes);
        Assert.Equal(12_345u, file.Instructions);
        Assert.Equal("interpreter", file.Engine);
        Assert.Equal(4, file.Machine.SerialPorts);
        Assert.Equal(MachineFixture.VgaBios(), file.Machine.VgaBios!.Value.ToArray());
        using VirtualMachine to = file.CreateMachine(new VirtualMachineOptions { Engine = EngineKind.Interpreter });
        Assert.Equal(from.Vm.SaveState(), to.SaveState());
        Assert.Equal(StateHash.OfMemory(from.Vm.Machine.Memory), StateHash.OfMemory(to.Machine.Memory));
        Assert.Equal(bytes, Write(to));
        Assert.Equal(from.Vm.Run(new RunLimits { MaxInstructions = 50_000 }), to.Run(new RunLimits { MaxInstructions = 50_000 }));
        Assert.Equal(from.Vm.SaveState(), to.SaveState());
    }

    [Fact]
    public void Everything_that_an_image_was_loaded_with_comes_back()
    {
        VirtualMachineOptions options = new()
        {
            Engine = EngineKind.Interpreter,
            Cpu = CpuModels.Find("486")!,
            Machine = new MachineConfig { MemorySize = 3u << 20, InstructionsPerSecond = 12_345_678, StartTime = new DateTimeOffset(1999, 12, 31, 23, 59, 58, TimeSpan.FromHours(2)) },
            Load = new LoadOptions { Format = ImageFormat.Raw, RealModeEntry = false, LoadAddress = 0x10_0000 },
            GuestNumber = 7,
        };
        using VirtualMachine vm = VirtualMachine.Create(new byte[] { 0x90, 0xF4 }, options);
        SnapshotFile file = Read(Write(vm));
        Assert.Equal(options.Load with { Modules = file.Load.Modules }, file.Load);
        Assert.Equal(options.Machine with { Disks = file.Machine.Disks }, file.Machine);
        Assert.Equal(options.Machine.StartTime.Offset, file.Machine.StartTime.Offset);
        using VirtualMachine again = file.CreateMachine(new VirtualMachineOptions());
        Assert.Equal(7u, again.GuestNumber);
        Assert.Equal("486", again.Vcpu.Model.Name);
        _ = again.Run(new RunLimits { MaxInstructions = 10 });
        again.Reset();
        Assert.Equal(0x10_0000u, again.Cpu.Eip);
    }

    [Fact]
    public void A_kernel_has_its_modules_again_after_a_reset()
    {
        byte[] image = File.ReadAllBytes(Path.Combine(RepositoryFiles.Root, "guest-images", "hello-multiboot", "hello-multiboot.elf"));
        VirtualMachineOptions options = new()
        {
            Machine = new MachineConfig { MemorySize = 4u << 20 },
            Load = new LoadOptions { CommandLine = "a b", ImageName = "n", InitialRamDisk = new byte[] { 1, 2, 3 }, Modules = [new BootModule("m 1", new byte[5000]), new BootModule("", "x"u8.ToArray())] },
        };
        using VirtualMachine vm = VirtualMachine.Create(image, options);
        ulong loaded = StateHash.OfMemory(vm.Machine.Memory);
        _ = vm.Run(new RunLimits { MaxInstructions = 60 });
        using VirtualMachine again = Read(Write(vm)).CreateMachine(new VirtualMachineOptions());
        again.Reset();
        Assert.Equal(loaded, StateHash.OfMemory(again.Machine.Memory));
        Assert.Equal(StopKind.PowerOff, again.Run(new RunLimits { MaxInstructions = 100_000 }).Kind);
    }

    [Fact]
    public void A_damaged_byte_anywhere_is_found()
    {
        byte[] bytes = Small();
        for (int at = 0; at < bytes.Length; at++)
        {
            byte[] damaged = [.. bytes];
            damaged[at] ^= (byte)(1 << (at % 8));
            Refused(damaged);
        }
    }

    [Fact]
    public void A_file_that_is_cut_anywhere_is_refused()
    {
        byte[] bytes = Small();
        for (int length = 0; length < bytes.Length; length++)
        {
            Refused(bytes[..length]);
        }

        Assert.Contains("The copy is incomplete", Refused(bytes[..1000]), StringComparison.Ordinal);
        Assert.Contains("The copy is incomplete", Refused([.. bytes, 0]), StringComparison.Ordinal);
    }

    [Fact]
    public void Each_kind_of_wrong_file_is_told_from_the_others()
    {
        Assert.Contains("it is empty", Refused([]), StringComparison.Ordinal);
        Assert.Contains("no ToyVmm snapshot", Refused("hello, world, this is text"u8.ToArray()), StringComparison.Ordinal);
        byte[] newer = Small();
        BinaryPrimitives.WriteUInt16LittleEndian(newer.AsSpan(8), 2);
        Assert.Contains("format version 2", Refused(newer), StringComparison.Ordinal);
        Assert.Contains("versions up to 1", Refused(newer), StringComparison.Ordinal);
        byte[] damaged = Small();
        damaged[^60] ^= 1;
        Assert.Contains("at file offset 0x", Refused(damaged), StringComparison.Ordinal);
        SnapshotException missing = Assert.Throws<SnapshotException>(() => SnapshotFile.Open(Path.Combine(_folder, "nothing")));
        Assert.Equal(SnapshotProblem.Unreadable, missing.Problem);
        Assert.Contains("no such file", missing.Message, StringComparison.Ordinal);
        Assert.Equal(SnapshotProblem.Unreadable, Assert.Throws<SnapshotException>(() => SnapshotFile.Open(_folder)).Problem);
    }

    /// <summary>Sections with good checksums and anything in them: what a program with a bug would write.</summary>
    [Fact]
    public void Sections_that_make_no_sense_are_refused()
    {
        byte[] good = Small();
        List<(string Tag, byte[] Payload)> sections = Sections(good);
        Random random = new(4711);
        int refused = 0;
        for (int n = 0; n < 3_000; n++)
        {
            (string Tag, byte[] Payload)[] changed = [.. sections.Select(section => (section.Tag, (byte[])section.Payload.Clone()))];
            int victim = random.Next(changed.Length);
            byte[] payload = changed[victim].Payload;
            switch (random.Next(5))
            {
                case 0:
                    changed = [.. changed.Where((_, index) => index != victim)];
                    break;
                case 1:
                    changed[victim].Payload = payload[..random.Next(payload.Length)];
                    break;
                case 2:
                    changed = [.. changed, changed[victim]];
                    break;
                default:
                    payload[random.Next(Math.Min(payload.Length, 200))] = (byte)random.Next(256);
                    break;
            }

            try
            {
                using VirtualMachine vm = Read(Join(changed)).CreateMachine(new VirtualMachineOptions { Engine = EngineKind.Interpreter });
                _ = vm.Run(new RunLimits { MaxInstructions = 1_000 });
            }
            catch (SnapshotException e)
            {
                Assert.Equal(SnapshotProblem.Invalid, e.Problem);
                refused++;
            }
        }

        Assert.InRange(refused, 1_500, 2_999);
    }

    [Fact]
    public void A_drive_must_be_there_and_the_same()
    {
        string disk = Path.Combine(_folder, "disk.img");
        File.WriteAllBytes(disk, new byte[512 * 100]);
        VirtualMachineOptions options = new()
        {
            Engine = EngineKind.Interpreter,
            Machine = new MachineConfig { MemorySize = 1u << 20, Disks = [new DiskConfig(disk, DiskAccess.Snapshot)] },
            Load = new LoadOptions { Format = ImageFormat.Raw },
        };
        SnapshotFile file;
        using (VirtualMachine vm = VirtualMachine.Create(new byte[] { 0xF4 }, options))
        {
            file = Read(Write(vm));
        }

        file.CreateMachine(new VirtualMachineOptions()).Dispose();
        File.SetLastWriteTimeUtc(disk, DateTime.UtcNow.AddHours(-1));
        file.CreateMachine(new VirtualMachineOptions()).Dispose();       // touched, and the same

        byte[] other = new byte[512 * 100];
        other[777] = 1;
        File.WriteAllBytes(disk, other);
        File.SetLastWriteTimeUtc(disk, DateTime.UtcNow.AddHours(-2));
        AssertDrive(file, SnapshotProblem.DriveChanged, "other bytes");
        File.WriteAllBytes(disk, new byte[512 * 99]);
        AssertDrive(file, SnapshotProblem.DriveChanged, "has 50688 bytes and had 51200");
        File.Delete(disk);
        AssertDrive(file, SnapshotProblem.Unreadable, "is not there");
    }

    [Fact]
    public void A_file_is_replaced_as_a_whole_or_not_at_all()
    {
        string path = Path.Combine(_folder, "s.toyvmm");
        using VirtualMachine vm = Machine();
        SnapshotFile.Write(vm, path);
        byte[] first = File.ReadAllBytes(path);
        _ = vm.Run(new RunLimits { MaxInstructions = 3 });
        SnapshotFile.Write(vm, path);
        Assert.NotEqual(first, File.ReadAllBytes(path));
        Assert.Equal(3u, SnapshotFile.Open(path).Instructions);
        Assert.Equal([path], Directory.GetFiles(_folder));
        Assert.Equal(SnapshotProblem.Unreadable, Assert.Throws<SnapshotException>(() => SnapshotFile.Write(vm, Path.Combine(_folder, "no", "s"))).Problem);

        string directory = Directory.CreateDirectory(Path.Combine(_folder, "d")).FullName;
        Assert.Equal(SnapshotProblem.Unreadable, Assert.Throws<SnapshotException>(() => SnapshotFile.Write(vm, directory)).Problem);
        Assert.Equal([path], Directory.GetFiles(_folder));
    }

    [Fact]
    public void Empty_pages_take_no_room()
    {
        using VirtualMachine vm = Machine();
        Assert.InRange(Write(vm).Length, 1_000, 20_000);
    }

    private static VirtualMachine Machine() => VirtualMachine.Create(
        new byte[] { 0x40, 0x90, 0x90, 0xEB, 0xFB },
        new VirtualMachineOptions { Engine = EngineKind.Interpreter, Machine = new MachineConfig { MemorySize = 1u << 20 }, Load = new LoadOptions { Format = ImageFormat.Raw } });

    private static byte[] Small()
    {
        using VirtualMachine vm = Machine();
        _ = vm.Run(new RunLimits { MaxInstructions = 100 });
        return Write(vm);
    }

    private static byte[] Write(VirtualMachine vm)
    {
        using MemoryStream stream = new();
        SnapshotFile.WriteTo(vm, stream);
        return stream.ToArray();
    }

    private static SnapshotFile Read(byte[] bytes) => SnapshotFile.Read("test.toyvmm", new MemoryStream(bytes));

    private static string Refused(byte[] bytes)
    {
        SnapshotException e = Assert.Throws<SnapshotException>(() => Read(bytes));
        Assert.Equal(SnapshotProblem.Invalid, e.Problem);
        Assert.StartsWith("the snapshot test.toyvmm cannot be used: ", e.Message, StringComparison.Ordinal);
        return e.Message;
    }

    private static List<(string Tag, byte[] Payload)> Sections(byte[] file)
    {
        SnapshotReader reader = new("test.toyvmm", new MemoryStream(file));
        List<(string Tag, byte[] Payload)> sections = [];
        while (reader.Next() is { } section)
        {
            sections.Add(section);
        }

        return sections;
    }

    private static byte[] Join(IEnumerable<(string Tag, byte[] Payload)> sections)
    {
        using MemoryStream stream = new();
        SnapshotWriter writer = new(stream);
        foreach ((string tag, byte[] payload) in sections)
        {
            writer.Write(tag, payload);
        }

        writer.End();
        return stream.ToArray();
    }

    private static void AssertDrive(SnapshotFile file, SnapshotProblem problem, string text)
    {
        SnapshotException e = Assert.Throws<SnapshotException>(() => file.CreateMachine(new VirtualMachineOptions()));
        Assert.Equal(problem, e.Problem);
        Assert.Contains(text, e.Message, StringComparison.Ordinal);
    }
}
