using ToyVmm.Hardware.Cpu;
using ToyVmm.VirtualMachines;

namespace ToyVmm.Debugging.Registers;

/// <summary>The registers that lie in the x87 and SSE register files (SDM 1 8.1.2, 9.2.2, 10.2.2).</summary>
internal static unsafe class FloatingPointRegisters
{
    private const int TopShift = 11;

    /// <summary>ST(n): 64 bits of significand, 15 of exponent, the sign.</summary>
    public static UInt128 ReadStack(VirtualMachine machine, int n)
    {
        CpuState* s = machine.Vcpu.State;
        int physical = Physical(s, n);
        return new UInt128(s->FpuRegisters[(2 * physical) + 1] & 0xFFFF, s->FpuRegisters[2 * physical]);
    }

    /// <summary>Changes what ST(n) holds; whether it counts as empty is <c>ftag</c>'s.</summary>
    public static void WriteStack(VirtualMachine machine, int n, UInt128 value)
    {
        CpuState* s = machine.Vcpu.State;
        int physical = Physical(s, n);
        s->FpuRegisters[2 * physical] = (ulong)value;
        s->FpuRegisters[(2 * physical) + 1] = (ulong)(value >> 64);
    }

    /// <summary>MMn is the significand of physical register n.</summary>
    public static UInt128 ReadMmx(VirtualMachine machine, int n) => machine.Vcpu.State->FpuRegisters[2 * n];

    /// <summary>Changes MMn; as an instruction that writes it does, it fills the rest of the register with ones (SDM 1 9.6.1), but leaves the tags.</summary>
    public static void WriteMmx(VirtualMachine machine, int n, ulong value)
    {
        CpuState* s = machine.Vcpu.State;
        s->FpuRegisters[2 * n] = value;
        s->FpuRegisters[(2 * n) + 1] = 0xFFFF;
    }

    public static UInt128 ReadVector(VirtualMachine machine, int n)
    {
        CpuState* s = machine.Vcpu.State;
        return new UInt128(s->XmmRegisters[(2 * n) + 1], s->XmmRegisters[2 * n]);
    }

    public static void WriteVector(VirtualMachine machine, int n, UInt128 value)
    {
        CpuState* s = machine.Vcpu.State;
        s->XmmRegisters[2 * n] = (ulong)value;
        s->XmmRegisters[(2 * n) + 1] = (ulong)(value >> 64);
    }

    private static int Physical(CpuState* s, int n) => ((s->FpuStatus >> TopShift) + n) & 7;
}
