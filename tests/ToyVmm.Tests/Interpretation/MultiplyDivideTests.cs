using System.Numerics;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Tests.Properties;
using Xunit;
using Vector = ToyVmm.Hardware.Cpu.Vector;

namespace ToyVmm.Tests.Interpretation;

/// <summary>MUL, IMUL, DIV and IDIV of the accumulator against integers of unlimited size.</summary>
public sealed unsafe class MultiplyDivideTests : IDisposable
{
    private readonly TestCpu _cpu = new();

    public void Dispose() => _cpu.Dispose();

    [Theory]
    [InlineData(4, false, "MUL")]
    [InlineData(5, true, "IMUL")]
    public void Products_are_exact(int operation, bool signed, string name)
    {
        EdgeRandom random = new((ulong)operation);
        foreach (int bits in (int[])[8, 16, 32])
        {
            for (int n = 0; n < 500; n++)
            {
                (uint a, uint b) = random.Pair();
                Start(operation, bits, a, random.UInt32(), b);
                uint flags = _cpu.Flags = random.Bits32() & Eflags.Arithmetic;
                uint edx = _cpu.State->Edx;
                _ = _cpu.Run();
                BigInteger product = Value(a, bits, signed) * Value(b, bits, signed);
                bool lost = product != Value((uint)(product & uint.MaxValue), bits, signed);
                ulong expected = (ulong)(product & ulong.MaxValue);
                ulong pair = bits == 8 ? (ushort)_cpu.State->Eax : Pair(bits, _cpu.State->Edx, _cpu.State->Eax);
                ulong mask = bits == 32 ? ulong.MaxValue : (1UL << (2 * bits)) - 1;
                Assert.True((expected & mask) == pair, $"{name} {bits}: {a:X} x {b:X} gave {pair:X}");
                Assert.Equal(bits == 32 ? _cpu.State->Edx : (edx & 0xFFFF_0000) | (bits == 8 ? edx & 0xFFFF : _cpu.State->Edx & 0xFFFF), _cpu.State->Edx);
                Assert.Equal((flags & ~(Eflags.CF | Eflags.OF)) | (lost ? Eflags.CF | Eflags.OF : 0), _cpu.Flags);
            }
        }
    }

    [Theory]
    [InlineData(6, false, "DIV")]
    [InlineData(7, true, "IDIV")]
    public void Quotients_are_exact_or_a_fault(int operation, bool signed, string name)
    {
        EdgeRandom random = new((ulong)operation);
        int faults = 0;
        foreach (int bits in (int[])[8, 16, 32])
        {
            for (int n = 0; n < 500; n++)
            {
                // A high half in reach of the divisor, so that not every division overflows.
                uint divisor = random.UInt32();
                uint eax = random.UInt32();
                uint edx = n % 2 == 0 ? random.UInt32() : (uint)random.Below(3) - 1;
                Start(operation, bits, eax, edx, divisor);
                uint flags = _cpu.Flags = random.Bits32() & Eflags.Arithmetic;
                _ = _cpu.Run();
                ulong pair = bits == 8 ? (ushort)eax : Pair(bits, edx, eax);
                BigInteger dividend = signed && (pair >> ((2 * bits) - 1)) != 0 ? pair - (BigInteger.One << (2 * bits)) : pair;
                BigInteger by = Value(divisor, bits, signed);
                BigInteger quotient = by.IsZero ? 0 : BigInteger.DivRem(dividend, by, out _);
                bool faulting = by.IsZero || quotient != Value((uint)(quotient & uint.MaxValue), bits, signed);
                string what = $"{name} {bits}: {dividend} / {by}";
                if (faulting)
                {
                    faults++;
                    Assert.True(_cpu.FaultVector == Vector.DivideError, what);
                    Assert.Equal((eax, edx, TestCpu.Origin), (_cpu.AtFault.Eax, _cpu.AtFault.Edx, _cpu.AtFault.Eip));
                    _cpu.Reset();
                    continue;
                }

                BigInteger remainder = dividend - (quotient * by);
                uint mask = bits == 32 ? uint.MaxValue : (1u << bits) - 1;
                uint gotQuotient = _cpu.State->Eax & mask;
                uint gotRemainder = bits == 8 ? (_cpu.State->Eax >> 8) & 0xFF : _cpu.State->Edx & mask;
                Assert.True(gotQuotient == (uint)(quotient & mask) && gotRemainder == (uint)(remainder & mask), $"{what} gave {gotQuotient:X} rest {gotRemainder:X}");
                Assert.Equal((flags & (Eflags.CF | Eflags.OF)) | Eflags.AF, _cpu.Flags);
            }
        }

        Assert.InRange(faults, 100, 1400);
    }

    /// <summary>The one quotient that would be an exception of the host.</summary>
    [Fact]
    public void The_most_negative_dividend_by_minus_one_is_a_divide_error()
    {
        Start(7, 32, 0, 0x8000_0000, uint.MaxValue);
        _ = _cpu.Run();
        Assert.Equal(Vector.DivideError, _cpu.FaultVector);
    }

    // op ebx, at the width.
    private void Start(int operation, int bits, uint eax, uint edx, uint operand)
    {
        byte modRm = (byte)(0xC3 | (operation << 3));
        _cpu.Load(bits == 16 ? [0x66, 0xF7, modRm] : [bits == 8 ? (byte)0xF6 : (byte)0xF7, modRm]);
        (_cpu.State->Eax, _cpu.State->Edx, _cpu.State->Ebx) = (eax, edx, operand);
    }

    private static ulong Pair(int bits, uint high, uint low) =>
        bits == 16 ? ((high & 0xFFFF) << 16) | (low & 0xFFFF) : ((ulong)high << 32) | low;

    private static BigInteger Value(uint raw, int bits, bool signed) => (bits, signed) switch
    {
        (8, true) => (sbyte)raw,
        (8, false) => (byte)raw,
        (16, true) => (short)raw,
        (16, false) => (ushort)raw,
        (_, true) => (int)raw,
        _ => raw,
    };
}
