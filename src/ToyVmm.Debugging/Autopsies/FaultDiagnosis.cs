using ToyVmm.Engines;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Paging;

namespace ToyVmm.Debugging.Autopsies;

/// <summary>What a fault means for somebody who did not expect it: in plain words, with what is usually wrong.</summary>
/// <param name="view">The guest.</param>
internal sealed unsafe class FaultDiagnosis(GuestView view)
{
    /// <summary>How the finding about an access below the stack begins.</summary>
    public const string StackRunOut = "The stack has run out";

    // A first page that nothing should lie in, and so far below ESP a frame or a local variable may be.
    private const uint NullPage = 0x1000;
    private const uint StackReach = 0x400;

    private CpuState* State => view.State;

    /// <summary>The name of a vector, and what it stands for: "#DE (divide error)".</summary>
    public static string Name(in TrapInfo trap)
    {
        string meaning = trap.Source switch
        {
            TrapSource.ExternalInterrupt => "an interrupt from a device",
            TrapSource.Nmi => "a non-maskable interrupt",
            _ => Meaning(trap.Vector),
        };
        string name = trap.Source == TrapSource.ExternalInterrupt ? $"vector {trap.Vector:X2}h" : Vector.Name(trap.Vector);
        string error = trap.Source == TrapSource.Exception && trap.Vector is >= Vector.InvalidTss and <= Vector.PageFault ? $", error code {trap.ErrorCode:x4}" : "";
        return $"{name} ({meaning}){error}";
    }

    /// <summary>What happened, in a sentence.</summary>
    /// <param name="trap">The fault.</param>
    /// <param name="linear">The address of the instruction.</param>
    public string Explain(in TrapInfo trap, uint linear) => trap.Vector switch
    {
        _ when trap.Source == TrapSource.ExternalInterrupt => ExplainInterrupt(trap.Vector),
        Vector.DivideError => "A division by zero, or a quotient too large for its register (for a 32-bit DIV, EDX must be smaller than the divisor: clear it first).",
        Vector.InvalidOpcode => ExplainInvalid(linear),
        Vector.DeviceNotAvailable => $"A floating-point instruction while CR0 forbids them (EM {Bit(State->Cr0, Cr0.EM)}, TS {Bit(State->Cr0, Cr0.TS)}).",
        Vector.DoubleFault => "Delivering the fault above has faulted as well: the CPU calls the double-fault handler in its place.",
        Vector.PageFault => ExplainPageFault(trap, linear),
        Vector.StackFault => "A push, pop or access through EBP or ESP went beyond the limit of the stack segment.",
        Vector.GeneralProtection when trap.ErrorCode == 0 => "The instruction is not allowed here: it is privileged, or its operand lies beyond the limit of its segment, or a register would get a forbidden value.",
        >= Vector.InvalidTss and <= Vector.GeneralProtection => ExplainSelector(trap.ErrorCode),
        Vector.FloatingPoint or Vector.SimdFloatingPoint => "A floating-point exception that the guest has unmasked.",
        Vector.AlignmentCheck => "A misaligned access in ring 3, with EFLAGS.AC and CR0.AM set.",
        Vector.Breakpoint => "An INT3 instruction: a breakpoint, or the padding that compilers put between functions.",
        Vector.Debug => "A debug exception: a single step (EFLAGS.TF) or a breakpoint register.",
        _ => "",
    };

    /// <summary>What is wrong where this fault is the first cause; null where the fault says it all.</summary>
    public AutopsyFinding? Cause(in TrapInfo trap, uint linear)
    {
        if (trap.Source == TrapSource.ExternalInterrupt)
        {
            return trap.Vector is >= 8 and <= 15 ? new AutopsyFinding(
                $"IRQ {trap.Vector - 8} came as vector {trap.Vector:X2}h, which is {GateDiagnosis.Number(trap.Vector)} of the CPU: the interrupt controllers were never remapped.",
                "Program both 8259s (ICW1-ICW4) so that IRQ 0-15 become vectors 20h-2Fh, or mask all lines (OUT 21h and A1h, FF), before STI.", "8259A data sheet, ICW2; SDM 3A table 6-1") : null;
        }

        if (trap.Vector != Vector.PageFault && view.WhyNoCode(linear) is { } nothing)
        {
            return new AutopsyFinding(
                $"The CPU ran into nothing: at {view.Name(linear)} {nothing}.{Caller()}",
                "A jump or call went wrong: a null or overwritten function pointer, a return with a broken stack, a missing JMP $ behind the last instruction, or an image loaded elsewhere than it was linked for.", "SDM 3A 6.15 (interrupt 6)");
        }

        return trap.Vector switch
        {
            Vector.PageFault => PageCause(trap, linear),
            Vector.InvalidOpcode when UsesSse(linear) && (State->Cr4 & Cr4.OSFXSR) == 0 => new AutopsyFinding(
                "The code uses SSE registers, and CR4.OSFXSR is 0: compilers use SSE unless they are told not to.",
                "Compile the kernel with -mno-sse -mno-mmx -mgeneral-regs-only; or set CR4.OSFXSR and OSXMMEXCPT, clear CR0.EM and set CR0.MP.", "SDM 3A 13.1.4"),
            Vector.DeviceNotAvailable => new AutopsyFinding("The FPU is switched off in CR0.", "Clear CR0.EM and CR0.TS, set CR0.MP and execute FNINIT; or compile without floating point.", "SDM 3A 9.2.1"),
            Vector.StackFault => new AutopsyFinding($"ESP is {State->Esp:x8}, and SS allows offsets {State->Ss.Lowest:x8} to {State->Ss.Highest:x8}.", "Load SS and ESP with a stack that is large enough; is ESP set at all?", "SDM 3A 6.15 (interrupt 12)"),
            _ => null,
        };
    }

    private static string Meaning(int vector) => vector switch
    {
        Vector.DivideError => "divide error",
        Vector.Debug => "debug exception",
        Vector.Breakpoint => "breakpoint",
        Vector.Overflow => "overflow",
        Vector.BoundRange => "bound range exceeded",
        Vector.InvalidOpcode => "invalid opcode",
        Vector.DeviceNotAvailable => "no FPU available",
        Vector.DoubleFault => "double fault",
        Vector.InvalidTss => "invalid TSS",
        Vector.SegmentNotPresent => "segment or gate not present",
        Vector.StackFault => "stack fault",
        Vector.GeneralProtection => "general protection",
        Vector.PageFault => "page fault",
        Vector.FloatingPoint => "x87 floating-point error",
        Vector.AlignmentCheck => "alignment check",
        Vector.MachineCheck => "machine check",
        Vector.SimdFloatingPoint => "SSE floating-point error",
        _ => "software interrupt",
    };

    private string ExplainInterrupt(int vector)
    {
        int master = view.Machine.Machine.Pic.Master.VectorBase;
        int slave = view.Machine.Machine.Pic.Slave.VectorBase;
        string line = vector - master is >= 0 and < 8 ? $"IRQ {vector - master}" : vector - slave is >= 0 and < 8 ? $"IRQ {vector - slave + 8}" : "the local APIC";
        string device = line switch { "IRQ 0" => ", the timer", "IRQ 1" => ", the keyboard", "IRQ 4" => ", COM1", "IRQ 8" => ", the clock", "IRQ 12" => ", the mouse", "IRQ 14" => ", the disk", _ => "" };
        return $"Interrupts were on (EFLAGS.IF = 1), and one came from {line}{device}.";
    }

    private string ExplainInvalid(uint linear) => view.Instruction(linear, linear, State->Cs.Big) switch
    {
        "ud2" => "UD2: the program stops itself with it (a panic, an assertion, code that the compiler took for unreachable).",
        { } text when text.StartsWith("db ", StringComparison.Ordinal) => $"The bytes {view.Bytes(linear, 8)} are no instruction.",
        not null => $"The instruction (bytes {view.Bytes(linear, 8)}) does not exist in this mode, or on this CPU model ({view.Machine.Vcpu.Model.Name}).",
        null => "There is no memory where the CPU went.",
    };

    private static string ExplainSelector(uint error)
    {
        uint index = (error & 0xFFFF) >> 3;
        return (error & 2) != 0 ? $"The CPU went for gate {GateDiagnosis.Number((int)index)} of the IDT, and could not use it."
            : $"The CPU went for selector {error & 0xFFFC:x4} (entry {index} of the {((error & 4) != 0 ? "LDT" : "GDT")}), and could not use it.";
    }

    private string ExplainPageFault(in TrapInfo trap, uint linear)
    {
        bool fetch = trap.FaultAddress - linear < 16 && (trap.ErrorCode & 2) == 0;
        string access = (trap.ErrorCode & 2) != 0 ? "Writing to" : fetch ? "Fetching the instruction at" : "Reading";
        string who = (trap.ErrorCode & 4) != 0 ? "ring 3" : "the kernel";
        string reason = (trap.ErrorCode & 8) != 0 ? "a reserved bit is set in its table entry" : (trap.ErrorCode & 1) != 0 ? $"the page is there, but its rights forbid that to {who}" : "no page is mapped there";
        return $"{access} {view.Name(trap.FaultAddress)}: {reason}{(view.Walk(trap.FaultAddress) is { } walk ? $" ({GuestView.Describe(walk, trap.FaultAddress)})" : "")}.";
    }

    private AutopsyFinding PageCause(in TrapInfo trap, uint linear)
    {
        uint address = trap.FaultAddress;
        uint stack = State->Ss.Base + State->Esp;
        bool fetch = address - linear < 16 && (trap.ErrorCode & 2) == 0;
        string entry = view.Walk(address) is { } walk ? GuestView.Describe(walk, address) : "paging is off now";
        if (fetch && (trap.ErrorCode & 1) == 0)
        {
            return address < NullPage
                ? new AutopsyFinding($"The CPU was sent to address {address:x8}: a null pointer was called, or returned to.{Caller()}", "Find who calls a function pointer that nobody has set, or returns with a broken stack.", "SDM 3A 4.7")
                : new AutopsyFinding($"The code that runs lies at {view.Name(linear)}, on a page that is not mapped: {entry}.{Caller()}", "If paging has just been switched on: map the page of the code that sets CR0.PG (and the stack, GDT and IDT) at its own address first. Otherwise: a wild jump.", "SDM 3A 4.7, 9.8.4");
        }

        if (stack - address is > 0 and < StackReach || (stack == address && (trap.ErrorCode & 2) != 0))
        {
            return new AutopsyFinding($"{StackRunOut}: ESP is {view.Name(stack)}, and the page below is not there ({entry}).", "Find the endless recursion or the large local array, or give the stack more pages.", "SDM 3A 4.7");
        }

        if (address < NullPage)
        {
            return new AutopsyFinding($"A null pointer was used: address {address:x8} is offset {address} from it.", "Find the pointer that nobody has set (the instruction above names its register).", "SDM 3A 4.7");
        }

        return (trap.ErrorCode & 8) != 0 ? new AutopsyFinding($"A reserved bit is set: {entry}.", "Entries hold the address in their upper 20 bits (bits 12 to 35 with PAE) and flags below: is the table itself filled, and is CR3 its physical address?", "SDM 3A 4.3, 4.4.2")
            : (trap.ErrorCode & 1) != 0 ? new AutopsyFinding($"The rights forbid the access: {entry} (bit 1: writable, bit 2: user; both levels must allow it).", "Set R/W and U/S in the table entry and in the directory entry; or the access is the mistake.", "SDM 3A 4.6, 4.7")
            : new AutopsyFinding($"Address {view.Name(address)} is not mapped: {entry}.", "Map it before it is used; or find out where the pointer got its value.", "SDM 3A 4.7");
    }

    // The word on top of the stack is the return address where a CALL went wrong.
    private string Caller()
    {
        uint pointer = State->Ss.Base + (State->Ss.Big ? State->Esp : State->Esp & 0xFFFF);
        return State->Cs.Big && view.Read32(pointer) is { } word && word != 0 && view.WhyNoCode(State->Cs.Base + word) is null
            ? $" The word on top of the stack is {view.Name(State->Cs.Base + word)}: perhaps where the call came from."
            : "";
    }

    private bool UsesSse(uint linear) => view.Instruction(linear, linear, State->Cs.Big)?.Contains("xmm", StringComparison.Ordinal) ?? false;

    private static int Bit(uint register, uint bit) => (register & bit) != 0 ? 1 : 0;
}
