using ToyVmm.Engines;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Tests.Properties;
using Xunit;

namespace ToyVmm.Tests.Interpretation;

/// <summary>
/// String instructions against a model that knows no pages, no runs and no REP: one element after the other. The strings overlap,
/// cross page edges and wrap at 64 KiB, and some are longer than the engine does in one go.
/// </summary>
public sealed unsafe class StringModelTests : IDisposable
{
    private const int Area = 0x14000;

    private readonly TestCpu _cpu = new();
    private readonly byte[] _expected = new byte[Area];

    private enum Kind
    {
        Movs = 0xA4,
        Cmps = 0xA6,
        Stos = 0xAA,
        Lods = 0xAC,
        Scas = 0xAE,
    }

    public void Dispose() => _cpu.Dispose();

    [Theory]
    [InlineData(0xA4)]
    [InlineData(0xA6)]
    [InlineData(0xAA)]
    [InlineData(0xAC)]
    [InlineData(0xAE)]
    public void Elements_come_one_after_the_other(int opcode)
    {
        EdgeRandom random = new((ulong)opcode);
        for (int n = 0; n < 600; n++)
        {
            int size = 1 << random.Below(3);
            byte prefix = random.Pick<byte>([0, 0xF2, 0xF3, 0xF3]);
            bool address16 = random.OneIn(3);
            bool down = random.OneIn(3);
            bool stepped = random.OneIn(5);
            Strings model = new()
            {
                Esi = Place(random, address16),
                Edi = Place(random, address16),
                Ecx = (uint)(random.OneIn(4) ? 4000 + random.Below(3000) : random.Below(300)) | (address16 ? random.Bits32() & 0xFFFF_0000 : 0),
                Eax = random.UInt32(),
                Flags = random.Bits32() & Eflags.Arithmetic,
            };
            if (random.OneIn(2))
            {
                // Near each other, so that they overlap.
                model.Edi = (model.Edi & 0xFFFF_0000) | (ushort)(model.Esi + random.Below(17) - 8);
            }

            if (!address16)
            {
                // Within the area, whichever way they go.
                uint reach = (uint)(Area / 2 / size) - 16;
                model.Ecx = Math.Min(model.Ecx, reach / 2);
                model.Esi = (model.Esi % (Area / 2)) + (Area / 4);
                model.Edi = (model.Edi % (Area / 2)) + (Area / 4);
                model.Ecx = Math.Min(model.Ecx, (uint)(Area / 4 / size) - 4);
            }

            Fill(random, ref model.Eax, size);
            List<byte> code = [];
            code.AddRange(size == 2 ? [0x66] : []);
            code.AddRange(address16 ? [0x67] : []);
            code.AddRange(prefix != 0 ? [prefix] : []);
            code.Add((byte)(opcode + (size == 1 ? 0 : 1)));
            CpuState* s = _cpu.State;
            s->OtherFlags = (s->OtherFlags & ~Eflags.DF) | (down ? Eflags.DF : 0);
            (s->Esi, s->Edi, s->Ecx, s->Eax) = (model.Esi, model.Edi, model.Ecx, model.Eax);
            _cpu.Flags = model.Flags;
            _cpu.Load([.. code]);
            _cpu.WantsInstructions = stepped;
            ulong retired = s->Retired;
            string what = $"{(Kind)opcode} {size} {prefix:X2} a16={address16} down={down} stepped={stepped} {model}";
            Assert.Equal(ExitReason.BudgetSpent, _cpu.Run().Reason);
            model.Perform((Kind)opcode, size, prefix, address16, down, _expected);
            Assert.True(
                (model.Esi, model.Edi, model.Ecx, model.Eax, model.Flags) == (s->Esi, s->Edi, s->Ecx, s->Eax, _cpu.Flags),
                $"{what}: {s->Esi:X} {s->Edi:X} {s->Ecx:X} {s->Eax:X} {_cpu.Flags:X}, the model says {model}");
            Assert.True(_cpu.Bytes[..Area].SequenceEqual(_expected), what);
            Assert.Equal(TestCpu.Origin + (uint)code.Count, s->Eip);
            Assert.Equal(retired + 1, s->Retired);
        }
    }

    // Few different values, so that comparisons meet equal and unequal elements after runs of every length.
    private void Fill(EdgeRandom random, ref uint eax, int size)
    {
        int rare = random.Pick<int>([2, 50, 3000, 100_000]);
        byte common = random.OneIn(2) ? (byte)eax : (byte)0x55;
        for (int at = 0; at < Area; at++)
        {
            _expected[at] = random.OneIn(rare) ? random.Byte() : common;
        }

        if (random.OneIn(2))
        {
            eax = common * 0x0101_0101u;
            int at = random.Below(Area - 4);
            BitConverter.TryWriteBytes(_expected.AsSpan(at & ~(size - 1)), eax);
        }

        _expected.CopyTo(_cpu.Bytes);
    }

    private static uint Place(EdgeRandom random, bool address16)
    {
        uint place = random.Pick<uint>([0, 0x0FFE, 0x1000, 0x1FF1, 0x7FFF, 0x8000, 0xEFFD, 0xF000, 0xFFF0, 0xFFFF]) + (uint)random.Below(40) - 20;
        return address16 ? (random.Bits32() & 0xFFFF_0000) | (ushort)place : (ushort)place;
    }

    private record struct Strings(uint Esi, uint Edi, uint Ecx, uint Eax, uint Flags)
    {
        public uint Esi = Esi;
        public uint Edi = Edi;
        public uint Ecx = Ecx;
        public uint Eax = Eax;

        public void Perform(Kind kind, int size, byte prefix, bool address16, bool down, byte[] memory)
        {
            uint mask = address16 ? 0xFFFF : uint.MaxValue;
            uint element = size == 4 ? uint.MaxValue : (1u << (size * 8)) - 1;
            uint step = (uint)(down ? -size : size);
            while (prefix == 0 || (Ecx & mask) != 0)
            {
                uint source = Esi & mask;
                uint target = Edi & mask;
                switch (kind)
                {
                    case Kind.Movs:
                        Store(memory, target, size, Load(memory, source, size));
                        break;
                    case Kind.Stos:
                        Store(memory, target, size, Eax);
                        break;
                    case Kind.Lods:
                        Eax = (Eax & ~element) | Load(memory, source, size);
                        break;
                    case Kind.Scas:
                        Flags = Compare(Eax & element, Load(memory, target, size), size);
                        break;
                    case Kind.Cmps:
                        Flags = Compare(Load(memory, source, size), Load(memory, target, size), size);
                        break;
                }

                if (kind is Kind.Movs or Kind.Lods or Kind.Cmps)
                {
                    Esi = (Esi & ~mask) | ((Esi + step) & mask);
                }

                if (kind is not Kind.Lods)
                {
                    Edi = (Edi & ~mask) | ((Edi + step) & mask);
                }

                if (prefix == 0)
                {
                    break;
                }

                Ecx = (Ecx & ~mask) | ((Ecx - 1) & mask);
                if (kind is Kind.Scas or Kind.Cmps && (Flags & Eflags.ZF) != 0 == (prefix == 0xF2))
                {
                    break;
                }
            }
        }

        private static uint Load(byte[] memory, uint at, int size)
        {
            uint value = 0;
            for (int n = 0; n < size; n++)
            {
                value |= (uint)memory[at + (uint)n] << (8 * n);
            }

            return value;
        }

        private static void Store(byte[] memory, uint at, int size, uint value)
        {
            for (int n = 0; n < size; n++)
            {
                memory[at + (uint)n] = (byte)(value >> (8 * n));
            }
        }

        private static uint Compare(uint a, uint b, int size)
        {
            int top = (size * 8) - 1;
            uint difference = a - b;
            uint result = size == 4 ? difference : difference & ((1u << (size * 8)) - 1);
            return (a < b ? Eflags.CF : 0)
                | ((uint.PopCount(result & 0xFF) & 1) == 0 ? Eflags.PF : 0)
                | ((a ^ b ^ result) & Eflags.AF)
                | (result == 0 ? Eflags.ZF : 0)
                | (((result >> top) & 1) << 7)
                | (((((a ^ b) & (a ^ result)) >> top) & 1) << 11);
        }
    }
}
