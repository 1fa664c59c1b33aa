using ToyVmm.VirtualMachines.Symbols;
using Xunit;

namespace ToyVmm.Tests.Symbols;

/// <summary>Source lines from DWARF 2 to 5, as gcc and NASM write them; and tables that are not what they say.</summary>
public sealed class SourceLinesTests
{
    public static TheoryData<string> Files => ["dwarf2", "dwarf3", "dwarf4", "dwarf5", "dwarf5-zlib"];

    [Theory]
    [MemberData(nameof(Files))]
    public void Every_version_says_the_same(string name)
    {
        SourceLines lines = SourceLines.Read(Load(name), out string? problem);
        Assert.Null(problem);
        Assert.Equal(["/guest/lines.c"], lines.Files);

        // objdump --dwarf=decodedline
        foreach ((uint address, int line) in ((uint, int)[])[(0x10_0000, 11), (0x10_000C, 11), (0x10_000D, 10), (0x10_0015, 13), (0x10_0016, 16), (0x10_001B, 11), (0x10_0028, 18), (0x10_002B, 18), (0x10_002E, 21)])
        {
            Assert.Equal((address, line), (address, lines.Find(address)?.Line));
        }

        Assert.Null(lines.Find(0x0F_FFFF));
        Assert.Null(lines.Find(0x10_002F));
        Assert.Equal("lines.c:11", lines.Find(0x10_0005).ToString());
        Assert.Equal((0x10_0000u, 0x10_000Du), (lines.Find(0x10_0005)!.Value.First, lines.Find(0x10_0005)!.Value.End));

        // The optimizer moved add() into start() as well: a line can have several places. Line 14 has none, and stands for line 16.
        Assert.Equal([0x10_0000u, 0x10_001Bu], lines.Find("lines.c", 11).Select(place => place.First));
        Assert.Equal([0x10_0000u], lines.Find("lines.c", 9).Select(place => place.First));
        Assert.Equal([0x10_0016u], lines.Find("/guest/lines.c", 14).Select(place => place.First));
        Assert.Equal([16], lines.Find("guest/lines.c", 14).Select(place => place.Line));
        Assert.Empty(lines.Find("lines.c", 23));
        Assert.Empty(lines.Find("ines.c", 11));
        Assert.Empty(lines.Find("", 11));
    }

    [Fact]
    public void Assembler_sources_have_lines()
    {
        SourceLines lines = SourceLines.Read(Load("nasm"), out string? problem);
        Assert.Null(problem);
        Assert.Equal([5, 6, 7, 9, 10, 11], Enumerable.Range(0, 0x10).Select(n => lines.Find(0x20_0000 + (uint)n)!.Value.Line).Distinct());
        Assert.Equal(0x20_000Cu, Assert.Single(lines.Find("lines.asm", 8)).First);
        Assert.EndsWith("lines.asm", Assert.Single(lines.Files), StringComparison.Ordinal);
    }

    [Fact]
    public void Several_files_are_asked_in_turn()
    {
        SourceLines lines = SourceLines.Read(Load("dwarf4"), out _).With(SourceLines.Read(Load("nasm"), out _)).With(SourceLines.Empty);
        Assert.Equal("lines.c:13", lines.Find(0x10_0015).ToString());
        Assert.Equal("lines.asm:5", lines.Find(0x20_0000).ToString());
        Assert.Equal(2, lines.Files.Count());
        Assert.Same(lines, SourceLines.Empty.With(lines));
    }

    [Fact]
    public void Files_without_lines_have_none()
    {
        Assert.Same(SourceLines.Empty, SourceLines.Read(new byte[] { 0xF4 }, out string? problem));
        Assert.Null(problem);
        Assert.Same(SourceLines.Empty, SourceLines.Read(new ElfBuilder().Add("start", 0x1000, type: 0, global: true).Build(), out problem));
        Assert.Null(problem);
        Assert.Null(SourceLines.Empty.Find(0));
    }

    /// <summary>Any bytes of a file may be any others: there are lines or a problem, never an exception, and never a long wait.</summary>
    [Fact]
    public void Damaged_files_are_read_as_far_as_they_go()
    {
        Random random = new(5);
        int problems = 0;
        foreach (string name in (string[])["dwarf2", "dwarf4", "dwarf5", "dwarf5-zlib", "nasm"])
        {
            byte[] file = Load(name);
            ReadOnlySpan<byte> table = new ElfSections(file).Find(".debug_line").Span;
            int first = Math.Max(0, file.AsSpan().IndexOf(table));          // a packed one is nowhere
            for (int n = 0; n < 1500; n++)
            {
                byte[] damaged = (byte[])file.Clone();
                for (int changes = random.Next(1, 20); changes > 0; changes--)
                {
                    damaged[random.Next(3) switch { 0 => random.Next(52), 1 => first + random.Next(table.Length), _ => random.Next(damaged.Length) }] = random.Next(3) switch { 0 => 0xFF, 1 => 0, _ => (byte)random.Next(256) };
                }

                SourceLines lines = SourceLines.Read(random.Next(4) == 0 ? damaged.AsMemory(0, random.Next(damaged.Length)) : damaged, out string? problem);
                problems += problem is null ? 0 : 1;
                _ = lines.Find((uint)random.Next(0x10_0000, 0x10_0040));
                _ = lines.Find("lines.c", random.Next(30));
                Assert.DoesNotContain(lines.Files, file => file.Any(char.IsControl));
            }
        }

        Assert.True(problems > 300, $"{problems} of the damages were noticed");
    }

    private static byte[] Load(string name) => File.ReadAllBytes(Path.Combine(RepositoryFiles.Root, "tests", "ToyVmm.Tests", "Symbols", "Dwarf", name + ".elf"));
}
