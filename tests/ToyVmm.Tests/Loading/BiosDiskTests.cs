using ToyVmm.Hardware;
using ToyVmm.Hardware.Buses;
using ToyVmm.Hardware.Devices;
using ToyVmm.Hardware.Memory;
using Xunit;

namespace ToyVmm.Tests.Loading;

public sealed class BiosDiskTests : IDisposable
{
    private const uint Drive = 0, Sector = 4, Address = 8, Command = 12;
    private const uint Read = 1, Write = 2, Verify = 3, Parameters = 4;

    private readonly GuestMemory _memory = new(1 << 20);
    private readonly byte[] _floppy = new byte[1440 * 1024];
    private readonly byte[] _disk = new byte[(20 * 512) + 100];
    private readonly BiosDisk _device;

    public BiosDiskTests()
    {
        new Random(1).NextBytes(_floppy);
        new Random(2).NextBytes(_disk);
        _memory.SetKind(new GuestPhysicalAddress(0xF_0000), 0x1_0000, PageKind.Rom);
        _device = new BiosDisk(_memory,
        [
            new BiosDrive(0x00, DiskGeometry.ForImageSize(_floppy.Length), new MemoryDiskImage(_floppy, isReadOnly: true)),
            new BiosDrive(0x80, DiskGeometry.ForImageSize(_disk.Length), new MemoryDiskImage(_disk)),
            new BiosDrive(0x81, DiskGeometry.ForImageSize(5120), new FailingImage()),
        ]);
    }

    public void Dispose() => _memory.Dispose();

    private uint Run(uint drive, uint command, uint sector = 0, uint count = 0, uint address = 0)
    {
        _device.WritePort(Drive, 4, drive);
        _device.WritePort(Sector, 4, sector);
        _device.WritePort(Address, 4, address);
        _device.WritePort(Command, 4, command | (count << 8));
        return _device.ReadPort(Command, 4);
    }

    private byte[] Memory(uint address, int length)
    {
        byte[] bytes = new byte[length];
        _memory.TryRead(new GuestPhysicalAddress(address), bytes);
        return bytes;
    }

    [Fact]
    public void It_says_who_it_is_in_every_width()
    {
        Assert.Equal(BiosDisk.Signature, _device.ReadPort(0, 4));
        Assert.Equal("TVBD"u8.ToArray(), Enumerable.Range(0, 4).Select(i => (byte)_device.ReadPort((uint)i, 1)));
        Assert.Equal(0x4442u, _device.ReadPort(2, 2));
    }

    [Theory]
    [InlineData(0x00u, 2880u, 80, 2, 18)]
    [InlineData(0x80u, 21u, 1, 16, 63)]
    public void It_tells_a_drives_size(uint drive, uint sectors, int cylinders, int heads, int perTrack)
    {
        Assert.Equal(0u, Run(drive, Parameters));
        Assert.Equal(sectors, _device.ReadPort(Sector, 4));
        Assert.Equal((uint)(perTrack | (heads << 8) | (cylinders << 16)), _device.ReadPort(Address, 4));
    }

    [Fact]
    public void Sectors_reach_memory_and_the_last_one_is_padded()
    {
        Assert.Equal(3u << 8, Run(0x00, Read, 100, 3, 0x7C01));
        Assert.Equal(_floppy.AsSpan(51200, 1536).ToArray(), Memory(0x7C01, 1536));
        Assert.Equal(1u << 8, Run(0x80, Read, 20, 1, 0x9000));
        Assert.Equal([.. _disk.AsSpan(20 * 512), .. new byte[412]], Memory(0x9000, 512));
    }

    [Fact]
    public void Writes_are_kept_beside_the_image()
    {
        byte[] original = (byte[])_disk.Clone();
        Run(0x00, Read, 7, 2, 0x5000);
        Assert.Equal(2u << 8, Run(0x80, Write, 3, 2, 0x5000));
        Assert.Equal(2u << 8, Run(0x80, Read, 3, 2, 0x8000));
        Assert.Equal(_floppy.AsSpan(7 * 512, 1024).ToArray(), Memory(0x8000, 1024));
        Assert.Equal(original, _disk);
    }

    [Theory]
    [InlineData(0x01u, Parameters, 0u, 0u, 0u, 0x80u)]            // no such floppy
    [InlineData(0x82u, Parameters, 0u, 0u, 0u, 0x01u)]            // no such hard disk
    [InlineData(0xFFFFFF80u, Read, 0u, 1u, 0u, 0x01u)]
    [InlineData(0x80u, 0u, 0u, 1u, 0u, 0x01u)]                    // no such command
    [InlineData(0x80u, 9u, 0u, 1u, 0u, 0x01u)]
    [InlineData(0x80u, Read, 21u, 1u, 0u, 0x04u)]                 // past the end
    [InlineData(0x80u, Read, 20u, 2u, 0u, 0x04u)]
    [InlineData(0x80u, Read, 0xFFFFFFFFu, 0xFFFFu, 0u, 0x04u)]
    [InlineData(0x80u, Verify, 0u, 0x10000u, 0u, 0x01u)]          // more than a packet can say
    [InlineData(0x80u, Read, 0u, 1u, 0xFFE01u, 0x09u)]            // past the end of RAM
    [InlineData(0x80u, Read, 0u, 1u, 0xFFFFFFFFu, 0x09u)]
    [InlineData(0x80u, Read, 0u, 1u, 0xF0000u, 0x09u)]            // ROM
    [InlineData(0x80u, Read, 0u, 1u, 0xEFFFFu, 0x09u)]            // half ROM
    [InlineData(0x00u, Write, 0u, 1u, 0u, 0x03u)]                 // read-only
    [InlineData(0x81u, Read, 0u, 1u, 0u, 0x20u)]                  // the host fails
    [InlineData(0x81u, Write, 0u, 1u, 0u, 0x20u)]
    [InlineData(0x80u, Verify, 0u, 21u, 0xFFFFFFFFu, 21u << 8)]   // verify needs no memory
    [InlineData(0x80u, Read, 0u, 0u, 0u, 0u)]
    public void Every_ending_has_its_status(uint drive, uint command, uint sector, uint count, uint address, uint expected)
    {
        byte[] before = Memory(0, 1 << 20);
        Assert.Equal(expected, Run(drive, command, sector, count, address));
        Assert.Equal(before, Memory(0, 1 << 20));
    }

    [Fact]
    public void What_was_read_before_a_failure_is_counted() =>
        Assert.Equal(0x09u | (2 << 8), Run(0x80, Read, 0, 4, 0xEFC00));

    [Fact]
    public void Narrow_writes_change_their_bytes_only()
    {
        _device.WritePort(Drive, 1, 0x80);
        _device.WritePort(Sector, 2, 5);
        _device.WritePort(Address, 1, 0x00);
        _device.WritePort(Address + 1, 1, 0x60);
        _device.WritePort(Command + 1, 1, 1);
        Assert.Equal(0u, _device.ReadPort(Command, 4));  // not before the lowest byte is written
        _device.WritePort(Command, 1, Read);
        Assert.Equal(1u << 8, _device.ReadPort(Command, 4));
        Assert.Equal(_disk.AsSpan(5 * 512, 512).ToArray(), Memory(0x6000, 512));
    }

    [Fact]
    public void Random_accesses_through_the_bus_never_throw()
    {
        var bus = new PortBus();
        bus.Map(BiosDisk.DefaultPort, BiosDisk.PortCount, _device);
        var random = new Random(3);
        for (int i = 0; i < 100_000; i++)
        {
            ushort port = (ushort)(BiosDisk.DefaultPort + random.Next(-2, 17));
            int width = 1 << random.Next(3);
            if (random.Next(3) == 0)
            {
                bus.Read(port, width);
            }
            else
            {
                bus.Write(port, width, random.Next(2) == 0 ? (uint)random.NextInt64(1L << 32) : (uint)random.Next(0x200));
            }
        }
    }

    [Fact]
    public void Two_drives_with_one_number_are_an_error() =>
        Assert.Throws<ArgumentException>(() => new BiosDisk(_memory, [_device.Drives[0], _device.Drives[0]]));

    [Theory]
    [InlineData(DiskAccess.ReadWrite, true, true)]
    [InlineData(DiskAccess.Snapshot, true, false)]
    [InlineData(DiskAccess.ReadOnly, false, false)]
    public void A_file_image_keeps_its_promise(DiskAccess access, bool writable, bool changesFile)
    {
        string path = Path.GetTempFileName();
        try
        {
            File.WriteAllBytes(path, _disk);
            byte[] sector = new byte[512];
            using (var image = new FileDiskImage(path, access))
            {
                Assert.Equal((21L, _disk.Length), (image.SectorCount, image.Length));
                Assert.True(image.TryRead(2, sector));
                Assert.Equal(_disk.AsSpan(1024, 512).ToArray(), sector);
                Assert.False(image.TryRead(21, sector));
                Assert.False(image.TryRead(-1, sector));
                Assert.False(image.TryRead(0, new byte[511]));
                Assert.False(image.TryWrite(21, sector));
                Assert.Equal(writable, image.TryWrite(20, sector));
                Assert.Equal(!writable, image.IsReadOnly);
                byte[] again = new byte[512];
                Assert.True(image.TryRead(20, again));
                Assert.Equal(writable ? sector : [.. _disk.AsSpan(20 * 512), .. new byte[412]], again);
            }

            Assert.Equal(changesFile, !File.ReadAllBytes(path).AsSpan().SequenceEqual(_disk));
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public void A_host_error_is_a_failed_sector_and_an_event()
    {
        string path = Path.GetTempFileName();
        File.WriteAllBytes(path, _disk);
        var image = new FileDiskImage(path, DiskAccess.ReadWrite);
        List<long> failed = [];
        image.HostError += (sector, _) => failed.Add(sector);
        image.Dispose();  // the nearest thing to a disk that is pulled out
        File.Delete(path);
        Assert.False(image.TryRead(1, new byte[512]));
        Assert.False(image.TryWrite(2, new byte[512]));
        Assert.Equal([1L, 2L], failed);
    }

    private sealed class FailingImage : IDiskImage
    {
        public long SectorCount => 10;

        public bool IsReadOnly => false;

        public bool TryRead(long sector, Span<byte> destination) => false;

        public bool TryWrite(long sector, ReadOnlySpan<byte> source) => false;

        public bool TryFlush() => false;
    }
}
