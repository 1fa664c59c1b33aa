using System.Text;
using ToyVmm.VirtualMachines.Symbols;
using Xunit;

namespace ToyVmm.Tests.Symbols;

/// <summary>Names of addresses and addresses of names, from ELF files and System.map files; and files that are not what they say.</summary>
public sealed class SymbolTableTests
{
    private static readonly SymbolTable s_kernel = SymbolFile.Read(new ElfBuilder()
        .Add("kernel.c", 0, type: 4, section: ElfBuilder.Absolute)
        .Add("COM1", 0x3F8, type: 0, section: ElfBuilder.Absolute)
        .Add("extern", 0, type: 0, section: 0)
        .Add("start", 0x1000, type: 0, global: true)
        .Add("start.loop", 0x1008, type: 0)
        .Add("print", 0x1020, size: 0x10)
        .Add(".L5", 0x1024, type: 0)
        .Add("table", 0x1028, size: 4, type: 1)
        .Add("tail", 0x1040, type: 0)
        .Add("alias", 0x1040, type: 2, global: true)
        .Build());

    [Theory]
    [InlineData(0xFFFu, null)]
    [InlineData(0x1000u, "start")]
    [InlineData(0x101Fu, "start+0x1f")]
    [InlineData(0x1020u, "print")]
    [InlineData(0x102Cu, "print+0xc")]
    [InlineData(0x1030u, null)]         // behind the end of print, and nothing begins there
    [InlineData(0x1040u, "alias")]      // the global one of two names
    [InlineData(0x1FFFu, "alias+0xfbf")]
    [InlineData(0x2000u, null)]         // behind the section
    [InlineData(0xFFFF_FFFFu, null)]
    public void An_address_has_the_name_that_it_is_inside_of(uint address, string? name) => Assert.Equal(name, s_kernel.Find(address)?.ToString());

    [Theory]
    [InlineData("print", 0x1020u)]
    [InlineData("table", 0x1028u)]
    [InlineData("start.loop", 0x1008u)]
    [InlineData("COM1", null)]
    [InlineData("extern", null)]
    [InlineData("prin", null)]
    public void A_name_has_its_address(string name, uint? address) => Assert.Equal(address, s_kernel.Find(name)?.Address);

    [Fact]
    public void Every_symbol_can_be_listed()
    {
        Assert.Equal(7, s_kernel.Count);
        Assert.Equal(["start", "start.loop", "print", ".L5", "table", "tail", "alias"], s_kernel.All.Select(symbol => symbol.Name));
        Assert.Equal([0x10u, 4u], s_kernel.All.Where(symbol => symbol.Size > 0).Select(symbol => symbol.Size));
    }

    /// <summary>The same symbols in any order give the same answers.</summary>
    [Fact]
    public void The_order_in_the_file_does_not_matter()
    {
        ElfBuilder builder = new();
        foreach (string name in (string[])["b", "a", "c"])
        {
            _ = builder.Add(name, 0x1000);
        }

        ElfBuilder reverse = new ElfBuilder().Add("c", 0x1000).Add("a", 0x1000).Add("b", 0x1000);
        Assert.Equal("a", SymbolFile.Read(builder.Build()).Find(0x1000)?.ToString());
        Assert.Equal("a", SymbolFile.Read(reverse.Build()).Find(0x1000)?.ToString());
    }

    [Fact]
    public void Before_paging_code_has_its_names_too()
    {
        SymbolTable high = SymbolFile.Read(new ElfBuilder { Code = (0xC010_0000, 0x1000), Segment = (0x10_0000, 0xC010_0000, 0x1000) }.Add("entry", 0xC010_0010).Build());
        Assert.Equal("entry+0x4", high.Find(0xC010_0014)?.ToString());
        Assert.Equal("entry+0x4", high.Find(0x0010_0014)?.ToString());
        Assert.Null(high.Find(0x0010_1000));
    }

    [Fact]
    public void Several_files_are_asked_in_turn()
    {
        SymbolTable program = SymbolFile.Read(Encoding.UTF8.GetBytes("00000500 t main\n00001000 T other\n"));
        SymbolTable both = SymbolTable.Empty.With(s_kernel).With(program).With(SymbolTable.Empty);
        Assert.Equal("start", both.Find(0x1000)?.ToString());
        Assert.Equal("main+0x4", both.Find(0x504)?.ToString());
        Assert.Equal(0x500u, both.Find("main")?.Address);
        Assert.Equal(s_kernel.Count + 2, both.Count);
        Assert.Equal(both.Count, both.All.Count());
        Assert.Null(SymbolTable.Empty.Find(0));
    }

    [Fact]
    public void A_system_map_is_read()
    {
        SymbolTable map = SymbolFile.Read(Encoding.UTF8.GetBytes("c1000000 T _stext\nc1000010 t do_one\t[module]\r\n\nc1000020 D data\nc1000030 A absolute\n         U undefined\n"));
        Assert.Equal("_stext+0xf", map.Find(0xC100_000F)?.ToString());
        Assert.Equal("do_one", map.Find(0xC100_0010)?.ToString());
        Assert.Equal(SymbolKind.Data, map.Find("data")?.Kind);
        Assert.Null(map.Find("absolute"));
    }

    [Theory]
    [InlineData("", "neither an ELF file nor a System.map")]
    [InlineData("hello, world", "neither an ELF file nor a System.map")]
    [InlineData("c1000000 T a\nc1000000\n", "line 2 is not an address")]
    [InlineData("ffffffff81000000 T startup_64\n", "64-bit kernel")]
    [InlineData("ffffffff B The real System.map is in the linux-image-6.1-dbg package\n", "Debian's stub")]
    [InlineData("c1000000 A absolute\n", "no symbols")]
    [InlineData("\u007fELF", "cut off")]
    public void A_file_of_another_kind_is_refused(string text, string message) =>
        Assert.Contains(message, Assert.Throws<InvalidSymbolsException>(() => SymbolFile.Read(Encoding.UTF8.GetBytes(text))).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData(4, 2u, "not of 32 bits")]                                   // EI_CLASS
    [InlineData(32, 0x7FFF_FFF0u, "section header table")]                  // e_shoff
    [InlineData(32, 0xFFFF_FFFFu, "section header table")]
    [InlineData(46, 0x0004_0010u, "too short")]                             // e_shentsize, e_shnum
    [InlineData(-16, 0xFFFF_FFF0u, "the symbol table")]                     // sh_offset
    [InlineData(-20, 0xFFFF_FFF0u, "the symbol table")]                     // sh_size
    [InlineData(-24, 4u, "names are in section 4")]                         // sh_link
    [InlineData(-36, 8u, "symbols of 8 bytes")]                             // sh_entsize
    public void A_damaged_file_is_refused(int offset, uint value, string message)
    {
        byte[] file = new ElfBuilder().Add("start", 0x1000).Build();
        int at = offset < 0 ? ElfBuilder.SymbolSection - offset : offset;
        ElfBuilder.Word(file, at, offset == 4 ? 0x0001_0100 | value : value);
        Assert.Contains(message, Assert.Throws<InvalidSymbolsException>(() => SymbolFile.Read(file)).Message, StringComparison.Ordinal);
        Assert.Equal(0, SymbolFile.ReadFromImage(file, out string? problem).Count);
        Assert.NotNull(problem);
    }

    [Fact]
    public void An_image_need_not_have_symbols()
    {
        Assert.Equal(0, SymbolFile.ReadFromImage(new byte[512], out string? problem).Count);
        Assert.Null(problem);
        Assert.Equal(0, SymbolFile.ReadFromImage(new ElfBuilder().Build(), out problem).Count);
        Assert.Null(problem);
    }

    /// <summary>Bytes changed at random, and files cut off: refused with a reason, or read; nothing else happens.</summary>
    [Fact]
    public void No_bytes_throw_anything_else()
    {
        Random random = new(6);
        byte[] good = new ElfBuilder { Segment = (0x1000, 0xC000_1000, 0x1000) }.Add("start", 0x1000).Add("start.loop", 0x1004, type: 0).Add("end", 0x1FFF, global: true).Build();
        int read = 0;
        for (int n = 0; n < 20_000; n++)
        {
            byte[] file = [.. good[..(random.Next(4) == 0 ? random.Next(good.Length) : good.Length)]];
            for (int changes = random.Next(1, 6); changes > 0 && file.Length > 0; changes--)
            {
                file[random.Next(file.Length)] = random.Next(2) == 0 ? (byte)random.Next(256) : (byte)0xFF;
            }

            try
            {
                SymbolTable symbols = SymbolFile.Read(file);
                read++;
                _ = symbols.Find((uint)random.Next());
                _ = symbols.Find("start");
                Assert.Equal(symbols.Count, symbols.All.Count());
            }
            catch (InvalidSymbolsException e)
            {
                Assert.NotEmpty(e.Message);
            }
        }

        Assert.InRange(read, 1000, 19_000);
    }

    /// <summary>A name can hold what steers a terminal.</summary>
    [Fact]
    public void Names_are_made_printable_and_short()
    {
        SymbolTable symbols = SymbolFile.Read(new ElfBuilder().Add("a\u001b[31mb", 0x1000).Add(new string('x', 5000), 0x1800).Build());
        Assert.Equal("a?[31mb", symbols.Find(0x1000)?.Symbol.Name);
        Assert.Equal(256, symbols.Find(0x1800)?.Symbol.Name.Length);
    }
}
