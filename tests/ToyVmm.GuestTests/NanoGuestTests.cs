using ToyVmm.VirtualMachines;
using Xunit;

namespace ToyVmm.GuestTests;

/// <summary>The nanobenchmarks count right, one by one, on every engine and natively; and bench tells what they cost.</summary>
public sealed class NanoGuestTests
{
    private static readonly GuestImage s_guest = GuestCatalog.Find("nano");

    /// <summary>The rows, as the guest's head names them.</summary>
    public static IEnumerable<object[]> Rows => ExpectedLines().Select(line => new object[] { line.Split(' ')[1] });

    /// <summary>Alone, and so often that its code is translated when it is hot, not at once.</summary>
    [Theory]
    [MemberData(nameof(Rows))]
    public void A_row_does_the_same_on_every_engine(string row)
    {
        GuestImage guest = s_guest with { Append = $"row={row} loops=300" };
        GuestRun interpreted = GuestRunner.Run(guest, EngineKind.Interpreter);
        Assert.StartsWith($"nano {row} loops 300 operations ", interpreted.Serial, StringComparison.Ordinal);
        Assert.Equal(0, interpreted.Stop.ExitStatus);
        foreach (EngineKind engine in GuestRunner.Engines)
        {
            GuestRun run = GuestRunner.Run(guest, engine, translator: new() { Verify = true });
            Assert.Equal((interpreted.Instructions, interpreted.TraceHash, interpreted.Serial), (run.Instructions, run.TraceHash, run.Serial));
        }
    }

    [Theory]
    [InlineData("row=lists", 3, "nano: there is no such row; row=list names them\n")]
    [InlineData("row=cal", 3, "nano: there is no such row; row=list names them\n")]
    [InlineData("row= loops=3", 3, "nano: there is no such row; row=list names them\n")]
    [InlineData("loops=0", 3, "nano: loops= wants a number above 0\n")]
    [InlineData("loops=1x row=call", 3, "nano: loops= wants a number above 0\n")]
    [InlineData("nano.elf quiet  loops=2 row=call end", 0, "nano call loops 2 operations 1 checksum 00000002\n")]
    public void The_command_line_chooses(string line, int status, string serial)
    {
        GuestRun run = GuestRunner.Run(s_guest with { Append = line }, EngineKind.Interpreter);
        Assert.Equal((status, serial), (run.Stop.ExitStatus, run.Serial));
    }

    [Fact]
    public void A_list_names_every_row() =>
        Assert.Equal(Rows.Select(row => (string)row[0]), GuestRunner.Run(s_guest with { Append = "row=list" }, EngineKind.Interpreter).Serial.TrimEnd().Split('\n'));

    /// <summary>What a process can do counts the same there: else bench compares different work.</summary>
    [RequiresToolFact("nasm", "gcc")]
    public void The_rows_of_a_process_give_the_same_natively()
    {
        var folder = Directory.CreateTempSubdirectory("toyvmm-nano-");
        try
        {
            string source = Path.Combine(GuestCatalog.Folder, "nano");
            string rows = Path.Combine(folder.FullName, "rows.o");
            string program = Path.Combine(folder.FullName, "nano");
            TimeSpan limit = TimeSpan.FromMinutes(1);
            var assembled = ToolProcess.Run("nasm", ["-f", "elf32", "-w+error", "-I", GuestCatalog.Folder + "/", "-o", rows, Path.Combine(source, "native.asm")], limit);
            Assert.True(assembled.Status == 0, assembled.Errors);
            var compiled = ToolProcess.Run("gcc", ["-m32", "-O2", "-Wall", "-Wextra", "-Werror", "-no-pie", "-o", program, Path.Combine(source, "native_main.c"), rows], limit);
            if (compiled.Status != 0 && compiled.Errors.Contains("stubs-32.h", StringComparison.Ordinal))
            {
                return;     // a gcc without 32-bit libraries: bench says so and leaves the column out
            }

            Assert.True(compiled.Status == 0, compiled.Errors);
            string[] names = ToolProcess.Run(program, ["list"], limit).Output.TrimEnd().Split('\n');
            Assert.Equal(["call", "icall", "fib", "load-store", "rep-movsd", "rep-stosb", "x87"], names);
            Assert.All(names, name => Assert.Contains(ToolProcess.Run(program, [name, "40"], limit).Output.TrimEnd(), ExpectedLines()));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static string[] ExpectedLines() => s_guest.ExpectedSerial!.TrimEnd().Split('\n');
}
