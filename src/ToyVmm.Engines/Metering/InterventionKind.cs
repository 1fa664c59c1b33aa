namespace ToyVmm.Engines.Metering;

/// <summary>What an instruction of the guest left its own code for: an exit to the monitor, or something that emitted code leaves to the engine.</summary>
public enum InterventionKind
{
    /// <summary>IN, or an element of INS.</summary>
    PortRead,

    /// <summary>OUT, or an element of OUTS.</summary>
    PortWrite,

    /// <summary>A load from a page that is a device's.</summary>
    DeviceRead,

    /// <summary>A store to a page that is a device's.</summary>
    DeviceWrite,

    /// <summary>VMCALL.</summary>
    Hypercall,

    /// <summary>HLT.</summary>
    Halt,

    /// <summary>An exit of its own kind: the local APIC was moved, the CPU shut down.</summary>
    OtherExit,

    /// <summary>MOV to CR3 with another value: another address space.</summary>
    PageTableLoad,

    /// <summary>MOV to CR3 with the value it had: a flush of the TLB.</summary>
    TlbFlush,

    /// <summary>INVLPG.</summary>
    PageInvalidation,

    /// <summary>A change of another control register, a debug register, a descriptor table register or a model-specific register.</summary>
    SystemState,

    /// <summary>An instruction that shows what the CPU is or has, and would show the host's: CPUID, RDMSR, SGDT, LAR, ...</summary>
    CpuQuestion,

    /// <summary>A load of a segment register.</summary>
    SegmentLoad,

    /// <summary>INT, or SYSENTER: a call of the kernel.</summary>
    SystemCall,

    /// <summary>IRET, or SYSEXIT.</summary>
    InterruptReturn,

    /// <summary>A far CALL, JMP or RET.</summary>
    FarTransfer,

    /// <summary>An instruction for the x87 unit or MXCSR that the host cannot be left to.</summary>
    FloatingPoint,

    /// <summary>An ordinary instruction that is the interpreter's because it has faulted often where it was.</summary>
    FaultedOften,

    /// <summary>Any other instruction that emitted code leaves to the interpreter.</summary>
    OtherCallOut,

    /// <summary>A host fault after which the page was mapped into the view. The guest sees nothing of it.</summary>
    HiddenFault,

    /// <summary>A host fault that was the guest's own page fault.</summary>
    PageFault,

    /// <summary>A host fault that was neither: a store to a page that holds code, a division by zero.</summary>
    OtherFault,

    /// <summary>No jump table entry knew the target; the address is the target's.</summary>
    Lookup,
}
