using ToyVmm.Hardware.Cpu;
using ToyVmm.Tests.Properties;
using Xunit;

namespace ToyVmm.Tests.Interpretation;

/// <summary>
/// The eight operations of opcodes 00-3F, INC, DEC and NEG against a model that adds in 64 bits and looks at single bits, as the manual defines
/// the flags (SDM 1 3.4.3.1); for hosts that cannot be the oracle.
/// </summary>
public sealed unsafe class ArithmeticModelTests : IDisposable
{
    private const int Increment = 8;
    private const int Decrement = 9;
    private const int Negate = 10;

    private readonly TestCpu _cpu = new();

    public void Dispose() => _cpu.Dispose();

    [Theory]
    [InlineData(0, "ADD")]
    [InlineData(1, "OR")]
    [InlineData(2, "ADC")]
    [InlineData(3, "SBB")]
    [InlineData(4, "AND")]
    [InlineData(5, "SUB")]
    [InlineData(6, "XOR")]
    [InlineData(7, "CMP")]
    [InlineData(Increment, "INC")]
    [InlineData(Decrement, "DEC")]
    [InlineData(Negate, "NEG")]
    public void Results_and_flags(int operation, string name)
    {
        EdgeRandom random = new((ulong)operation + 1);
        foreach (int bits in (int[])[8, 16, 32])
        {
            // op AL/AX/EAX, BL/BX/EBX; the group opcodes FE/FF /0 /1, F6/F7 /3.
            byte wide = bits == 8 ? (byte)0 : (byte)1;
            byte[] code = operation switch
            {
                Increment => [(byte)(0xFE + wide), 0xC0],
                Decrement => [(byte)(0xFE + wide), 0xC8],
                Negate => [(byte)(0xF6 + wide), 0xD8],
                _ => [(byte)((operation << 3) + wide), 0xD8],
            };
            for (int n = 0; n < 700; n++)
            {
                uint value = random.UInt32();
                uint other = n % 3 == 0 ? value : random.UInt32();
                uint flags = random.Bits32() & Eflags.Arithmetic;
                _cpu.Load(bits == 16 ? [0x66, .. code] : code);
                (_cpu.State->Eax, _cpu.State->Ebx) = (value, other);
                _cpu.Flags = flags;
                _ = _cpu.Run();
                (uint result, uint after) = Model(operation, bits, value, other, flags);
                Assert.True(
                    result == _cpu.State->Eax && other == _cpu.State->Ebx && after == _cpu.Flags,
                    $"{name} {bits} of {value:X8} and {other:X8}, flags {flags:X3}: {_cpu.State->Eax:X8} {_cpu.Flags:X3}, the model says {result:X8} {after:X3}");
            }
        }
    }

    private static (uint Result, uint Flags) Model(int operation, int bits, uint value, uint other, uint flags)
    {
        uint mask = bits == 32 ? uint.MaxValue : (1u << bits) - 1;
        uint carryIn = operation is 2 or 3 ? flags & 1 : 0;
        (uint a, uint b) = operation switch
        {
            Increment or Decrement => (value & mask, 1u),
            Negate => (0u, value & mask),
            _ => (value & mask, other & mask),
        };
        bool adds = operation is 0 or 2 or Increment;
        bool logic = operation is 1 or 4 or 6;
        ulong sum = logic ? Logic(operation, a, b) : adds ? (ulong)a + b + carryIn : a - (ulong)b - carryIn;
        uint result = (uint)sum & mask;

        // The carry into a bit is what makes the result's bit differ from the operands' sum without carries.
        uint carries = logic ? 0 : a ^ b ^ result;
        uint carry = logic ? 0 : (uint)(sum >> bits) & 1;
        uint overflow = logic ? 0 : ((carries >> (bits - 1)) & 1) ^ carry;
        uint after = (operation is Increment or Decrement ? flags & Eflags.CF : carry)
            | ((uint.PopCount(result & 0xFF) & 1) == 0 ? Eflags.PF : 0)
            | ((carries & 0x10) != 0 ? Eflags.AF : 0)
            | (result == 0 ? Eflags.ZF : 0)
            | (((result >> (bits - 1)) & 1) << 7)
            | (overflow << 11);
        return (operation == 7 ? value : (value & ~mask) | result, after);
    }

    private static uint Logic(int operation, uint a, uint b) => operation switch { 1 => a | b, 4 => a & b, _ => a ^ b };
}
