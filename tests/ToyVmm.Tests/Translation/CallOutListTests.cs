using Iced.Intel;
using ToyVmm.Engines;
using ToyVmm.Engines.Decoding;
using ToyVmm.Engines.Interpretation;
using ToyVmm.Engines.Translation;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Tests.Interpretation;
using Xunit;

namespace ToyVmm.Tests.Translation;

/// <summary>Every instruction that 32-bit code can have runs on the host, or stands on the list of those that do not, with a reason.</summary>
public sealed unsafe class CallOutListTests
{
    private const DecodeMode Flat =
        DecodeMode.Code32 | DecodeMode.Stack32 | DecodeMode.FlatEs | DecodeMode.FlatCs | DecodeMode.FlatSs | DecodeMode.FlatDs;

    [TranslatorFact]
    public void Each_instruction_runs_on_the_host_or_has_a_reason()
    {
        using TestCpu cpu = new();
        CodeCache code = CodeCache.TryCreate(ExecutableArena.Process, 1 << 20)!;
        CodeVerifier verifier = new(sizeof(HostFrame), sizeof(CpuState));
        Block block = new() { Mode = Flat, Count = 1, Eip = 0x1000 };
        HashSet<Code> inHost = [];
        HashSet<Code> calledOut = [];
        List<string> wrong = [];
        foreach (Instruction x in Instructions(cpu.Vcpu.Model))
        {
            TranslatedBlock translated = new(&block, code.Used);
            Emitter emitter = new(code, translated, new CallOutTable(), HostFlags.Differing, trapOnly: false);
            int start = code.Used;
            bool emitted = emitter.TryEmit(x, 1, out bool open);
            CallOutReason reason = CallOutList.ReasonFor(x);
            if (emitted != (reason == CallOutReason.None))
            {
                wrong.Add($"{x.Code} '{x}': {(emitted ? "emitted" : "left out")}, {reason}");
            }

            _ = (emitted ? inHost : calledOut).Add(x.Code);
            if (emitted)
            {
                if (open)
                {
                    emitter.GoTo(0x1000);
                }

                emitter.EmitWaysOut();
                if (verifier.Check(code.Bytes(start, code.Used - start), start, offset => offset == code.Exit) is { } refused)
                {
                    wrong.Add($"{x.Code} '{x}': {refused}");
                }
            }

            code.Rewind(start);
        }

        code.Dispose();
        Assert.True(wrong.Count == 0, $"{wrong.Count}: {string.Join('\n', wrong.DistinctBy(line => line.Split(' ')[0]).Take(100))}");
        Assert.True(inHost.Count > 600, $"{inHost.Count} on the host");
        Assert.True(calledOut.Count is > 80 and < 300, $"{calledOut.Count} called out");
    }

    [Fact]
    public void Each_reason_has_words()
    {
        CallOutReason[] all = Enum.GetValues<CallOutReason>();
        Assert.Equal(all.Length, all.Select(CallOutList.Describe).Distinct().Count());
        _ = Assert.Throws<ArgumentOutOfRangeException>(() => CallOutList.Describe((CallOutReason)1000));
    }

    // What the decoder makes of every opcode with every prefix that changes its meaning, and that the CPU model has.
    private static List<Instruction> Instructions(CpuModel model)
    {
        delegate*<CpuState*, DecodedInstruction*, Interpreter, nint> invalid = &HandlerTable.InvalidOpcode;
        List<Instruction> all = [];
        byte[][] prefixes = [[], [0x66], [0xF3], [0xF2], [0x67], [0xF0], [0x64], [0x66, 0x67]];
        byte[][] maps = [[], [0x0F], [0x0F, 0x38], [0x0F, 0x3A]];
        byte[] forms = [0x01, 0x44, 0x05, 0xC1, 0xC4];
        foreach (byte[] prefix in prefixes)
        {
            foreach (byte[] map in maps)
            {
                for (int opcode = 0; opcode < 256; opcode++)
                {
                    for (int n = 0; n < forms.Length * 8; n++)
                    {
                        byte modrm = (byte)(forms[n % forms.Length] | (n / forms.Length << 3));
                        byte[] bytes = [.. prefix, .. map, (byte)opcode, modrm, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0];
                        Decoder decoder = Decoder.Create(32, bytes, InstructionDecoder.P6Options);
                        decoder.IP = 0x1000;
                        Instruction x = decoder.Decode();
                        if (!x.IsInvalid && InstructionAvailability.Has(model, x)
                            && (nint)HandlerTable.Select(x, AddressForm.FlatIndexed) != (nint)invalid)
                        {
                            all.Add(x);
                        }
                    }
                }
            }
        }

        return all;
    }
}
