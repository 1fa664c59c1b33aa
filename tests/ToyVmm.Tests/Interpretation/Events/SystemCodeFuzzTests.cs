using ToyVmm.Engines;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Memory;
using Xunit;

namespace ToyVmm.Tests.Interpretation.Events;

/// <summary>
/// Random system code over random tables: nothing throws, every run ends in a typed exit, and N runs of one instruction do what
/// one run of N does (registers, memory, and the count).
/// </summary>
public sealed unsafe class SystemCodeFuzzTests
{
    private const int Length = 48;
    private const int Rounds = 400;

    // Opcodes that this part of the CPU is about, with room for operands; the rest of the bytes are random.
    private static readonly byte[][] s_openings =
    [
        [0x8E, 0xD8], [0x8E, 0xC0], [0x8E, 0xD0], [0x8C, 0xC8], [0x06], [0x07], [0x17], [0x1F], [0x0F, 0xA1], [0xC4, 0x00], [0x0F, 0xB2, 0x00],
        [0xEA], [0x9A], [0xFF, 0x18], [0xFF, 0x28], [0xCB], [0xCA, 4, 0], [0xCF], [0xCC], [0xCD, 0x40], [0xCD], [0xCE], [0xF1],
        [0x9C], [0x9D], [0xFA], [0xFB], [0x0F, 0x00], [0x0F, 0x01], [0x0F, 0x02, 0xC8], [0x0F, 0x03, 0xC8], [0x63, 0xC8], [0x0F, 0x06],
        [0x0F, 0x20, 0xC0], [0x0F, 0x22, 0xC0], [0x0F, 0x22, 0xD8], [0x0F, 0x22, 0xE0], [0x0F, 0x23, 0xC0], [0x0F, 0x23, 0xF8], [0x0F, 0x21, 0xF0],
        [0x0F, 0x34], [0x0F, 0x35], [0x0F, 0x30], [0x0F, 0x32], [0x0F, 0x31], [0x0F, 0xA2], [0xF4], [0x66], [0x67], [0xF3, 0xA4], [0x50], [0x58],
        [0xB8], [0x05], [0x40], [0x89, 0x00], [0x8B, 0x00], [0xD9], [0x9B],
    ];

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Single_steps_do_what_one_run_does(int seed)
    {
        for (int round = 0; round < Rounds; round++)
        {
            int program = (seed * 100_000) + round;
            using CpuBench one = Prepare(program);
            using CpuBench many = Prepare(program);
            ExitReason whole = RunAll(one, Length);
            if (whole == ExitReason.Cancelled)
            {
                // A REP string that goes through a device for a billion elements: it needs an exit for each, and is given up.
                Assert.Equal(0xF3, one.Memory.ReadByte(new GuestPhysicalAddress(one.State->Cs.Base + one.State->Eip)) | 0x01);
                continue;
            }

            ExitReason last = ExitReason.BudgetSpent;
            for (int n = 0; n < Length && last == ExitReason.BudgetSpent; n++)
            {
                last = RunAll(many, 1);
            }

            string name = $"program {program}: {whole} at {one.State->Cs.Selector:X4}:{one.State->Eip:X8}, {last} at {many.State->Cs.Selector:X4}:{many.State->Eip:X8}";
            Assert.True(whole == last, name);
            Assert.True(one.State->Retired == many.State->Retired, name);
            Assert.True(Image(one).SequenceEqual(Image(many)), name);
            byte[] memory = new byte[0x50000];
            byte[] other = new byte[0x50000];
            _ = one.Memory.TryRead(default, memory);
            _ = many.Memory.TryRead(default, other);
            Assert.True(memory.AsSpan().SequenceEqual(other), name);
        }
    }

    // Reads are answered, writes and hypercalls ignored, until one of the exits that end a run.
    private static ExitReason RunAll(CpuBench bench, ulong budget)
    {
        ulong end = bench.State->Retired + budget;
        for (int n = 0; n < 10_000; n++)
        {
            ulong left = end > bench.State->Retired ? end - bench.State->Retired : 0;
            VmExit exit = bench.Run(left);
            if (exit.Reason is ExitReason.PortIo or ExitReason.Mmio)
            {
                if (!exit.IsWrite)
                {
                    bench.Cpu.CompleteRead(0x5A5A5A5A5A5A5A5A);
                }
            }
            else if (exit.Reason != ExitReason.Hypercall)
            {
                return exit.Reason;
            }
        }

        return ExitReason.Cancelled;
    }

    private static byte[] Image(CpuBench bench)
    {
        CpuState* s = bench.State;
        uint flags = bench.Eflags;
        CpuState copy = *s;
        copy.FlagsCarries = flags;
        copy.FlagsResult = 0;
        copy.OtherFlags = 0;
        copy.Tlb = null;
        for (int n = 0; n < 16; n++)
        {
            copy.Staging[n] = 0;
        }

        return new ReadOnlySpan<byte>(&copy, sizeof(CpuState)).ToArray();
    }

    private static CpuBench Prepare(int seed)
    {
        Random random = new(seed);
        CpuBench bench = new();
        _ = (seed % 5) switch
        {
            0 => bench.Real(),
            1 => bench.Virtual8086((uint)random.Next(4)),
            2 => bench.Protected(3),
            _ => bench.Protected((uint)random.Next(3)),
        };
        if (seed % 5 != 0)
        {
            Tables(bench, random);
        }

        byte[] code = new byte[256];
        random.NextBytes(code);
        for (int at = 0; at < code.Length - 8;)
        {
            byte[] opening = s_openings[random.Next(s_openings.Length)];
            opening.CopyTo(code, at);
            at += opening.Length;

            // Far pointers and immediates that mean something: a code offset and a selector of the table.
            if (opening[0] is 0xEA or 0x9A or 0xB8)
            {
                BitConverter.TryWriteBytes(code.AsSpan(at), opening[0] == 0xB8 ? (uint)random.Next(16) * 8 : CpuBench.Code + (uint)random.Next(64));
                BitConverter.TryWriteBytes(code.AsSpan(at + 4), (ushort)((random.Next(16) * 8) | random.Next(4)));
                at += opening[0] == 0xB8 ? 4 : 6;
            }
        }

        bench.Write(CpuBench.Code, code);
        for (int vector = 0; vector < 256; vector++)
        {
            bench.Write(CpuBench.Handler(vector), random.Next(3) == 0 ? (byte)0xCF : (byte)0x58, 0xCF);
        }

        uint* registers = &bench.State->Eax;
        for (int n = 0; n < 8; n++)
        {
            if (n != 4)
            {
                registers[n] = (uint)random.Next(4) switch
                {
                    0 => (uint)random.Next(),
                    1 => (uint)random.Next(16) * 8,
                    2 => CpuBench.Data + (uint)random.Next(64),
                    _ => (uint)random.Next(0x200),
                };
            }
        }

        if (random.Next(4) == 0)
        {
            bench.Eflags |= Hardware.Cpu.Eflags.TF;
        }

        if (random.Next(4) == 0)
        {
            bench.State->BreakpointAddresses[0] = CpuBench.Data + (uint)random.Next(16);
            bench.State->Dr7 = 0x0003_0401;
        }

        bench.Cpu.NotifyStateChanged();
        return bench;
    }

    private static void Tables(CpuBench bench, Random random)
    {
        for (int n = 0; n < random.Next(8); n++)
        {
            ushort selector = (ushort)((9 + random.Next(7)) * 8);
            bench.Descriptor(selector, (uint)random.Next(2) * CpuBench.Data, (uint)random.Next(0x100000), (uint)random.Next(256) | 0x80, (uint)random.Next(16));
        }

        for (int n = 0; n < random.Next(8); n++)
        {
            uint vector = (uint)random.Next(20);
            bench.Gate(vector, (ushort)(random.Next(16) * 8), CpuBench.Handler((int)vector), (uint)random.Next(16), (uint)random.Next(4), present: random.Next(8) != 0);
        }

        for (uint n = 0; n < 26; n++)
        {
            bench.Write32(CpuBench.OtherTss + (n * 4), n is >= 18 and < 25 ? (uint)(random.Next(16) * 8) | (uint)random.Next(4) : CpuBench.Code + (uint)random.Next(64));
        }
    }
}
