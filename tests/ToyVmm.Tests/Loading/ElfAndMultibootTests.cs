using ToyVmm.Hardware.Memory;
using ToyVmm.VirtualMachines.Loading;
using Xunit;

namespace ToyVmm.Tests.Loading;

public sealed class ElfAndMultibootTests : LoaderFixture
{
    private const int FirstProgramHeader = 52;

    [Fact]
    public void Elf_segments_go_to_their_physical_addresses_and_the_rest_is_zero()
    {
        Assert.True(Memory.TryWrite(new GuestPhysicalAddress(0x10_0000), Enumerable.Repeat((byte)0xCC, 0x4000).ToArray()));
        byte[] text = TestImages.Code(100);
        LoadedImage image = Load(TestImages.Elf(0xC010_0010, (text, 0xC010_0000, 0x10_0000, 0x2000), ([9], 0xC020_0000, 0x20_0000, 1)));
        Assert.Equal(ImageFormat.Elf, image.Format);
        AssertFlat(image.Entry);
        Assert.Equal(0x10_0010u, image.Entry.Eip);
        Assert.Equal(text, Read(0x10_0000, 100));
        Assert.Equal(new byte[0x2000 - 100], Read(0x10_0000 + 100, 0x2000 - 100));
        Assert.Equal([0xCC, 0xCC], Read(0x10_2000, 2));
        Assert.Equal([9], Read(0x20_0000, 1));
        Assert.Contains(image.Explanation, line => line.Contains("virtual address", StringComparison.Ordinal));
    }

    [Fact]
    public void A_physical_entry_point_is_taken_as_it_is() =>
        Assert.Equal(0x10_0004u, Load(TestImages.Elf(0x10_0004, (TestImages.Code(16), 0xC010_0000, 0x10_0000, 16))).Entry.Eip);

    public static TheoryData<int, uint, int, string, long?> DamagedElf => new()
    {
        // offset, value, width, words, blamed offset
        { 4, 2, 1, "64-bit ELF", 4 },
        { 4, 7, 1, "ELF class 7", 4 },
        { 5, 2, 1, "little-endian", 5 },
        { 16, 1, 2, "not an executable", 16 },
        { 16, 3, 2, "position-independent", 16 },
        { 18, 62, 2, "x86-64", 18 },
        { 18, 40, 2, "machine 40", 18 },
        { 24, 0x50_0000, 4, "in no loaded segment", 24 },
        { 28, 0xFFFF_FFF0, 4, "program header table", 28 },
        { 42, 31, 2, "too short", 42 },
        { 44, 0, 2, "object file", 44 },
        { 44, 0xFFFF, 2, "program header table", 28 },
        { FirstProgramHeader, 3, 4, "interpreter", FirstProgramHeader },
        { FirstProgramHeader, 0, 4, "no loadable segment", FirstProgramHeader },
        { FirstProgramHeader + 4, 0xFFFF_FFFF, 4, "past the file's end", FirstProgramHeader + 4 },
        { FirstProgramHeader + 16, 0x2000, 4, "but 0x1000 in memory", FirstProgramHeader + 16 },
        { FirstProgramHeader + 12, 0xFFFF_F001, 4, "32-bit address space", FirstProgramHeader },
        { FirstProgramHeader + 12, 0x1FF_F001, 4, "not all usable RAM", FirstProgramHeader },
        { FirstProgramHeader + 12, 0x9_F000, 4, "not all usable RAM", FirstProgramHeader },
        { FirstProgramHeader + 20, 0xFFFF_FFFF, 4, "32-bit address space", FirstProgramHeader },
    };

    [Theory]
    [MemberData(nameof(DamagedElf))]
    public void A_damaged_elf_file_is_refused_at_its_offset(int offset, uint value, int width, string what, long? blame)
    {
        byte[] file = TestImages.Elf(0x10_0000, (TestImages.Code(64), 0x10_0000, 0x10_0000, 0x1000));
        for (int i = 0; i < width; i++)
        {
            file[offset + i] = (byte)(value >> (8 * i));
        }

        Refused(file, what, blame);
    }

    [Fact]
    public void Overlapping_segments_are_refused() =>
        Refused(TestImages.Elf(0x10_0000, ([1], 0x10_0000, 0x10_0000, 0x1000), ([1], 0x10_0FFF, 0x10_0FFF, 1)), "over the ELF segment", FirstProgramHeader + 32);

    [Fact]
    public void A_multiboot_elf_kernel_gets_its_information()
    {
        LoadedImage image = Load(TestImages.MultibootElf(), new LoadOptions
        {
            CommandLine = "fast 7",
            ImageName = "kernel.elf",
            InitialRamDisk = TestImages.Code(10),
            Modules = [new BootModule("second x", TestImages.Code(5000)), new BootModule("empty", ReadOnlyMemory<byte>.Empty)],
        });
        Assert.Equal(ImageFormat.Multiboot, image.Format);
        AssertFlat(image.Entry);
        Assert.Equal((0x10_0030u, 0x2BAD_B002u), (image.Entry.Eip, image.Entry.Eax));
        uint info = image.Entry.Ebx;
        Assert.Equal(0x24Du, Word(info));
        Assert.Equal(639u, Word(info + 4));
        Assert.Equal(31u * 1024, Word(info + 8));
        Assert.Equal("kernel.elf fast 7", Text(Word(info + 16)));
        Assert.Equal(3u, Word(info + 20));
        uint modules = Word(info + 24);
        Assert.Equal((0x10_1000u, 0x10_100Au, "initrd"), (Word(modules), Word(modules + 4), Text(Word(modules + 8))));
        Assert.Equal((0x10_2000u, 0x10_2000u + 5000, "second x"), (Word(modules + 16), Word(modules + 20), Text(Word(modules + 24))));
        Assert.Equal(TestImages.Code(5000), Read(0x10_2000, 5000));
        Assert.Equal((0x10_4000u, 0x10_4000u), (Word(modules + 32), Word(modules + 36)));
        Assert.Equal("ToyVmm", Text(Word(info + 64)));

        uint map = Word(info + 48);
        Assert.Equal(4u * 24, Word(info + 44));
        (uint, uint, uint)[] regions = [.. Enumerable.Range(0, 4).Select(i => (uint)(map + (i * 24)))
            .Select(at => (Word(at + 4), Word(at + 12), Word(at + 20)))];
        Assert.Equal([(0u, 0x9FC00u, 1u), (0x9FC00u, 0x400u, 2u), (0xE0000u, 0x20000u, 2u), (0x10_0000u, 31u << 20, 1u)], regions);
        Assert.Equal(20u, Word(map));
    }

    [Theory]
    [InlineData(0u, 0u, 64, 128)]
    [InlineData(0x10_0050u, 0u, 16, 80)]
    [InlineData(0x10_0050u, 0x10_2000u, 16, 80)]
    public void Multiboot_address_fields_are_followed(uint loadEnd, uint bssEnd, int code, int loaded)
    {
        EntryState entry = Load(TestImages.MultibootFlat(loadEnd: loadEnd, bssEnd: bssEnd)).Entry;
        Assert.Equal(0x10_0040u, entry.Eip);
        Assert.Equal(TestImages.Code(64)[..code], Read(0x10_0040, code));
        Assert.Equal(new byte[16], Read(0x10_0000 + (uint)loaded, 16));
    }

    [Fact]
    public void A_wish_for_graphics_is_answered_with_text_mode()
    {
        LoadedImage image = Load(TestImages.MultibootElf(7));
        uint info = image.Entry.Ebx;
        Assert.Equal(1u << 12, Word(info) & (1u << 12));
        Assert.Equal((0xB8000u, 160u, 80u, 25u), (Word(info + 88), Word(info + 96), Word(info + 100), Word(info + 104)));
        Assert.Equal([16, 2], Read(info + 108, 2));
        Assert.Contains(image.Explanation, line => line.Contains("1024 x 768", StringComparison.Ordinal));
    }

    public static TheoryData<int, uint, string, long> DamagedAddressFields => new()
    {
        // index of the header's word, value, words, blamed offset
        { 3, 0x0F_FFFF, "do not fit", 32 },
        { 4, 0x10_0011, "do not fit", 32 },
        { 4, 0, "do not fit", 32 },
        { 5, 0x0F_0000, "load_end_addr", 36 },
        { 5, 0x10_0081, "load_end_addr", 36 },
        { 6, 0x10_0020, "bss_end_addr", 40 },
        { 6, 0x0F_FFFF, "bss_end_addr", 40 },
        { 6, 0xFFFF_FFFF, "usable RAM", 32 },
        { 7, 0x0F_FFFF, "entry_addr", 44 },
        { 7, 0x10_0080, "entry_addr", 44 },
    };

    [Theory]
    [MemberData(nameof(DamagedAddressFields))]
    public void Wrong_address_fields_are_refused(int word, uint value, string what, long blame)
    {
        byte[] image = TestImages.MultibootFlat();
        TestImages.Put32(image, 16 + (word * 4), value);
        Refused(image, what, blame);
    }

    [Fact]
    public void Other_multiboot_trouble_is_refused()
    {
        Refused(TestImages.MultibootElf(3 | 0x8000), "0x8000", 84 + 4);
        byte[] damaged = TestImages.MultibootFlat();
        damaged[24]++;
        Refused(damaged, "checksum", 24);
        Refused(damaged, "checksum", 24, new LoadOptions { Format = ImageFormat.Multiboot });
        byte[] damagedElf = TestImages.MultibootElf();
        damagedElf[84 + 8]++;
        Refused(damagedElf, "checksum", 84 + 8);
        Refused(TestImages.Code(100), "no Multiboot 1 header", null, new LoadOptions { Format = ImageFormat.Multiboot });
        Refused([.. new byte[16], .. TestImages.MultibootHeader(0x1_0003).AsSpan(0, 12)], "cut off", 28);
        Refused([.. new byte[16], .. TestImages.MultibootHeader(3)], "ELF magic", 0);
        Refused(TestImages.MultibootElf(), "does not fit", null,
            new LoadOptions { Modules = [new BootModule("big", new byte[32 << 20])] });
        byte[] multiboot2 = TestImages.Elf(0x10_0000, (new byte[64], 0x10_0000, 0x10_0000, 64));
        uint[] words = [0xE852_50D6, 0, 24, unchecked(0u - 0xE852_50D6 - 24)];
        for (int i = 0; i < words.Length; i++)
        {
            TestImages.Put32(multiboot2, 88 + (i * 4), words[i]);
        }

        Refused(multiboot2, "Multiboot 2", 88);
        Assert.Equal(ImageFormat.Raw, Load(damaged, new LoadOptions { Format = ImageFormat.Raw }).Format);
    }

    /// <summary>GRUB's second stage has a Multiboot header of its own, in the sectors that follow the boot sector.</summary>
    [Fact]
    public void A_disk_with_a_multiboot_loader_on_it_is_a_disk()
    {
        byte[] disk = TestImages.Disk(64 * 1024);
        TestImages.MultibootHeader(0x1_0000, 0x10_0000, 0x10_0000, 0, 0, 0x10_0000).CopyTo(disk, 0x400);
        Assert.Equal(ImageFormat.BootSector, Load(disk).Format);
        Assert.Equal(ImageFormat.Multiboot, Load(disk, new LoadOptions { Format = ImageFormat.Multiboot }).Format);
    }

    [Fact]
    public void A_header_is_found_only_in_the_first_8192_bytes_on_4_byte_boundaries()
    {
        byte[] Image(int at) => [.. Enumerable.Repeat((byte)1, at), .. TestImages.MultibootHeader(0x1_0000, 0x10_0000, 0x10_0000, 0, 0, 0x10_0000)];
        Assert.Equal(ImageFormat.Multiboot, ImageLoader.Detect(Image(8192 - 12)).Format);
        Assert.Equal(ImageFormat.Raw, ImageLoader.Detect(Image(8192 - 8)).Format);
        Assert.Equal(ImageFormat.Raw, ImageLoader.Detect(Image(6)).Format);
    }
}
