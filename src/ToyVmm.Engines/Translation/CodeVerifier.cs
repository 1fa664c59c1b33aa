using Iced.Intel;

namespace ToyVmm.Engines.Translation;

/// <summary>
/// Decides about emitted bytes without knowing how they came about: may this code run in the VMM's process? It accepts only
/// instructions that compute, whose every memory operand lies in the view or is one of the few accesses to the VMM's own
/// structures that are spelled out here, that leave the registers alone which hold those structures, and that go on only at
/// places which have been accepted too. This is half of the isolation property; the views are the other half.
/// </summary>
/// <remarks>
/// Why an access through GS with 32-bit addresses cannot leave the view: the effective address is computed modulo 2^32, and GS holds
/// the base of 4 GiB of addresses and a guard, which no accepted instruction changes (SDM 1 3.3.7, 3A 3.4.4).
/// </remarks>
internal sealed partial class CodeVerifier(int frameSize, int stateSize)
{
    private static readonly Register[] s_reserved = [Register.RSP, Register.R10, Register.R11, Register.R15];

    private readonly InstructionInfoFactory _information = new();
    private readonly List<Instruction> _instructions = [];
    private readonly HashSet<ulong> _starts = [];
    private readonly HashSet<int> _accepted = [];

    /// <summary>Checks the code of one block.</summary>
    /// <param name="code">Its bytes.</param>
    /// <param name="start">The offset of the first in the code cache.</param>
    /// <param name="isEntry">True for the offsets outside the block where a branch may go.</param>
    /// <returns>Null, or what is wrong.</returns>
    public string? Check(ReadOnlySpan<byte> code, int start, Predicate<int> isEntry)
    {
        _instructions.Clear();
        _starts.Clear();
        Decoder decoder = Decoder.Create(64, code.ToArray());
        decoder.IP = (ulong)start;
        ulong end = (ulong)(start + code.Length);
        while (decoder.IP < end)
        {
            decoder.Decode(out Instruction x);
            if (x.IsInvalid)
            {
                return Refuse(x, "is no instruction");
            }

            _ = _starts.Add(x.IP);
            _instructions.Add(x);
        }

        // What is accepted only together with what stands before it must not be entered in the middle.
        _accepted.Clear();
        for (int n = 0; n < _instructions.Count; n++)
        {
            FindIdiom(n);
        }

        for (int n = 0; n < _instructions.Count; n++)
        {
            if (CheckOne(n, isEntry) is { } reason)
            {
                return Refuse(_instructions[n], reason);
            }
        }

        return _instructions.Count > 0 && _instructions[^1].FlowControl is FlowControl.UnconditionalBranch or FlowControl.IndirectBranch
            ? null
            : $"the code at 0x{end:X} runs on behind its end";
    }

    private static string Refuse(in Instruction x, string reason) => $"'{x}' at 0x{x.IP:X} {reason}";

    private string? CheckOne(int n, Predicate<int> isEntry)
    {
        if (_accepted.Contains(n))
        {
            return null;
        }

        Instruction x = _instructions[n];
        switch (x.FlowControl)
        {
            case FlowControl.Next:
                return IsInnocuous(x) ? CheckEffects(n, isEntry) : "is not on the list of innocuous instructions";
            case FlowControl.UnconditionalBranch or FlowControl.ConditionalBranch when x.Op0Kind == OpKind.NearBranch64:
                return _starts.Contains(x.NearBranchTarget) || isEntry((int)x.NearBranchTarget) ? null : "goes to a place that nobody has checked";
            case FlowControl.IndirectBranch:
                return IsTableJump(n) ? null : "goes where a register says, and not by way of the jump table";
            default:
                return "leaves the emitted code";
        }
    }

    private string? CheckEffects(int n, Predicate<int> isEntry)
    {
        Instruction x = _instructions[n];
        InstructionInfo information = _information.GetInfo(x);
        foreach (UsedRegister used in information.GetUsedRegisters())
        {
            bool written = used.Access is OpAccess.Write or OpAccess.ReadWrite or OpAccess.CondWrite or OpAccess.ReadCondWrite;
            Register full = used.Register.GetFullRegister();
            if (used.Register.IsSegmentRegister() && written)
            {
                return "changes a segment register";
            }

            if (!written)
            {
                continue;
            }

            if (Array.IndexOf(s_reserved, full) >= 0)
            {
                return $"changes {full}";
            }

            if (full == Register.R14 && !(IsBudget(x) && ((long)x.MemoryDisplacement64 < 0 || Leaves(n, isEntry))))
            {
                return "changes the budget";
            }

            // A write of 32 bits clears the upper half; it is always the first operand.
            if (full == Register.R13 && x.Op0Register != Register.R13D)
            {
                return "gives R13 more than 32 bits";
            }
        }

        if (x.Mnemonic is Mnemonic.Lea or Mnemonic.Nop)
        {
            return null;
        }

        foreach (UsedMemory memory in information.GetUsedMemory())
        {
            bool written = memory.Access is OpAccess.Write or OpAccess.ReadWrite or OpAccess.CondWrite or OpAccess.ReadCondWrite;
            bool isView = memory.Segment == Register.GS && memory.AddressSize == CodeSize.Code32;
            if (!isView && !IsState(memory, written) && !(IsTableLoad(x) && !written) && !IsRamp(x) && !IsGate(n) && !IsPortLook(n))
            {
                return "reaches memory outside the view";
            }
        }

        return null;
    }

    private bool IsState(in UsedMemory memory, bool written)
    {
        int offset = (int)memory.Displacement;
        int size = memory.MemorySize.GetSize();
        bool inside = memory.Segment is Register.DS or Register.None && memory.Base == Register.R15 && memory.Index == Register.None
            && offset >= -frameSize && offset + size <= stateSize;
        return inside && (written ? IsOutput(offset, size) : offset != StateOffset.HostView);
    }

    // What emitted code tells the VMM, field by field.
    private static bool IsOutput(int offset, int size) =>
        offset == StateOffset.HostScratch || offset == StateOffset.LatchAccesses ? size <= sizeof(ulong)
        : size <= sizeof(uint)
            && (offset == StateOffset.Eip || offset == StateOffset.HostExitSlot || offset == StateOffset.HostInterruptFlag
                || offset == StateOffset.HostStringCount || offset == StateOffset.HostStringSource
                || offset == StateOffset.HostStringDestination || offset == StateOffset.HostStringFlags);

    // Giving budget back is the way out of a block: straight ahead, and out.
    private bool Leaves(int n, Predicate<int> isEntry)
    {
        do
        {
            n++;
        }
        while (n < _instructions.Count && _instructions[n].FlowControl == FlowControl.Next);
        return n < _instructions.Count && _instructions[n].FlowControl == FlowControl.UnconditionalBranch && isEntry((int)_instructions[n].NearBranchTarget);
    }

    // Its own list, on purpose: what computes, and nothing else.
    private static bool IsInnocuous(in Instruction x)
    {
        if (x.IsPrivileged || x.IsStackInstruction || x.IsSaveRestoreInstruction || x.HasRepPrefix || x.HasRepnePrefix)
        {
            return x.Mnemonic == Mnemonic.Pause;
        }

        switch (x.Mnemonic)
        {
            case Mnemonic.Lahf or Mnemonic.Sahf or Mnemonic.Pause or Mnemonic.Nop:
            case Mnemonic.Lodsb or Mnemonic.Lodsw or Mnemonic.Lodsd:
            case Mnemonic.Clc or Mnemonic.Stc or Mnemonic.Cmc or Mnemonic.Cld or Mnemonic.Std:
                return true;
            case Mnemonic.In or Mnemonic.Out or Mnemonic.Cpuid or Mnemonic.Rdtsc or Mnemonic.Rdpmc or Mnemonic.Cli or Mnemonic.Sti:
            case Mnemonic.Sgdt or Mnemonic.Sidt or Mnemonic.Sldt or Mnemonic.Str or Mnemonic.Smsw or Mnemonic.Lar or Mnemonic.Lsl or Mnemonic.Verr or Mnemonic.Verw:
            case Mnemonic.Movsb or Mnemonic.Movsw or Mnemonic.Stosb or Mnemonic.Stosw or Mnemonic.Stosd or Mnemonic.Scasb or Mnemonic.Scasw or Mnemonic.Scasd:
            case Mnemonic.Cmpsb or Mnemonic.Cmpsw or Mnemonic.Maskmovq or Mnemonic.Maskmovdqu or Mnemonic.Xlatb:
            case Mnemonic.Fldcw or Mnemonic.Fldenv or Mnemonic.Fnstenv or Mnemonic.Fnsave or Mnemonic.Frstor or Mnemonic.Fninit or Mnemonic.Ldmxcsr:
                return false;
        }

        for (int n = 0; n < x.OpCount; n++)
        {
            bool isSystemRegister = x.GetOpKind(n) == OpKind.Register && (x.GetOpRegister(n).IsSegmentRegister() || x.GetOpRegister(n).IsCR() || x.GetOpRegister(n).IsDR());
            if (isSystemRegister || x.GetOpKind(n) is OpKind.MemoryESDI or OpKind.MemoryESEDI or OpKind.MemoryESRDI)
            {
                return false;
            }
        }

        foreach (CpuidFeature feature in x.Code.CpuidFeatures())
        {
            bool known = feature is CpuidFeature.INTEL8086 or CpuidFeature.INTEL186 or CpuidFeature.INTEL386 or CpuidFeature.INTEL486 or CpuidFeature.X64
                or CpuidFeature.CMOV or CpuidFeature.CX8 or CpuidFeature.FPU or CpuidFeature.FPU287 or CpuidFeature.FPU387 or CpuidFeature.MMX
                or CpuidFeature.SSE or CpuidFeature.SSE2 or CpuidFeature.SSE3 or CpuidFeature.SSSE3 or CpuidFeature.SSE4_1 or CpuidFeature.SSE4_2
                or CpuidFeature.POPCNT or CpuidFeature.MULTIBYTENOP;
            if (!known)
            {
                return false;
            }
        }

        return true;
    }
}
