using ToyVmm.Hardware.Devices;
using ToyVmm.VirtualMachines.Loading;
using Xunit;

namespace ToyVmm.Tests.Loading;

public sealed class RawAndBootSectorTests : LoaderFixture
{
    [Fact]
    public void A_flat_binary_goes_to_7C00_and_starts_in_real_mode()
    {
        byte[] code = TestImages.Code(40);
        LoadedImage image = Load(code);
        Assert.Equal(ImageFormat.Raw, image.Format);
        Assert.False(image.Entry.ProtectedMode);
        Assert.Equal(new RealModeSegments(0, 0, 0), image.Entry.RealModeSegments);
        Assert.Equal((0x7C00u, 0x7C00u), (image.Entry.Eip, image.Entry.Esp));
        Assert.Equal(code, Read(0x7C00, 40));
    }

    [Theory]
    [InlineData(0x0500u, 0x0000, 0x0500u)]
    [InlineData(0xFFFFu, 0x0000, 0xFFFFu)]
    [InlineData(0x10000u, 0x1000, 0x0000u)]
    [InlineData(0x12345u, 0x1234, 0x0005u)]
    public void The_load_address_becomes_CS_and_IP(uint address, int cs, uint ip)
    {
        EntryState entry = Load(TestImages.Code(100), new LoadOptions { LoadAddress = address }).Entry;
        Assert.Equal(cs, entry.RealModeSegments!.Cs);
        Assert.Equal(ip, entry.Eip);
    }

    [Fact]
    public void The_stack_keeps_out_of_an_image_that_lies_below_7C00()
    {
        EntryState entry = Load(TestImages.Code(0x9000), new LoadOptions { LoadAddress = 0x500 }).Entry;
        uint top = (uint)(entry.RealModeSegments!.Ss << 4) + entry.Esp;
        Assert.InRange(top - 0x400, 0x9500u, 0x9FC00u - 0x400);
    }

    [Fact]
    public void Protected_entry_is_flat_with_a_stack()
    {
        EntryState entry = Load(TestImages.Code(100), new LoadOptions { LoadAddress = 0x10_0000, RealModeEntry = false }).Entry;
        AssertFlat(entry);
        Assert.Equal(0x10_0000u, entry.Eip);
        Assert.InRange(entry.Esp, 0x1500u, 0x9FC00u);
    }

    [Fact]
    public void What_cannot_be_is_refused()
    {
        Refused([], "empty", 0);
        Refused([], "empty", 0, new LoadOptions { Format = ImageFormat.LinuxKernel });
        Refused(TestImages.Code(4), "out of reach", null, new LoadOptions { LoadAddress = 0x10_0000 });
        Refused(TestImages.Code(0xA0000), "not all usable RAM", null);
        Refused(TestImages.Code(16), "not all usable RAM", null, new LoadOptions { LoadAddress = 0xB8000 });
        Refused(TestImages.Code(16), "not all usable RAM", null, new LoadOptions { LoadAddress = (32 << 20) - 8, RealModeEntry = false });
        Refused(TestImages.Code(16), "32-bit address space", null, new LoadOptions { LoadAddress = 0xFFFF_FFF8, RealModeEntry = false });
        Refused(TestImages.Code(16), "no use for a command line", null, new LoadOptions { CommandLine = "x" });
        Refused([0x1F, 0x8B, 0x08, 0], "gzip", 0);
    }

    [Theory]
    [InlineData(512, 0x80, 1, 16, 63)]
    [InlineData(1440 * 1024, 0x00, 80, 2, 18)]
    [InlineData(360 * 1024, 0x00, 40, 2, 9)]
    [InlineData(10 << 20, 0x80, 21, 16, 63)]
    [InlineData((1440 * 1024) + 1, 0x80, 3, 16, 63)]
    public void A_boot_sector_becomes_a_disk(int bytes, byte drive, int cylinders, int heads, int sectors)
    {
        LoadedImage image = Load(TestImages.Disk(bytes));
        Assert.Equal(ImageFormat.BootSector, image.Format);
        Assert.True(image.Entry.BootThroughBios);
        Assert.Equal(drive, image.Disk!.DriveNumber);
        Assert.Equal(new DiskGeometry(cylinders, heads, sectors, (bytes + 511) / 512, drive == 0), image.Disk.Geometry);
        Assert.Equal(bytes, image.Disk.Image.Length);
        Assert.True(MemoryIsZero());
    }

    [Theory]
    [InlineData(1023L * 16 * 63, 1023, 16)]
    [InlineData((1024L * 16 * 63) + 1, 513, 32)]
    [InlineData(1024L * 255 * 63, 1024, 255)]
    [InlineData(1L << 32, 65535, 255)]
    public void Large_disks_get_more_heads(long sectors, int cylinders, int heads)
    {
        DiskGeometry geometry = DiskGeometry.ForImageSize(sectors * 512);
        Assert.Equal((cylinders, heads, 63, sectors), (geometry.Cylinders, geometry.Heads, geometry.SectorsPerTrack, geometry.SectorCount));
    }

    [Fact]
    public void A_forced_boot_sector_is_checked()
    {
        var forced = new LoadOptions { Format = ImageFormat.BootSector };
        Refused(TestImages.Code(100), "512 bytes", 100, forced);
        Refused(TestImages.Code(512), "not 55 AA", 510, forced);
        Refused(TestImages.Disk(512), "fix their own entry", null, new LoadOptions { RealModeEntry = false });
        Assert.Equal(ImageFormat.Raw, Load(TestImages.Disk(512), new LoadOptions { Format = ImageFormat.Raw }).Format);
    }
}
