using ToyVmm.Engines.Decoding;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation.Instructions;

/// <summary>INT n, INT3, INTO and INT1 (SDM 2A, INT).</summary>
internal static unsafe class Interrupts
{
    /// <summary>INT n: in virtual-8086 mode it needs IOPL 3.</summary>
    public static nint Interrupt(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        if (cpu.IsVirtual8086 && cpu.Iopl < 3)
        {
            _ = cpu.Raise(Vector.GeneralProtection, 0, "INT n in virtual-8086 mode needs IOPL 3");
            return Flow.StopHere(i, cpu);
        }

        return Enter(s, i, cpu, TrapSource.SoftwareInterrupt, (byte)i->Immediate);
    }

    /// <summary>INT3: #BP, whatever IOPL is.</summary>
    public static nint Breakpoint(CpuState* s, DecodedInstruction* i, Interpreter cpu) =>
        Enter(s, i, cpu, TrapSource.SoftwareException, Vector.Breakpoint);

    /// <summary>INTO: #OF if OF is set.</summary>
    public static nint Overflow(CpuState* s, DecodedInstruction* i, Interpreter cpu) =>
        LazyFlags.Overflow(s) ? Enter(s, i, cpu, TrapSource.SoftwareException, Vector.Overflow) : Flow.EndBlock(s, i);

    /// <summary>INT1 (ICEBP): #DB without a bit in DR6, and without the DPL check.</summary>
    public static nint IceBreakpoint(CpuState* s, DecodedInstruction* i, Interpreter cpu) =>
        Enter(s, i, cpu, TrapSource.PrivilegedSoftwareException, Vector.Debug);

    private static nint Enter(CpuState* s, DecodedInstruction* i, Interpreter cpu, TrapSource source, int vector)
    {
        if (!cpu.EnterSoftwareHandler(source, vector, i->Eip, i->NextEip))
        {
            return Flow.StopHere(i, cpu);
        }

        // TF was cleared on the way in: no single-step trap behind INT (SDM 3B 17.3.1.4).
        cpu.DropStepTrap();
        return cpu.AfterTaskSwitch(s, i);
    }
}
