using ToyVmm.Engines.Decoding;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Tracing;
using Xunit;

namespace ToyVmm.Tests.Tracing;

/// <summary>Traces, fingerprints and the disassembler behind them.</summary>
public sealed class TracingTests
{
    // mov al, 'A'; out 0xE9, al; in al, 0x99; cli; hlt
    private static readonly byte[] s_code = [0xB0, 0x41, 0xE6, 0xE9, 0xE4, 0x99, 0xFA, 0xF4];

    [Fact]
    public void Exits_are_a_line_each_with_count_and_place()
    {
        Assert.Equal(
            """
                       2 0000:00007c04  exit  out 0xe9, byte 0x41
                       2 0000:00007c04  exit  in 0x99, byte 0xff
                       5 0000:00007c08  exit  hlt

            """,
            Trace(s_code, TraceLevel.Exits, out _),
            ignoreLineEndingDifferences: true);
    }

    [Fact]
    public void Instructions_are_shown_before_they_run()
    {
        string[] lines = Trace(s_code, TraceLevel.Instructions, out _).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        string[] texts = [.. lines.Where(line => !line.Contains("exit", StringComparison.Ordinal)).Select(line => line[52..].Trim())];
        Assert.Equal(["mov al, 0x41", "out 0xe9, al", "in al, 0x99", "cli", "hlt"], texts);
    }

    [Fact]
    public void A_trap_trace_holds_traps_only()
    {
        // int 0x21 with the handler at 0000:0000 (nothing there but zeros, add [bx+si], al): stopped by the limit.
        string trace = Trace([0xCD, 0x21], TraceLevel.Traps, out _, maxInstructions: 1);
        Assert.Contains("trap  INT 0x21", trace, StringComparison.Ordinal);
        Assert.DoesNotContain("exit", trace, StringComparison.Ordinal);
    }

    [Fact]
    public void Equal_runs_have_equal_fingerprints_and_a_register_makes_a_difference()
    {
        _ = Trace(s_code, TraceLevel.Traps, out TraceHash first);
        _ = Trace(s_code, TraceLevel.Traps, out TraceHash second);
        Assert.Equal(first.Value, second.Value);
        Assert.Equal(3UL, first.Events);

        // The same, with BX = 1 behind it: mov bl, 1 instead of mov al, 'A' would change the port's value too, so a prefix.
        _ = Trace([0xB3, 0x01, .. s_code], TraceLevel.Traps, out TraceHash other);
        _ = Trace([0xB3, 0x02, .. s_code], TraceLevel.Traps, out TraceHash another);
        Assert.NotEqual(other.Value, another.Value);
    }

    [Fact]
    public void A_fingerprint_does_not_depend_on_how_the_run_is_sliced()
    {
        TraceHash whole = new();
        TraceHash sliced = new();
        using VirtualMachine one = VirtualMachine.Create(s_code, new VirtualMachineOptions { Observer = whole, ExitObserver = whole.OnExit });
        _ = one.Run();
        using VirtualMachine two = VirtualMachine.Create(s_code, new VirtualMachineOptions { Observer = sliced, ExitObserver = sliced.OnExit });
        while (two.Run(new RunLimits { MaxInstructions = 1 }).Kind == StopKind.InstructionLimit)
        {
        }

        Assert.Equal(whole.Value, sliced.Value);
    }

    [Theory]
    [InlineData(new byte[] { 0xB8, 0x78, 0x56, 0x34, 0x12 }, 32, "mov eax, 0x12345678", 5)]
    [InlineData(new byte[] { 0xB8, 0x78, 0x56 }, 16, "mov ax, 0x5678", 3)]
    [InlineData(new byte[] { 0xEB, 0xFE }, 32, "jmp 0x1000", 2)]
    [InlineData(new byte[] { 0x0F, 0xFF }, 32, "db 0x0f", 1)]
    [InlineData(new byte[] { 0xB8 }, 32, "db 0xb8", 1)]
    [InlineData(new byte[] { 0xF0, 0x0F, 0xC7, 0x0F }, 32, "lock cmpxchg8b [edi]", 4)]
    [InlineData(new byte[0], 32, "(no memory)", 1)]
    public void Code_becomes_text(byte[] code, int bitness, string text, int length)
    {
        DisassembledInstruction instruction = new Disassembler().Disassemble(code, bitness, 0x1000);
        Assert.Equal((0x1000u, length, text), (instruction.Address, instruction.Length, instruction.Text));
    }

    [Fact]
    public void Random_bytes_never_throw()
    {
        Random random = new(1);
        Disassembler disassembler = new();
        byte[] code = new byte[16];
        for (int n = 0; n < 20_000; n++)
        {
            random.NextBytes(code);
            int length = disassembler.Disassemble(code.AsSpan(0, random.Next(17)), n % 2 == 0 ? 16 : 32, (uint)random.Next()).Length;
            Assert.InRange(length, 1, 15);
        }
    }

    private static string Trace(byte[] code, TraceLevel level, out TraceHash hash, ulong maxInstructions = 1000)
    {
        using StringWriter output = new();
        TraceWriter writer = new(output, level);
        hash = new TraceHash(writer);
        using VirtualMachine vm = VirtualMachine.Create(code, new VirtualMachineOptions { Observer = hash, ExitObserver = (Action<VirtualMachine, ToyVmm.Engines.VmExit>)writer.OnExit + hash.OnExit, ReadObserver = writer.OnRead });
        _ = vm.Run(new RunLimits { MaxInstructions = maxInstructions });
        return output.ToString();
    }
}
