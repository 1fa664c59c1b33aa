using System.Runtime.InteropServices;

namespace ToyVmm.Hardware.Cpu;

/// <summary>
/// All of a virtual CPU's architectural state, in native memory: engines address registers by byte offset, and emitted code
/// uses the same numbers. The layout is locked by a golden test. Fields that are copies of others say so.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
public unsafe struct CpuState
{
    // General registers, in encoding order: register n is at byte 4n; AL..BL at 0, 4, 8, 12 and AH..BH at 1, 5, 9, 13.

    /// <summary>EAX.</summary>
    public uint Eax;

    /// <summary>ECX.</summary>
    public uint Ecx;

    /// <summary>EDX.</summary>
    public uint Edx;

    /// <summary>EBX.</summary>
    public uint Ebx;

    /// <summary>ESP.</summary>
    public uint Esp;

    /// <summary>EBP.</summary>
    public uint Ebp;

    /// <summary>ESI.</summary>
    public uint Esi;

    /// <summary>EDI.</summary>
    public uint Edi;

    /// <summary>Always zero: the register of an address form that has none.</summary>
    public uint Zero;

    /// <summary>The instruction pointer. Exact whenever an engine is not running.</summary>
    public uint Eip;

    // The six arithmetic flags, kept as the last result and its carries (see LazyFlags); everything else is in OtherFlags.

    /// <summary>The last result, sign-extended to 32 bits: ZF, SF and PF derive from it.</summary>
    public uint FlagsResult;

    /// <summary>Carries and corrections: see <see cref="LazyFlags"/>.</summary>
    public uint FlagsCarries;

    /// <summary>EFLAGS without the six arithmetic flags; bit 1 is set.</summary>
    public uint OtherFlags;

    /// <summary>The current privilege level: 0 in real mode, 3 in virtual-8086 mode.</summary>
    public uint Cpl;

    // Segment registers in encoding order (ES CS SS DS FS GS), then the two system ones: register n is at Es + n.

    /// <summary>ES.</summary>
    public SegmentCache Es;

    /// <summary>CS.</summary>
    public SegmentCache Cs;

    /// <summary>SS.</summary>
    public SegmentCache Ss;

    /// <summary>DS.</summary>
    public SegmentCache Ds;

    /// <summary>FS.</summary>
    public SegmentCache Fs;

    /// <summary>GS.</summary>
    public SegmentCache Gs;

    /// <summary>LDTR.</summary>
    public SegmentCache Ldtr;

    /// <summary>TR.</summary>
    public SegmentCache Tr;

    /// <summary>Linear address of the GDT.</summary>
    public uint GdtBase;

    /// <summary>Limit of the GDT: bytes - 1.</summary>
    public uint GdtLimit;

    /// <summary>Linear address of the IDT.</summary>
    public uint IdtBase;

    /// <summary>Limit of the IDT: bytes - 1.</summary>
    public uint IdtLimit;

    /// <summary>CR0.</summary>
    public uint Cr0;

    /// <summary>CR2: the linear address of the last page fault.</summary>
    public uint Cr2;

    /// <summary>CR3.</summary>
    public uint Cr3;

    /// <summary>CR4.</summary>
    public uint Cr4;

    /// <summary>The four PDPTEs of PAE paging, loaded by MOV CR3 and the like; page walks use these and not memory (SDM 3A 4.4.1).</summary>
    public fixed ulong PageDirectoryPointers[4];

    /// <summary>DR0-DR3: breakpoint addresses.</summary>
    public fixed uint BreakpointAddresses[4];

    /// <summary>DR6: what the last #DB was.</summary>
    public uint Dr6;

    /// <summary>DR7: which breakpoints are armed.</summary>
    public uint Dr7;

    /// <summary>IA32_SYSENTER_CS (MSR 0x174).</summary>
    public uint SysenterCs;

    /// <summary>IA32_SYSENTER_ESP (MSR 0x175).</summary>
    public uint SysenterEsp;

    /// <summary>IA32_SYSENTER_EIP (MSR 0x176).</summary>
    public uint SysenterEip;

    /// <summary>IA32_EFER (MSR 0xC0000080), whose upper half is reserved: see <see cref="Cpu.Efer"/>.</summary>
    public uint Efer;

    /// <summary>Non-zero for one instruction after STI, MOV SS and POP SS: see <see cref="InterruptShadow"/>.</summary>
    public InterruptShadow Shadow;

    /// <summary>Debug conditions (as DR6 bits) met by the last instruction and not yet reported: #DB comes before the next one.</summary>
    public uint PendingDebug;

    /// <summary>Non-zero after HLT, until an interrupt arrives.</summary>
    public uint Halted;

    /// <summary>Non-zero while an NMI handler runs: the next NMI waits for IRET.</summary>
    public uint NmiBlocked;

    /// <summary>The time-stamp counter minus the virtual clock.</summary>
    public ulong TscOffset;

    /// <summary>Instructions retired since reset: one for each completed instruction (a REP string counts when it completes) and one for each exception delivered.</summary>
    public ulong Retired;

    // The x87 unit (SDM 1 8.1).

    /// <summary>The eight x87 data registers by physical number: register n is the significand at [2n], sign and exponent in the low half-word of [2n + 1].</summary>
    public fixed ulong FpuRegisters[16];

    /// <summary>The x87 control word.</summary>
    public ushort FpuControl;

    /// <summary>The x87 status word, TOP included.</summary>
    public ushort FpuStatus;

    /// <summary>Bit n is set while physical register n is not empty: FXSAVE's abridged tag word. The full one derives from the registers.</summary>
    public ushort FpuTags;

    /// <summary>FOP: the 11 opcode bits of the last x87 instruction that met an unmasked exception (or what FLDENV loaded).</summary>
    public ushort FpuOpcode;

    /// <summary>FIP: its offset.</summary>
    public uint FpuInstructionOffset;

    /// <summary>FDP: the offset of its memory operand; 0 where it has none.</summary>
    public uint FpuDataOffset;

    /// <summary>FCS: the selector of CS.</summary>
    public ushort FpuInstructionSelector;

    /// <summary>FDS: the selector of its memory operand's segment.</summary>
    public ushort FpuDataSelector;

    /// <summary>
    /// Non-zero while FERR# is asserted: CR0.NE is clear, and a waiting x87 instruction has met a pending unmasked exception.
    /// The board routes it to IRQ 13.
    /// </summary>
    public ushort FpuError;

    /// <summary>Non-zero while IGNNE# is asserted, which the board does on a write to port F0 while FERR# is: pending exceptions are then ignored.</summary>
    public ushort FpuIgnoreError;

    // MMX and SSE (SDM 1 9.2, 10.2). MMX register n is the significand of physical x87 register n.

    /// <summary>MXCSR: the exceptions, masks and rounding of SSE.</summary>
    public uint Mxcsr;

    /// <summary>XMM0-XMM7: register n is at [2n] (bits 0-63) and [2n + 1]. At a multiple of 16 bytes.</summary>
    public fixed ulong XmmRegisters[16];

    // What the engine's fast paths need beside the registers; derived, never saved.

    /// <summary>The projection of the TLB for the current privilege level (or the one that never hits, while every access must be checked).</summary>
    public TlbEntry* Tlb;

    /// <summary>The current mode as far as decoding depends on it: see <see cref="DecodeMode"/>.</summary>
    public DecodeMode Mode;

    /// <summary>Non-zero when the run loop must look before the next instruction: see <see cref="Attention"/>.</summary>
    public Attention Attention;

    /// <summary>16 bytes through which an access goes that cannot go straight to memory.</summary>
    public fixed byte Staging[16];
}

/// <summary>What the instruction just executed holds off (SDM 3A 6.8.3).</summary>
public enum InterruptShadow : uint
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>After STI: external interrupts.</summary>
    Sti = 1,

    /// <summary>After MOV SS and POP SS: external interrupts, NMI and debug traps.</summary>
    MovSs = 2,
}

/// <summary>Why the run loop must look before the next instruction.</summary>
[Flags]
public enum Attention : uint
{
    /// <summary>No reason.</summary>
    None = 0,

    /// <summary>EFLAGS.TF is set.</summary>
    SingleStep = 1,

    /// <summary>An interrupt shadow covers the next instruction.</summary>
    Shadow = 2,

    /// <summary>A breakpoint register is armed.</summary>
    Breakpoints = 4,

    /// <summary>An interrupt waits to be delivered.</summary>
    Interrupt = 8,

    /// <summary>An NMI waits to be delivered.</summary>
    Nmi = 16,

    /// <summary>The monitor wants to be told when an interrupt can be delivered.</summary>
    InterruptWindow = 32,

    /// <summary>Every instruction is reported to an observer.</summary>
    Trace = 64,

    /// <summary>EFLAGS.RF is set, for one instruction.</summary>
    Resume = 128,

    /// <summary>A debug trap waits (<see cref="CpuState.PendingDebug"/>).</summary>
    DebugTrap = 256,

    /// <summary>An instruction that needed the monitor is to be run again with what the monitor answered.</summary>
    Completion = 512,

    /// <summary>An event's stack frame was stored to a device: the engine leaves with those stores before the next instruction.</summary>
    PostedWrites = 1024,

    /// <summary>The CPU sleeps (<see cref="CpuState.Halted"/>).</summary>
    Halted = 2048,

    /// <summary>The monitor wants the engine to leave before the next instruction.</summary>
    Leave = 4096,

    /// <summary>A debugger's condition is met: the engine leaves before the next instruction.</summary>
    StopCondition = 8192,
}

/// <summary>What the meaning of an instruction's bytes depends on, beside the bytes.</summary>
[Flags]
public enum DecodeMode : uint
{
    /// <summary>16-bit code, nothing flat, not ring 3.</summary>
    None = 0,

    /// <summary>CS.D: 32-bit operands and addresses by default.</summary>
    Code32 = 1,

    /// <summary>SS.B: the stack pointer is ESP.</summary>
    Stack32 = 2,

    /// <summary>CPL 3.</summary>
    User = 4,

    /// <summary>ES offsets are linear addresses, readable and writable.</summary>
    FlatEs = 8,

    /// <summary>CS offsets are linear addresses, readable.</summary>
    FlatCs = 16,

    /// <summary>SS offsets are linear addresses, readable and writable.</summary>
    FlatSs = 32,

    /// <summary>DS offsets are linear addresses, readable and writable.</summary>
    FlatDs = 64,

    /// <summary>A block ends after one instruction.</summary>
    SingleStep = 128,

    /// <summary>The CS limit is neither 64 KiB nor 4 GiB, so a look-up must check it every time.</summary>
    OddCodeLimit = 256,

    /// <summary>The CS limit is 64 KiB.</summary>
    SmallCodeLimit = 512,

    /// <summary>As <see cref="FlatEs"/>, but a base is added.</summary>
    BasedEs = 1024,

    /// <summary>As <see cref="FlatCs"/>, but a base is added.</summary>
    BasedCs = 2048,

    /// <summary>As <see cref="FlatSs"/>, but a base is added.</summary>
    BasedSs = 4096,

    /// <summary>As <see cref="FlatDs"/>, but a base is added.</summary>
    BasedDs = 8192,
}
