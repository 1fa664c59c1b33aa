using System.Text;
using ToyVmm.VirtualMachines.Loading;
using Xunit;

namespace ToyVmm.Tests.Loading;

public sealed class LinuxLoaderTests : LoaderFixture
{
    private const uint ZeroPage = 0x9_0000;

    [Fact]
    public void A_kernel_is_entered_by_the_32_bit_protocol()
    {
        byte[] ramDisk = TestImages.Code(10_000);
        LoadedImage image = Load(TestImages.BzImage(), new LoadOptions { CommandLine = "console=ttyS0", InitialRamDisk = ramDisk });
        Assert.Equal(ImageFormat.LinuxKernel, image.Format);
        AssertFlat(image.Entry);
        Assert.Equal((0x10_0000u, ZeroPage, 0u, 0u, 0u), (image.Entry.Eip, image.Entry.Esi, image.Entry.Ebx, image.Entry.Edi, image.Entry.Ebp));
        Assert.Equal(TestImages.Code(4096), Read(0x10_0000, 4096));

        byte[] page = Read(ZeroPage, 4096);
        Assert.Equal((3, 80, 25, 1, 16), (page[6], page[7], page[0xE], page[0xF], page[0x10]));
        Assert.Equal((byte)0xFF, page[0x210]);
        Assert.Equal("HdrS", Encoding.ASCII.GetString(page, 0x202, 4));
        Assert.Equal("console=ttyS0", Text(Word(ZeroPage + 0x228)));
        Assert.Equal(31u * 1024, Word(ZeroPage + 0x1E0));
        uint ramDiskAt = Word(ZeroPage + 0x218);
        Assert.Equal((32u << 20) - 0x3000, ramDiskAt);
        Assert.Equal(10_000u, Word(ZeroPage + 0x21C));
        Assert.Equal(ramDisk, Read(ramDiskAt, 10_000));
        Assert.Equal(4, page[0x1E8]);
        Assert.Equal((0x10_0000u, 31u << 20, 1u), (Word(ZeroPage + 0x2D0 + 60), Word(ZeroPage + 0x2D0 + 68), Word(ZeroPage + 0x2D0 + 76)));
    }

    [Fact]
    public void The_ram_disk_stays_below_initrd_addr_max_and_clear_of_the_kernels_working_memory()
    {
        byte[] image = TestImages.BzImage(f =>
        {
            TestImages.Put32(f, 0x22C, 0xFF_FFFF);
            TestImages.Put32(f, 0x260, 0x70_0000);
        });
        Load(image, new LoadOptions { InitialRamDisk = new byte[0x80_0000] });
        Assert.Equal(0x80_0000u, Word(ZeroPage + 0x218));
        Assert.Contains("initial RAM disk", ImageLoader.Load(image, Memory, new LoadOptions { InitialRamDisk = new byte[0x80_0001] }).Error!.What, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0x100_0000u, 0x10_0000u, 0x100_0000u)]   // preferred address free: taken
    [InlineData(0x100_0000u, 0x180_0000u, 0x10_0000u)]   // too big there: the lowest aligned address
    public void A_relocatable_kernel_goes_where_it_fits(uint preferred, uint initSize, uint expected)
    {
        LoadedImage image = Load(TestImages.BzImage(f =>
        {
            f[0x234] = 1;
            TestImages.Put64(f, 0x258, preferred);
            TestImages.Put32(f, 0x260, initSize);
            TestImages.Put32(f, 0x214, 0x10_0020);
        }));
        Assert.Equal(expected + 0x20, image.Entry.Eip);
        Assert.Equal(expected + 0x20, Word(ZeroPage + 0x214));
        Assert.Equal(TestImages.Code(4096), Read(expected, 4096));
    }

    [Fact]
    public void Smaller_alignments_are_tried_down_to_the_minimum()
    {
        LoadedImage image = Load(TestImages.BzImage(f =>
        {
            f[0x234] = 1;
            f[0x235] = 21;                             // 2 MiB at least
            TestImages.Put32(f, 0x230, 0x200_0000);    // 32 MiB: beyond this memory
            TestImages.Put64(f, 0x258, 0x200_0000);
        }));
        Assert.Equal(0x100_0000u, image.Entry.Eip);
    }

    [Fact]
    public void Old_protocols_get_their_defaults()
    {
        byte[] image = TestImages.BzImage(f =>
        {
            TestImages.Put16(f, 0x206, 0x0202);
            f.AsSpan(0x22C, 0x38).Fill(0xEE);          // fields of later versions: not to be read
        });
        Load(image, new LoadOptions { InitialRamDisk = new byte[100], CommandLine = new string('x', 255) });
        Assert.Equal((32u << 20) - 0x1000, Word(ZeroPage + 0x218));
    }

    public static TheoryData<int, uint, int, string, long?> Damaged => new()
    {
        { 0x1FE, 0x1234, 2, "boot flag", 0x1FE },
        { 0x202, 0x12345678, 4, "HdrS", 0x202 },
        { 0x206, 0x0201, 2, "too old", 0x206 },
        { 0x201, 0x20, 1, "ends before offset", 0x201 },
        { 0x201, 0xFF, 1, "zero page has room", 0x201 },
        { 0x211, 0, 1, "zImage", 0x211 },
        { 0x236, 1, 2, "64-bit", 0x236 },
        { 0x1F1, 20, 1, "past the file's end", 0x1F1 },
        { 0x1F4, 258, 4, "promises", 0x1F4 },
        { 0x230, 3, 4, "power of two", 0x230 },
        { 0x235, 32, 1, "power of two", 0x230 },
        { 0x258, 0xF_F000, 4, "preferred load address", 0x258 },
        { 0x25C, 1, 4, "preferred load address", 0x258 },
        { 0x260, 0x400_0000, 4, "needs 0x4000000 bytes", 0x260 },
        { 0x214, 0x10_1000, 4, "code32_start", 0x214 },
        { 0x214, 0xF_FFFF, 4, "code32_start", 0x214 },
    };

    [Theory]
    [MemberData(nameof(Damaged))]
    public void A_damaged_header_is_refused_at_its_offset(int offset, uint value, int width, string what, long? blame)
    {
        byte[] image = TestImages.BzImage(f =>
        {
            for (int i = 0; i < width; i++)
            {
                f[offset + i] = (byte)(value >> (8 * i));
            }
        });
        Refused(image, what, blame, new LoadOptions { Format = ImageFormat.LinuxKernel });
    }

    [Fact]
    public void Limits_of_the_command_line_and_of_the_format_are_kept()
    {
        Refused(TestImages.BzImage(), "at most 255", null, new LoadOptions { CommandLine = new string('x', 256) });
        Refused(TestImages.BzImage(), "no use for Multiboot modules", null, new LoadOptions { Modules = [new BootModule("x", new byte[1])] });
        Refused(TestImages.BzImage()[..0x220], "cut off", 0x220);
    }
}
