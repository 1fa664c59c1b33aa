using ToyVmm.Engines;
using ToyVmm.Hardware.Cpu;
using ToyVmm.VirtualMachines;

namespace ToyVmm.Debugging.Registers;

/// <summary>The registers of which not every bit can be set, and those that others follow from.</summary>
internal static unsafe class RegisterWrites
{
    // SDM 3B 17.2.3, 17.2.4: the bits that can be written, and those that are always set.
    private const uint Dr6Writable = 0x0000_E00F;
    private const uint Dr6Fixed = 0xFFFF_0FF0;
    private const uint Dr7Writable = 0xFFFF_23FF;
    private const uint Dr7Fixed = 0x0000_0400;

    // FXSAVE's MXCSR_MASK (SDM 1 11.6.6): with DAZ, as this CPU has it.
    private const uint MxcsrBits = 0xFFFF;

    public static uint Dr6Bits(uint value) => (value & Dr6Writable) | Dr6Fixed;

    public static uint Dr7Bits(uint value) => (value & Dr7Writable) | Dr7Fixed;

    public static UInt128 ReadEflags(VirtualMachine machine) => LazyFlags.GetEflags(machine.Vcpu.State);

    /// <summary>All of EFLAGS but VM, whose change would need every segment register loaded anew.</summary>
    public static string? Eflags(VirtualMachine machine, UInt128 value)
    {
        CpuState* s = machine.Vcpu.State;
        uint wanted = (uint)value;
        uint reserved = wanted & ~(machine.Vcpu.Model.EflagsBits | Hardware.Cpu.Eflags.Fixed);
        if (reserved != 0)
        {
            return $"eflags has bits that this CPU lacks: 0x{reserved:x}";
        }

        if (((wanted ^ LazyFlags.GetEflags(s)) & Hardware.Cpu.Eflags.VM) != 0)
        {
            return "eflags.vm cannot be changed: the segment registers of virtual-8086 mode are others";
        }

        LazyFlags.Set(s, wanted);
        s->OtherFlags = (wanted & ~Hardware.Cpu.Eflags.Arithmetic) | Hardware.Cpu.Eflags.Fixed;
        return null;
    }

    /// <summary>EIP. A CPU that is sent elsewhere is awake, and whatever the last instruction held off is over.</summary>
    public static string? Eip(VirtualMachine machine, UInt128 value)
    {
        CpuState* s = machine.Vcpu.State;
        if (s->Eip != (uint)value)
        {
            s->Eip = (uint)value;
            s->Halted = 0;
            s->Shadow = InterruptShadow.None;
        }

        return null;
    }

    public static string? Mxcsr(VirtualMachine machine, UInt128 value)
    {
        if (((uint)value & ~MxcsrBits) != 0)
        {
            return "mxcsr: bits 31-16 are reserved";
        }

        machine.Vcpu.State->Mxcsr = (uint)value;
        return null;
    }
}
