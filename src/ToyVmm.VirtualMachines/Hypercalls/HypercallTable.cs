using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Memory;

namespace ToyVmm.VirtualMachines.Hypercalls;

/// <summary>
/// What VMCALL offers in ring 0: EAX = number, EBX, ECX, EDX, ESI = arguments; the result goes to EAX, 0 for success (or the value
/// asked for), negative for an error, with Linux's numbers. A bad argument changes nothing.
/// </summary>
internal static unsafe class HypercallTable
{
    /// <summary>The version of the interface.</summary>
    public const uint AbiVersion = 1;

    /// <summary>One bit for each call that exists: CPUID 0x40000001 EBX.</summary>
    public const uint Features = (1u << FeaturesCall) | (1u << ConsoleWrite) | (1u << Exit) | (1u << Yield);

    private const int FeaturesCall = 0;
    private const int ConsoleWrite = 1;
    private const int Exit = 2;
    private const int Yield = 3;
    private const uint BadAddress = unchecked((uint)-14);
    private const uint NoSuchCall = unchecked((uint)-38);

    /// <summary>Performs the call in the registers.</summary>
    /// <returns>Why the run ends, or null where the guest goes on.</returns>
    public static StopReason? Call(VirtualMachine vm)
    {
        CpuState* s = vm.Vcpu.State;
        switch (s->Eax)
        {
            case FeaturesCall:
                s->Eax = AbiVersion;
                return null;
            case ConsoleWrite:
                s->Eax = Write(vm, s->Ebx, s->Ecx);
                return null;
            case Exit:
                return new StopReason(StopKind.HypercallExit, s->Ebx, $"the guest exited with {s->Ebx}");
            case Yield:
                vm.GiveSliceAway();
                s->Eax = 0;
                return null;
            default:
                s->Eax = NoSuchCall;
                return null;
        }
    }

    private static uint Write(VirtualMachine vm, uint address, uint length)
    {
        if ((ulong)address + length > vm.Machine.Memory.RamSize)
        {
            return BadAddress;
        }

        for (uint n = 0; n < length; n++)
        {
            vm.TransmitSerial(vm.Machine.Memory.ReadByte(new GuestPhysicalAddress((ulong)address + n)));
        }

        return 0;
    }
}
