using System.Buffers.Binary;
using ToyVmm.Debugging.Monitoring;
using ToyVmm.Hardware;
using ToyVmm.Hardware.Memory;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Loading;
using ToyVmm.VirtualMachines.Snapshots;
using Xunit;

namespace ToyVmm.Tests.Snapshots;

/// <content>What a snapshot may take of the host: memory, files, other guests' pages.</content>
public sealed partial class SnapshotFileTests
{
    /// <summary>A path in the file may name anything: a device without end, a pipe that nobody writes to.</summary>
    [LinuxFact]
    public void A_drive_must_be_a_regular_file()
    {
        string disk = Path.Combine(_folder, "disk.img");
        string link = Path.Combine(_folder, "link.img");
        File.WriteAllBytes(disk, new byte[512 * 100]);
        _ = File.CreateSymbolicLink(link, disk);
        VirtualMachineOptions options = new()
        {
            Machine = new MachineConfig { MemorySize = 1u << 20, Disks = [new DiskConfig(link, DiskAccess.Snapshot)] },
            Load = new LoadOptions { Format = ImageFormat.Raw },
        };
        SnapshotFile file;
        using (VirtualMachine vm = VirtualMachine.Create(new byte[] { 0xF4 }, options))
        {
            file = Read(Write(vm));
        }

        file.CreateMachine(new VirtualMachineOptions()).Dispose();      // by the link
        foreach (string device in (ReadOnlySpan<string>)["/dev/zero", "/dev/null", "/proc/self/maps"])
        {
            File.Delete(link);
            _ = File.CreateSymbolicLink(link, device);
            AssertDrive(file, SnapshotProblem.Unreadable, "no regular file");
            Assert.Contains("no regular file", Assert.Throws<SnapshotException>(() => SnapshotDrive.Of(device, DiskAccess.ReadOnly, isDisc: false)).Message, StringComparison.Ordinal);
        }
    }

    /// <summary>Two guests with a page in common: neither of them, nor the monitor prompt, writes a snapshot; and no file stays behind.</summary>
    [LinuxFact]
    public void A_guest_that_shares_pages_has_no_snapshot()
    {
        using VirtualMachine a = Machine();
        using VirtualMachine b = Machine();
        _ = Write(a);
        SharedPage lent = a.Machine.Memory.Lend(new GuestPhysicalAddress(0x5_0000))!;
        Assert.True(b.Machine.Memory.TryAccept(new GuestPhysicalAddress(0x3_0000), lent, writable: true));
        string path = Path.Combine(_folder, "s");
        foreach (VirtualMachine vm in (ReadOnlySpan<VirtualMachine>)[a, b])
        {
            Assert.True(vm.Machine.Memory.SharesPages);
            SnapshotException e = Assert.Throws<SnapshotException>(() => SnapshotFile.Write(vm, path));
            Assert.Equal(SnapshotProblem.SharedPages, e.Problem);
            MonitorReply reply = new MonitorCommands(vm).Execute($"snapshot {path}");
            Assert.True(reply.IsError);
            Assert.Contains("shares pages of memory with another guest", reply.Text, StringComparison.Ordinal);
        }

        Assert.Empty(Directory.GetFiles(_folder));
    }

    /// <summary>The host's limit holds for a machine that goes on, and counts what it has then.</summary>
    [LinuxFact]
    public void A_machine_that_goes_on_is_held_to_the_host_s_limit()
    {
        byte[] bytes = Small();
        Limited(bytes, null, StopKind.InstructionLimit);
        Limited(bytes, 4096, StopKind.MemoryLimit);
        Limited(bytes, 1 << 20, StopKind.InstructionLimit);

        // MOV EDI, 100000h; again: MOV [EDI], EDI; ADD EDI, 4096; JMP again: a page more each turn, of 2 MiB at 1 MiB
        byte[] hoarder = [0xBF, 0, 0, 0x10, 0, 0x89, 0x3F, 0x81, 0xC7, 0, 0x10, 0, 0, 0xEB, 0xF6];
        using VirtualMachine vm = VirtualMachine.Create(
            hoarder,
            new VirtualMachineOptions { Machine = new MachineConfig { MemorySize = 3u << 20 }, Load = new LoadOptions { Format = ImageFormat.Raw, RealModeEntry = false } });
        _ = vm.Run(new RunLimits { MaxInstructions = 300 });
        bytes = Write(vm);
        Limited(bytes, 256 << 10, StopKind.MemoryLimit, atOnce: true);
        Limited(bytes, 1 << 20, StopKind.MemoryLimit, atOnce: false);
    }

    /// <summary>A section that says it is long, and has nothing: it is refused, by what it can be and by what it gives.</summary>
    [Fact]
    public void A_length_is_not_believed()
    {
        byte[] crafted = new byte[4 << 20];
        BinaryPrimitives.WriteInt32LittleEndian(crafted, 0x7FF0_0000);
        SnapshotReader reader = new("test.toyvmm", new MemoryStream(Small()));
        long before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Equal(SnapshotProblem.Invalid, Assert.Throws<SnapshotException>(() => reader.Expand(crafted, 1024 * 4096, "pages")).Problem);
        Assert.Equal(SnapshotProblem.Invalid, Assert.Throws<SnapshotException>(() => reader.Expand(crafted, long.MaxValue, "image")).Problem);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 64 << 20);

        // What really is long comes back, whatever it is.
        byte[] zeros = new byte[20_000_000];
        Assert.Equal(zeros, reader.Expand(SnapshotWriter.Compress(zeros), zeros.Length, "image"));
        _ = Assert.Throws<SnapshotException>(() => reader.Expand(SnapshotWriter.Compress(zeros), zeros.Length - 1, "image"));
        Assert.Empty(reader.Expand(SnapshotWriter.Compress([]), 0, "image"));
        byte[] noise = new byte[300_000];
        new Random(4).NextBytes(noise);
        Assert.Equal(noise, reader.Expand(SnapshotWriter.Compress(noise), noise.Length, "image"));

        // The same in a file: pages of a section that say they are more.
        List<(string Tag, byte[] Payload)> sections = Sections(Small());
        int pages = sections.FindIndex(section => section.Tag == SnapshotFormat.Pages);
        sections[pages] = (SnapshotFormat.Pages, [1, 0, 0, 0, 0, 0, 0, 0, .. SnapshotWriter.Compress(zeros)]);
        SnapshotFile file = Read(Join(sections));
        Assert.Contains("section of memory pages makes no sense", Assert.Throws<SnapshotException>(() => file.CreateMachine(new VirtualMachineOptions())).Message, StringComparison.Ordinal);
    }

    private static void Limited(byte[] snapshot, uint? limit, StopKind kind, bool atOnce = true)
    {
        using VirtualMachine vm = Read(snapshot).CreateMachine(new VirtualMachineOptions { Machine = new MachineConfig { MemoryLimit = limit } });
        ulong start = vm.InstructionsRetired;
        StopReason why = vm.Run(new RunLimits { MaxInstructions = 10_000 });
        Assert.Equal(kind, why.Kind);
        if (kind == StopKind.MemoryLimit)
        {
            Assert.Equal(77, why.ExitStatus);
            Assert.Contains($"{limit >> 10} KiB of host memory that it may have", why.Detail, StringComparison.Ordinal);
            Assert.Equal(atOnce, vm.InstructionsRetired == start);
        }
    }
}
