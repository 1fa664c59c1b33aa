using Iced.Intel;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Translation;

/// <summary>Why an instruction is left to the interpreter.</summary>
internal enum CallOutReason
{
    /// <summary>It is not: it runs on the host.</summary>
    None,

    /// <summary>It loads a segment register: what is flat may change.</summary>
    SegmentLoad,

    /// <summary>It leaves the segment or the ring, or enters a handler.</summary>
    FarTransfer,

    /// <summary>It changes control, debug, descriptor-table or model-specific registers, or the TLB.</summary>
    SystemState,

    /// <summary>It shows what the virtual CPU is or has, and the host would show its own.</summary>
    VirtualCpu,

    /// <summary>HLT and VMCALL: the monitor has a part in it.</summary>
    Monitor,

    /// <summary>A port: a device answers.</summary>
    Port,

    /// <summary>64-bit code has no such instruction, and it is too rare for another way.</summary>
    NoEncoding,

    /// <summary>Too rare for a way of its own: 16-bit forms, and AH to BH beside a register that needs a prefix.</summary>
    RareForm,

    /// <summary>It always faults.</summary>
    Faults,

    /// <summary>No such instruction, or not on this CPU model: #UD.</summary>
    Undefined,

    /// <summary>It has faulted often on the host, where it ran first: on what no view may hold, mostly.</summary>
    FaultedOften,

    /// <summary>Code of ring 3 has it: IOPL or a bit of CR4 decides, and #GP is likely.</summary>
    RingZero,

    /// <summary>It may unmask floating-point exceptions, or shows the unit's pointers.</summary>
    FloatingPointEnvironment,

    /// <summary>Its result is not the same on every host; the interpreter computes it in a documented way.</summary>
    HostDependentResult,

    /// <summary>It stores through DS:EDI, and no prefix puts that into the view.</summary>
    NoViewAddress,
}

/// <summary>The list of instructions that go to the interpreter, each with its reason.</summary>
internal static class CallOutList
{
    /// <summary>The reason in words, for those who read translated code.</summary>
    public static string Describe(CallOutReason reason) => reason switch
    {
        CallOutReason.None => "runs on the host",
        CallOutReason.SegmentLoad => "loads a segment register",
        CallOutReason.FarTransfer => "leaves the segment or the ring",
        CallOutReason.SystemState => "changes system registers",
        CallOutReason.VirtualCpu => "the host would answer with its own state",
        CallOutReason.Monitor => "the monitor has a part in it",
        CallOutReason.NoEncoding => "does not exist in 64-bit code",
        CallOutReason.RareForm => "a rare form",
        CallOutReason.Port => "a port: a device answers",
        CallOutReason.Faults => "it always faults",
        CallOutReason.Undefined => "undefined, #UD",
        CallOutReason.FaultedOften => "has faulted too often here",
        CallOutReason.RingZero => "ring 3 may not do it, or not always",
        CallOutReason.FloatingPointEnvironment => "may unmask exceptions, or shows the FPU's pointers",
        CallOutReason.HostDependentResult => "the result depends on the host",
        CallOutReason.NoViewAddress => "its address cannot be moved into the view",
        _ => throw new ArgumentOutOfRangeException(nameof(reason), reason, "no such reason"),
    };

    /// <summary>Why an instruction that the emitter refused goes to the interpreter.</summary>
    /// <param name="x">The guest's instruction.</param>
    /// <param name="mode">The block's mode.</param>
    /// <param name="differing">What this host does otherwise (<see cref="HostFlags"/>).</param>
    public static CallOutReason WhyInterpreted(in Instruction x, DecodeMode mode, IReadOnlySet<Mnemonic> differing)
    {
        CallOutReason reason = ReasonFor(x);
        return reason != CallOutReason.None ? reason
            : x.Mnemonic is Mnemonic.Cli or Mnemonic.Sti or Mnemonic.Rdtsc or Mnemonic.Mov && (mode & DecodeMode.User) != 0 && IsRingZeros(x) ? CallOutReason.RingZero
            : differing.Contains(x.Mnemonic) ? CallOutReason.HostDependentResult
            : CallOutReason.RareForm;
    }

    private static bool IsRingZeros(in Instruction x) => x.Mnemonic != Mnemonic.Mov || (x.Op1Kind == OpKind.Register && x.Op1Register.IsCR());

    /// <summary>Why an instruction that this CPU has never runs on the host in ring 0 and flat segments; none for one that does.</summary>
    /// <remarks>
    /// In ring 3, CLI, STI, RDTSC and MOV from control registers go to the interpreter too; through DS, ES or SS with a base, XCHG, XADD and
    /// CMPXCHG with AH to BH do.
    /// </remarks>
    public static CallOutReason ReasonFor(in Instruction x)
    {
        switch (x.Mnemonic)
        {
            case Mnemonic.Lds or Mnemonic.Les or Mnemonic.Lfs or Mnemonic.Lgs or Mnemonic.Lss:
                return CallOutReason.SegmentLoad;
            case Mnemonic.Pop or Mnemonic.Mov when x.Op0Kind == OpKind.Register && x.Op0Register.IsSegmentRegister():
                return CallOutReason.SegmentLoad;
            case Mnemonic.Mov when IsSystemRegister(x.Op0Register, x.Op0Kind):
                return CallOutReason.SystemState;
            case Mnemonic.Mov when x.Op1Kind == OpKind.Register && x.Op1Register.IsDR():
                return CallOutReason.VirtualCpu;
            case Mnemonic.Lgdt or Mnemonic.Lidt or Mnemonic.Lldt or Mnemonic.Ltr or Mnemonic.Lmsw or Mnemonic.Clts:
            case Mnemonic.Invd or Mnemonic.Wbinvd or Mnemonic.Invlpg or Mnemonic.Wrmsr:
                return CallOutReason.SystemState;
            case Mnemonic.Cpuid or Mnemonic.Rdpmc or Mnemonic.Rdmsr or Mnemonic.Sgdt or Mnemonic.Sidt or Mnemonic.Sldt or Mnemonic.Str or Mnemonic.Smsw:
            case Mnemonic.Lar or Mnemonic.Lsl or Mnemonic.Verr or Mnemonic.Verw:
                return CallOutReason.VirtualCpu;
            case Mnemonic.In or Mnemonic.Out when x.Code is Code.In_AL_DX or Code.In_AL_imm8 or Code.Out_DX_AL or Code.Out_imm8_AL:
                // Where the port is a latch.
                return CallOutReason.None;
            case Mnemonic.In or Mnemonic.Out or Mnemonic.Insb or Mnemonic.Insw or Mnemonic.Insd or Mnemonic.Outsb or Mnemonic.Outsw or Mnemonic.Outsd:
                return CallOutReason.Port;
            case Mnemonic.Hlt or Mnemonic.Vmcall:
                return CallOutReason.Monitor;
            case Mnemonic.Int or Mnemonic.Int1 or Mnemonic.Int3 or Mnemonic.Iret or Mnemonic.Iretd or Mnemonic.Retf or Mnemonic.Sysenter or Mnemonic.Sysexit:
                return CallOutReason.FarTransfer;
            case Mnemonic.Jmp or Mnemonic.Call when x.IsJmpFar || x.IsCallFar || x.IsJmpFarIndirect || x.IsCallFarIndirect:
                return CallOutReason.FarTransfer;
            case Mnemonic.Aaa or Mnemonic.Aas or Mnemonic.Aam or Mnemonic.Aad or Mnemonic.Daa or Mnemonic.Das or Mnemonic.Salc or Mnemonic.Bound or Mnemonic.Arpl:
                return CallOutReason.NoEncoding;
            case Mnemonic.Fldenv or Mnemonic.Fnstenv or Mnemonic.Fstenv or Mnemonic.Fnsave or Mnemonic.Fsave or Mnemonic.Frstor or Mnemonic.Fninit or Mnemonic.Finit:
            case Mnemonic.Fxsave or Mnemonic.Fxrstor or Mnemonic.Ldmxcsr or Mnemonic.Fneni or Mnemonic.Fndisi or Mnemonic.Fnsetpm:
                return CallOutReason.FloatingPointEnvironment;
            case Mnemonic.F2xm1 or Mnemonic.Fyl2x or Mnemonic.Fyl2xp1 or Mnemonic.Fptan or Mnemonic.Fpatan or Mnemonic.Fsin or Mnemonic.Fcos or Mnemonic.Fsincos:
            case Mnemonic.Rcpps or Mnemonic.Rcpss or Mnemonic.Rsqrtps or Mnemonic.Rsqrtss:
            case Mnemonic.Shld or Mnemonic.Shrd when !IdentityList.Contains(x):
            case Mnemonic.Bswap when x.Code == Code.Bswap_r16:
                return CallOutReason.HostDependentResult;
            case Mnemonic.Maskmovq or Mnemonic.Maskmovdqu:
                return CallOutReason.NoViewAddress;
            case Mnemonic.Pushf or Mnemonic.Popf or Mnemonic.Pusha or Mnemonic.Popa:
                return CallOutReason.RareForm;
            case Mnemonic.Enter when x.Code == Code.Enterw_imm16_imm8 || (x.Immediate8_2nd & 31) != 0:
                return CallOutReason.NoEncoding;
            default:
                return StoresToCode(x) ? CallOutReason.Faults
                    : x.Mnemonic == Mnemonic.Clflush || IsNarrow(x) || IsHighByteAlone(x) ? CallOutReason.RareForm
                    : CallOutReason.None;
        }
    }

    private static bool IsSystemRegister(Register register, OpKind kind) => kind == OpKind.Register && (register.IsCR() || register.IsDR());

    // 16-bit instruction pointers, counts, string addresses, and segment registers pushed as words.
    private static bool IsNarrow(in Instruction x)
    {
        for (int n = 0; n < x.OpCount; n++)
        {
            if (x.GetOpKind(n) is OpKind.NearBranch16 or OpKind.MemorySegSI or OpKind.MemoryESDI or OpKind.MemorySegDI)
            {
                return true;
            }
        }

        bool bits = x.Mnemonic is Mnemonic.Bt or Mnemonic.Bts or Mnemonic.Btr or Mnemonic.Btc;
        return x.Code is Code.Jmp_rm16 or Code.Call_rm16 or Code.Retnw or Code.Retnw_imm16 or Code.Leavew
                or Code.Loop_rel8_32_CX or Code.Loope_rel8_32_CX or Code.Loopne_rel8_32_CX
                or Code.Pushw_ES or Code.Pushw_CS or Code.Pushw_SS or Code.Pushw_DS or Code.Pushw_FS or Code.Pushw_GS
            || ((bits || x.Code is Code.Xlat_m8 or Code.Pop_rm16 or Code.Pop_rm32) && HasNarrowAddress(x));
    }

    private static bool HasNarrowAddress(in Instruction x) =>
        (x.Op0Kind == OpKind.Memory || x.Op1Kind == OpKind.Memory) && !IdentityList.Is32BitAddress(x) && x.MemoryBase != Register.EBX;

    // A code segment cannot be written (SDM 3A 3.4.5.1).
    private static bool StoresToCode(in Instruction x) =>
        x.Op0Kind == OpKind.Memory && x.MemorySegment == Register.CS && x.Mnemonic is not (Mnemonic.Cmp or Mnemonic.Test or Mnemonic.Push or Mnemonic.Jmp or Mnemonic.Call);

    // AH to BH have no name in an instruction with a REX prefix, which ESP, FS, GS and 16-bit addresses need. The emitter has a way
    // for all but those that write two operands.
    private static bool IsHighByteAlone(in Instruction x)
    {
        bool high = false;
        bool renamed = false;
        bool memory = false;
        for (int n = 0; n < x.OpCount; n++)
        {
            memory |= x.GetOpKind(n) == OpKind.Memory;
            if (x.GetOpKind(n) == OpKind.Register)
            {
                high |= x.GetOpRegister(n) is >= Register.AH and <= Register.BH;
                renamed |= x.GetOpRegister(n) is Register.ESP or Register.SP;
            }
        }

        renamed |= memory && (x.MemorySegment is Register.FS or Register.GS || !IdentityList.Is32BitAddress(x) || x.MemoryBase == Register.ESP);
        bool hasWay = memory && x.OpCount == 2 && x.Mnemonic is not (Mnemonic.Xchg or Mnemonic.Xadd or Mnemonic.Cmpxchg);
        return high && renamed && !hasWay;
    }
}
