using ToyVmm.Hardware.Cpu;
using ToyVmm.Tests.Properties;
using Xunit;

namespace ToyVmm.Tests.Interpretation;

/// <summary>Shifts and rotates against a model that moves one bit at a time, as the manual defines them; for hosts that cannot be the oracle.</summary>
public sealed unsafe class ShiftModelTests : IDisposable
{
    private readonly TestCpu _cpu = new();

    public void Dispose() => _cpu.Dispose();

    [Theory]
    [InlineData(0, "ROL")]
    [InlineData(1, "ROR")]
    [InlineData(2, "RCL")]
    [InlineData(3, "RCR")]
    [InlineData(4, "SHL")]
    [InlineData(5, "SHR")]
    [InlineData(6, "SAL")]
    [InlineData(7, "SAR")]
    public void Moves_one_bit_at_a_time(int operation, string name)
    {
        EdgeRandom random = new((ulong)operation + 1);
        foreach (int bits in (int[])[8, 16, 32])
        {
            for (int n = 0; n < 1000; n++)
            {
                uint value = random.UInt32();
                uint flags = random.Bits32() & Eflags.Arithmetic;
                byte count = n % 4 == 0 ? (byte)1 : random.Byte();
                byte modRm = (byte)(0xC0 | (operation << 3));
                byte[] code = n % 3 == 0
                    ? bits == 16 ? [0x66, 0xC1, modRm, count] : [bits == 8 ? (byte)0xC0 : (byte)0xC1, modRm, count]
                    : bits == 16 ? [0x66, 0xD3, modRm] : [bits == 8 ? (byte)0xD2 : (byte)0xD3, modRm];
                _cpu.Load(code);
                _cpu.State->Eax = value;
                _cpu.State->Ecx = count;
                _cpu.Flags = flags;
                _ = _cpu.Run();
                (uint result, uint after) = Model(operation, bits, value, flags, count & 31);
                Assert.True(
                    result == _cpu.State->Eax && after == _cpu.Flags,
                    $"{name} {bits} of {value:X8} by {count}, flags {flags:X3}: {_cpu.State->Eax:X8} {_cpu.Flags:X3}, the model says {result:X8} {after:X3}");
            }
        }
    }

    private static (uint Result, uint Flags) Model(int operation, int bits, uint value, uint flags, int count)
    {
        uint mask = bits == 32 ? uint.MaxValue : (1u << bits) - 1;
        uint a = value & mask;
        uint carry = flags & 1;
        if (count == 0)
        {
            return (value, flags);
        }

        uint Top(uint x) => (x >> (bits - 1)) & 1;
        for (int n = 0; n < count; n++)
        {
            uint top = Top(a);
            uint low = a & 1;
            (a, carry) = operation switch
            {
                0 => ((a << 1) | top, top),
                1 => ((a >> 1) | (low << (bits - 1)), low),
                2 => ((a << 1) | carry, top),
                3 => ((a >> 1) | (carry << (bits - 1)), low),
                5 => (a >> 1, low),
                7 => ((a >> 1) | (top << (bits - 1)), low),
                _ => (a << 1, top),
            };
            a &= mask;
        }

        // OF: to the left, whether CF and the sign differ; to the right, whether the two top bits do (SAR: never).
        uint overflow = operation is 0 or 2 or 4 or 6 ? Top(a) ^ carry : operation == 7 ? 0 : Top(a) ^ Top(a << 1);
        uint changed = carry | (overflow << 11);
        uint result = (value & ~mask) | a;
        if (operation < 4)
        {
            return (result, (flags & ~(Eflags.CF | Eflags.OF)) | changed);
        }

        uint parity = (uint.PopCount(a & 0xFF) & 1) == 0 ? Eflags.PF : 0;
        return (result, changed | Eflags.AF | parity | (a == 0 ? Eflags.ZF : 0) | (Top(a) << 7));
    }
}
