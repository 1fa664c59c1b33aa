using System.Text;
using System.Text.Json;
using ToyVmm.Engines;
using ToyVmm.Engines.Metering;
using ToyVmm.Hardware;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Advising;
using ToyVmm.VirtualMachines.Symbols;
using Xunit;

namespace ToyVmm.GuestTests;

/// <summary>The advisor attributes every exit to an instruction of the guest, exactly and alike on both engines, changes nothing, and advises what is worth it.</summary>
public sealed class AdvisorTests
{
    [Theory]
    [MemberData(nameof(GuestRunner.Everything), MemberType = typeof(GuestRunner))]
    public void An_advised_guest_does_the_same_and_every_exit_has_its_place(string name, EngineKind engine)
    {
        GuestImage guest = Small(name);
        using VirtualMachine plain = Run(guest, engine, advise: false);
        using VirtualMachine advised = Run(guest, engine, advise: true);
        Assert.Null(plain.Advisor);
        Assert.Equal(Counts(plain), Counts(advised));

        AdviceReport report = advised.Advisor!.Report(SymbolTable.Empty);
        ulong Sum(params InterventionKind[] kinds) => report.Rows.Where(row => kinds.Contains(row.Kind)).Aggregate(0UL, (sum, row) => sum + row.Count);
        IReadOnlyDictionary<ExitReason, ulong> exits = advised.Statistics.Exits;
        Assert.Equal(exits.GetValueOrDefault(ExitReason.PortIo), Sum(InterventionKind.PortRead, InterventionKind.PortWrite));
        Assert.Equal(exits.GetValueOrDefault(ExitReason.Mmio), Sum(InterventionKind.DeviceRead, InterventionKind.DeviceWrite));
        Assert.Equal(exits.GetValueOrDefault(ExitReason.Hypercall), Sum(InterventionKind.Hypercall));
        Assert.Equal(exits.GetValueOrDefault(ExitReason.Halt), Sum(InterventionKind.Halt));
        Assert.Equal(exits.GetValueOrDefault(ExitReason.ApicBaseWritten), Sum(InterventionKind.OtherExit));

        IReadOnlyDictionary<CostKind, CostPart> parts = advised.Statistics.Costs!.Parts;
        Assert.Equal(parts.GetValueOrDefault(CostKind.HiddenFault).Count, Sum(InterventionKind.HiddenFault));
        Assert.Equal(parts.GetValueOrDefault(CostKind.TrueFault).Count, Sum(InterventionKind.PageFault));
        Assert.Equal(parts.GetValueOrDefault(CostKind.Lookup).Count, Sum(InterventionKind.Lookup));
        Assert.All(report.Rows, row => Assert.InRange(row.Spared, 0u, row.Count));
        Assert.InRange(report.Rows.Aggregate(TimeSpan.Zero, (sum, row) => sum + row.Time), TimeSpan.Zero, advised.Statistics.Costs!.Total);
    }

    [Theory]
    [MemberData(nameof(Guests))]
    public void Exits_have_the_same_places_on_every_engine(string name)
    {
        string[] places = [.. GuestRunner.Engines.Select(engine => Places(Small(name), engine)).Distinct()];
        Assert.Single(places);
    }

    [Theory]
    [MemberData(nameof(GuestRunner.EngineRows), MemberType = typeof(GuestRunner))]
    public void A_guest_that_prints_is_told_of_console_write(EngineKind engine)
    {
        // "Hello, world!": 13 characters, each after a look at the line status, and one look more at the end.
        AdviceReport report = Advice("hello", engine);
        CallAdvice call = Assert.Single(report.Calls);
        Assert.Equal((ParavirtualCall.ConsoleWrite, 26u, 1u, 25u, false), (call.Call, call.Spared, call.Calls, call.Saved, call.IsBound));
        Assert.Contains(report.Rows, row => row is { Kind: InterventionKind.PortWrite, Detail: "out 0x3f8 (COM1)", Count: 13, Call: ParavirtualCall.ConsoleWrite });
        Assert.Contains(report.Rows, row => row is { Kind: InterventionKind.PortWrite, Detail: "out 0x604 (ACPI)", Count: 1, Call: ParavirtualCall.None });
    }

    [Theory]
    [MemberData(nameof(GuestRunner.EngineRows), MemberType = typeof(GuestRunner))]
    public void A_guest_with_a_timer_is_told_of_set_timer_and_the_clock_page(EngineKind engine)
    {
        AdviceReport report = Advice("interrupts", engine);
        Assert.Equal([ParavirtualCall.ClockPage, ParavirtualCall.ConsoleWrite, ParavirtualCall.SetTimer], report.Calls.Select(call => call.Call).Order(Comparer<ParavirtualCall>.Create((x, y) => string.CompareOrdinal(x.ToString(), y.ToString()))));
        Assert.Contains(report.Rows, row => row is { Symbol: "on_timer", Detail: "out 0x20 (PIC)", Call: ParavirtualCall.SetTimer });
        Assert.Contains(report.Rows, row => row is { Symbol: "on_rtc", Detail: "out 0x20 (PIC)", Call: ParavirtualCall.None });
    }

    [Fact]
    public void A_guest_that_changes_page_tables_is_told_of_the_batch()
    {
        if (VirtualMachine.TranslatorUnavailable is null)
        {
            AdviceReport report = Advice("nano", EngineKind.Translator);
            Assert.Contains(report.Rows, row => row is { Symbol: "row_remap", Kind: InterventionKind.PageInvalidation, Call: ParavirtualCall.MmuUpdate });
            Assert.Contains(report.Rows, row => row is { Symbol: "row_cr3", Kind: InterventionKind.TlbFlush, Call: ParavirtualCall.MmuUpdate });
            Assert.Contains(report.Rows, row => row is { Symbol: "row_switch", Kind: InterventionKind.PageTableLoad, Call: ParavirtualCall.SetPageTable });
            Assert.Contains(report.Calls, call => call is { Call: ParavirtualCall.MmuUpdate, IsBound: false, Saved: > 0 });
            Assert.Contains(report.Calls, call => call is { Call: ParavirtualCall.MmuUpdate, IsBound: true, Saved: > 0, Calls: 0 });
            Assert.Contains(report.Calls, call => call is { Call: ParavirtualCall.SetPageTable, Saved: 0 });
        }
    }

    /// <summary>mov dx, 0x604; mov ax, 0x2000; out dx, ax: there is no better way to stop.</summary>
    [Fact]
    public void Where_nothing_can_be_saved_nothing_is_advised()
    {
        using TemporaryFile image = CommandLine.File([0xBA, 0x04, 0x06, 0xB8, 0x00, 0x20, 0xEF]);
        ToolResult result = CommandLine.Run("run", image.Path, "--format", "raw", "--advise");
        Assert.Equal(0, result.Status);
        Assert.Contains("0x00007c06                   out 0x604 (ACPI)", result.Errors, StringComparison.Ordinal);
        Assert.Contains("\nno paravirtual call would save anything of it\n", result.Errors, StringComparison.Ordinal);
    }

    /// <summary>An idle loop with a periodic tick: sti; hlt; jmp to the hlt, in 16-bit code with the BIOS's tick, ten times; and one that polls.</summary>
    [Fact]
    public void Ticks_with_nothing_to_do_and_waiting_loops_are_seen()
    {
        // sti; mov cx, 10; hlt; loop to the hlt; mov cx, 100; in al, 0x64; loop to the in; xor al, al; out 0xF4, al
        byte[] image = new byte[512];
        ReadOnlySpan<byte> code = [0xFB, 0xB9, 10, 0, 0xF4, 0xE2, 0xFD, 0xB9, 100, 0, 0xE4, 0x64, 0xE2, 0xFC, 0x30, 0xC0, 0xE6, 0xF4];
        code.CopyTo(image);
        (image[510], image[511]) = (0x55, 0xAA);
        using VirtualMachine vm = VirtualMachine.Create(image, new VirtualMachineOptions { Advise = true });
        Assert.Equal(StopKind.DebugExit, vm.Run(new RunLimits { Timeout = TimeSpan.FromSeconds(60) }).Kind);
        AdviceReport report = vm.Advisor!.Report(SymbolTable.Empty);

        // The first HLT has none before it.
        Assert.Contains(report.Rows, row => row is { Address: 0x7C04, Kind: InterventionKind.Halt, Count: 10, Spared: 9, Call: ParavirtualCall.SetTimer });
        Assert.Contains(report.Rows, row => row is { Address: 0x7C0A, Detail: "in 0x64 (keyboard)", Count: 100, Spared: 0, Call: ParavirtualCall.Yield });
        Assert.Contains(report.Calls, call => call is { Call: ParavirtualCall.Yield, Saved: 0 });
    }

    /// <summary>Writes to port 0x80, which emitted code performs itself when nobody watches.</summary>
    [Fact]
    public void Waits_that_need_no_call_are_left_out()
    {
        // mov ecx, 500; out 0x80, al; loop to the out; mov dx, 0x604; mov ax, 0x2000; out dx, ax
        using TemporaryFile image = CommandLine.File([0xB9, 0xF4, 0x01, 0, 0, 0xE6, 0x80, 0xE2, 0xFC, 0x66, 0xBA, 0x04, 0x06, 0x66, 0xB8, 0x00, 0x20, 0x66, 0xEF]);
        ToolResult result = CommandLine.Run("run", image.Path, "--format", "raw", "--entry", "protected", "--advise", "--json", "-");
        Assert.Equal(0, result.Status);
        using JsonDocument document = JsonDocument.Parse(result.Output);
        JsonElement advice = document.RootElement.GetProperty("advice");
        JsonElement call = Assert.Single(advice.GetProperty("calls").EnumerateArray());
        Assert.Equal(("leave_out", 500, 0, 500, false), (call.GetProperty("call").GetString(), call.GetProperty("spared").GetInt32(), call.GetProperty("calls").GetInt32(), call.GetProperty("saved").GetInt32(), call.GetProperty("is_bound").GetBoolean()));
        JsonElement row = advice.GetProperty("rows").EnumerateArray().Single(row => row.GetProperty("call").GetString() == "leave_out");
        Assert.Equal(("port_write", 0x7C05, 500), (row.GetProperty("kind").GetString(), row.GetProperty("address").GetInt32(), row.GetProperty("count").GetInt32()));
        Assert.Equal(JsonValueKind.Null, document.RootElement.GetProperty("costs").ValueKind);
    }

    [Fact]
    public void Names_come_from_a_file_that_is_named()
    {
        using TemporaryFile map = CommandLine.File("00007c00 T first\n00007c20 t put\n00007c30 T last\n", ".map");
        ToolResult result = CommandLine.Run("run", "hello", "--advise", "--symbols", map.Path, "--serial", "none");
        Assert.Equal(0, result.Status);
        Assert.Contains("  put                          out 0x3f8 (COM1)                         13 ", result.Errors, StringComparison.Ordinal);
        Assert.Contains("  console_write    saves 25 (26 fewer, 1 call instead): ", result.Errors, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(66, "cannot read the symbol file nowhere: there is no such file", "run", "hello", "--symbols", "nowhere")]
    [InlineData(66, "cannot read the symbol file nowhere: there is no such file", "run", "hello", "--advise", "--symbols", "nowhere")]
    public void Symbols_that_cannot_be_had_are_an_error(int status, string message, params string[] arguments)
    {
        ToolResult result = CommandLine.Run(arguments);
        Assert.Equal((status, ""), (result.Status, result.Output));
        Assert.Contains(message, result.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_without_symbols_is_an_error()
    {
        using TemporaryFile file = CommandLine.File("00007c00 T first\nno symbol\n", ".map");
        ToolResult result = CommandLine.Run("run", "hello", "--advise", "--symbols", file.Path);
        Assert.Equal((65, ""), (result.Status, result.Output));
        Assert.Contains($"--symbols {file.Path}: line 2 is not an address, a type and a name", result.Errors, StringComparison.Ordinal);
    }

    /// <summary>Debian's kernel: the boot prints, reads clocks, waits, and changes page tables.</summary>
    [RequiresFileFact(LinuxGuest.LastFile)]
    public void Linux_is_advised()
    {
        using VirtualMachine vm = VirtualMachine.Create(
            File.ReadAllBytes(LinuxGuest.Kernel),
            new VirtualMachineOptions
            {
                Advise = true,
                Machine = new MachineConfig { MemorySize = 128u << 20 },
                Load = new() { CommandLine = "console=ttyS0", InitialRamDisk = File.ReadAllBytes(LinuxGuest.InitialRamDisk) },
            });
        Assert.Equal(StopKind.PowerOff, vm.Run(new RunLimits { Timeout = LinuxGuest.Limit }).Kind);
        AdviceReport report = vm.Advisor!.Report(SymbolTable.Empty);
        Assert.Contains(report.Calls, call => call is { Call: ParavirtualCall.ConsoleWrite, Saved: > 1000 });
        Assert.Contains(report.Calls, call => call is { Call: ParavirtualCall.ClockPage, Saved: > 1000 });
        Assert.Contains(report.Calls, call => call.Call == ParavirtualCall.LeaveOut);
        Assert.Equal(vm.Vcpu.Translation is not null, report.Calls.Any(call => call is { Call: ParavirtualCall.MmuUpdate, IsBound: false, Saved: > 0 }));
        ulong accesses = report.Rows.Where(row => row.Kind is InterventionKind.PortRead or InterventionKind.PortWrite).Aggregate(0UL, (sum, row) => sum + row.Count);
        Assert.Equal(vm.Statistics.Exits[ExitReason.PortIo], accesses);
    }

    /// <summary>Every guest.</summary>
    public static IEnumerable<object[]> Guests => GuestCatalog.All.Select(guest => new object[] { guest.Name });

    private static AdviceReport Advice(string name, EngineKind engine)
    {
        GuestImage guest = GuestCatalog.Find(name);
        using VirtualMachine vm = Run(guest, engine, advise: true);
        return vm.Advisor!.Report(SymbolFile.ReadFromImage(File.ReadAllBytes(guest.ImagePath), out _));
    }

    private static string Places(GuestImage guest, EngineKind engine)
    {
        using VirtualMachine vm = Run(guest, engine, advise: true);
        return string.Join('\n', vm.Advisor!.Report(SymbolTable.Empty).Rows
            .Where(row => row.Kind <= InterventionKind.OtherExit)
            .OrderBy(row => (row.Address, row.Kind, row.Detail, row.Call))
            .Select(row => $"{row.Address:x8} {row.Detail} {row.Count} {row.Call} {row.Spared}"));
    }

    private static GuestImage Small(string name)
    {
        GuestImage guest = GuestCatalog.Find(name);
        return guest.IsCompute ? guest with { Append = "1" } : guest;
    }

    private static VirtualMachine Run(GuestImage guest, EngineKind engine, bool advise)
    {
        // As the command line runs it: nobody watches, so that port accesses are performed in place.
        VirtualMachineOptions options = GuestRunner.Options(guest, engine, new(), new TranslatorOptions()) with { Observer = null, ExitObserver = null, Advise = advise };
        VirtualMachine vm = VirtualMachine.Create(File.ReadAllBytes(guest.ImagePath), options);
        if (guest.SerialInput is { } typed)
        {
            vm.Input.Enqueue(Encoding.Latin1.GetBytes(typed));
        }

        Assert.Equal(guest.ExpectedStatus, vm.Run(new RunLimits { MaxInstructions = 3_000_000_000, Timeout = TimeSpan.FromSeconds(120) }).ExitStatus);
        return vm;
    }

    private static string Counts(VirtualMachine vm)
    {
        string exits = string.Join(", ", vm.Statistics.Exits.Where(exit => exit.Key is not ExitReason.BudgetSpent).OrderBy(exit => exit.Key).Select(exit => $"{exit.Key} {exit.Value}"));
        string traps = string.Join(", ", vm.Statistics.Traps.OrderBy(trap => trap.Key).Select(trap => $"{trap.Key} {trap.Value}"));
        return $"{vm.Now}; {exits}; {traps}; {vm.SerialOutput}";
    }
}
