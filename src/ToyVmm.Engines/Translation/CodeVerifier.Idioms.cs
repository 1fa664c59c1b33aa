using Iced.Intel;

namespace ToyVmm.Engines.Translation;

/// <summary>The few sequences that are harmless as a whole although a part of them alone is not: nothing may branch into their middle.</summary>
internal sealed partial class CodeVerifier
{
    private void FindIdiom(int n)
    {
        if (IsTableJump(n))
        {
            Join(n - 2, n);
        }
        else if (IsGate(n))
        {
            Join(n - 1, n);
        }
        else if (IsPortLook(n))
        {
            Join(n - 2, n);
        }
        else if (IsFlagsRead(n))
        {
            Join(n - 1, n);
            _ = _accepted.Add(n - 1);
            _ = _accepted.Add(n);
        }
        else if (IsControlLoad(n))
        {
            Join(n - 8, n);
            _ = _accepted.Add(n - 4);
            _ = _accepted.Add(n);
        }
        else
        {
            FindString(n);
        }
    }

    // Nothing branches to any but the first.
    private void Join(int first, int last)
    {
        for (int n = first + 1; n <= last; n++)
        {
            _ = _starts.Remove(_instructions[n].IP);
        }
    }

    // pushfq; pop r8: on the host's stack, which is as it was behind it.
    private bool IsFlagsRead(int n) =>
        n >= 1 && _instructions[n].Code == Code.Pop_r64 && _instructions[n].Op0Register == Register.R8 && _instructions[n - 1].Code == Code.Pushfq;

    // mov r9d,r13d; not r9d; lea r9d,[r9*4]; movzx ecx,r9b; jecxz over the jump; jmp out; mov ecx,r8d; mov [scratch],r13d;
    // fldcw [scratch]: only a control word that masks every exception gets there.
    private bool IsControlLoad(int n)
    {
        const int Length = 9;
        if (n < Length - 1 || _instructions[n].Code != Code.Fldcw_m2byte || !IsScratch(_instructions[n]))
        {
            return false;
        }

        int first = n - Length + 1;
        Instruction shift = _instructions[first + 2];
        Instruction test = _instructions[first + 4];
        Instruction store = _instructions[first + 7];
        return IsMove(_instructions[first], Register.R9D, Register.R13D)
            && _instructions[first + 1] is { Code: Code.Not_rm32, Op0Kind: OpKind.Register, Op0Register: Register.R9D }
            && shift is { Code: Code.Lea_r32_m, Op0Register: Register.R9D, MemoryBase: Register.None, MemoryIndex: Register.R9, MemoryIndexScale: 4, MemoryDisplacement64: 0 }
            && _instructions[first + 3] is { Code: Code.Movzx_r32_rm8, Op0Register: Register.ECX, Op1Kind: OpKind.Register, Op1Register: Register.R9L }
            && test.Code == Code.Jecxz_rel8_64 && test.NearBranchTarget == _instructions[first + 6].IP
            && _instructions[first + 5].FlowControl == FlowControl.UnconditionalBranch
            && IsMove(_instructions[first + 6], Register.ECX, Register.R8D)
            && store is { Code: Code.Mov_rm32_r32, Op0Kind: OpKind.Memory, Op1Register: Register.R13D } && IsScratch(store);
    }

    private static bool IsScratch(in Instruction x) =>
        x.MemoryBase == Register.R15 && x.MemoryIndex == Register.None && x.SegmentPrefix == Register.None
        && (int)x.MemoryDisplacement64 == StateOffset.HostScratch;

    private static bool IsMove(in Instruction x, Register target, Register source) =>
        x.Code is Code.Mov_r32_rm32 or Code.Mov_rm32_r32 && x.Op0Kind == OpKind.Register && x.Op0Register == target
        && x.Op1Kind == OpKind.Register && x.Op1Register == source;

    // mov r9,[view]; for RSI, RDI or both: mov esi,esi or lea esi,[rsi+r13] (lea edi,[rdi+r8]), then lea rsi,[r9+rsi]; the string instruction with 64-bit
    // addresses; not r9; for the same registers: lea esi,[rsi+r9+1]. It starts in the view, goes from element to element, and must
    // meet a guard where the view ends. No pointer into the view is left behind.
    private void FindString(int first)
    {
        int n = first;
        if (!Take(ref n, x => x is { Code: Code.Mov_r64_rm64, Op0Register: Register.R9, Op1Kind: OpKind.Memory, MemoryBase: Register.R15, MemoryIndex: Register.None, SegmentPrefix: Register.None }
            && (int)x.MemoryDisplacement64 == StateOffset.HostView))
        {
            return;
        }

        bool source = TakeRebase(ref n, Register.ESI, Register.RSI, Register.R13);
        bool destination = TakeRebase(ref n, Register.EDI, Register.RDI, Register.R8);
        int middle = n;
        if (!Take(ref n, x => IsString(x, source, destination))
            || !Take(ref n, x => x is { Code: Code.Not_rm64, Op0Kind: OpKind.Register, Op0Register: Register.R9 })
            || (source && !Take(ref n, x => IsWayBack(x, Register.ESI, Register.RSI)))
            || (destination && !Take(ref n, x => IsWayBack(x, Register.EDI, Register.RDI))))
        {
            return;
        }

        Join(first, n - 1);
        _ = _accepted.Add(first);
        _ = _accepted.Add(middle);
    }

    private bool TakeRebase(ref int n, Register half, Register full, Register segmentBase)
    {
        int from = n;
        bool taken = Take(ref n, x => IsMove(x, half, half) || IsSum(x, Code.Lea_r32_m, half, full, segmentBase, 0))
            && Take(ref n, x => IsSum(x, Code.Lea_r64_m, full, Register.R9, full, 0));
        n = taken ? n : from;
        return taken;
    }

    private bool Take(ref int n, Predicate<Instruction> matches)
    {
        if (n >= _instructions.Count || !matches(_instructions[n]))
        {
            return false;
        }

        n++;
        return true;
    }

    private static bool IsWayBack(in Instruction x, Register half, Register full) => IsSum(x, Code.Lea_r32_m, half, full, Register.R9, 1);

    private static bool IsSum(in Instruction x, Code code, Register target, Register one, Register other, ulong constant) =>
        x.Code == code && x.Op0Register == target && x.MemoryBase == one && x.MemoryIndex == other && x.MemoryIndexScale == 1
        && x.MemoryDisplacement64 == constant;

    private static bool IsString(in Instruction x, bool source, bool destination)
    {
        bool usesSource = false;
        bool usesDestination = false;
        for (int n = 0; n < x.OpCount; n++)
        {
            usesSource |= x.GetOpKind(n) == OpKind.MemorySegRSI;
            usesDestination |= x.GetOpKind(n) == OpKind.MemoryESRDI;
        }

        return x.SegmentPrefix == Register.None && usesSource == source && usesDestination == destination
            && x.Code is Code.Movsb_m8_m8 or Code.Movsw_m16_m16 or Code.Movsd_m32_m32 or Code.Cmpsb_m8_m8 or Code.Cmpsw_m16_m16 or Code.Cmpsd_m32_m32
                or Code.Stosb_m8_AL or Code.Stosw_m16_AX or Code.Stosd_m32_EAX or Code.Lodsb_AL_m8 or Code.Lodsw_AX_m16 or Code.Lodsd_EAX_m32
                or Code.Scasb_AL_m8 or Code.Scasw_AX_m16 or Code.Scasd_EAX_m32;
    }

    // mov r9d,[r11+r13*4]; lea r9,[r10+r9]; jmp r9. The table holds offsets of blocks; R13D is written with 32 bits only.
    private bool IsTableJump(int n) =>
        n >= 2 && _instructions[n].Code == Code.Jmp_rm64 && _instructions[n].Op0Kind == OpKind.Register && _instructions[n].Op0Register == Register.R9
        && IsTableAddress(_instructions[n - 1]) && IsTableLoad(_instructions[n - 2]);

    private static bool IsTableAddress(in Instruction x) =>
        x.Code == Code.Lea_r64_m && x.Op0Register == Register.R9 && x.MemoryBase == Register.R10 && x.MemoryIndex == Register.R9
        && x.MemoryIndexScale == 1 && x.MemoryDisplacement64 == 0;

    private static bool IsTableLoad(in Instruction x) =>
        x.Code == Code.Mov_r32_rm32 && x.Op0Register == Register.R9D && x.Op1Kind == OpKind.Memory && x.SegmentPrefix == Register.None
        && x.MemoryBase == Register.R11 && x.MemoryIndex == Register.R13 && x.MemoryIndexScale == 4 && x.MemoryDisplacement64 == 0;

    // mov r9,[r15+gate]; mov r9d,[r9]
    private bool IsGate(int n)
    {
        Instruction x = _instructions[n];
        return n > 0 && x.Code == Code.Mov_r32_rm32 && x.Op0Register == Register.R9D && x.MemoryBase == Register.R9 && x.MemoryIndex == Register.None
            && x.MemoryDisplacement64 == 0 && x.SegmentPrefix == Register.None
            && _instructions[n - 1] is { Code: Code.Mov_r64_rm64, Op0Register: Register.R9, MemoryBase: Register.R15, MemoryIndex: Register.None } gate
            && ((int)gate.MemoryDisplacement64 == StateOffset.FsGate || (int)gate.MemoryDisplacement64 == StateOffset.GsGate);
    }

    // mov r9,[r15+latches]; movzx r13d,dx (or mov r13d,imm of 16 bits); then movzx ecx,byte [r9+r13], or AL from or to the byte 64 Ki further on.
    private bool IsPortLook(int n)
    {
        if (n < 2 || _instructions[n - 1].Op0Kind != OpKind.Register || _instructions[n - 1].Op0Register != Register.R13D)
        {
            return false;
        }

        const ulong SecondTable = 1 << 16;
        Instruction look = _instructions[n];
        Instruction port = _instructions[n - 1];
        Instruction table = _instructions[n - 2];
        bool isKind = look is { Code: Code.Movzx_r32_rm8, Op0Register: Register.ECX, Op1Kind: OpKind.Memory, MemoryDisplacement64: 0 };
        bool isByte = look is { Code: Code.Mov_r8_rm8, Op0Register: Register.AL, Op1Kind: OpKind.Memory, MemoryDisplacement64: SecondTable }
            or { Code: Code.Mov_rm8_r8, Op0Kind: OpKind.Memory, Op1Register: Register.AL, MemoryDisplacement64: SecondTable };
        return (isKind || isByte)
            && look is { MemoryBase: Register.R9, MemoryIndex: Register.R13, MemoryIndexScale: 1, SegmentPrefix: Register.None }
            && (port is { Code: Code.Movzx_r32_rm16, Op1Kind: OpKind.Register } || (port.Code == Code.Mov_r32_imm32 && port.Immediate32 <= ushort.MaxValue))
            && table is { Code: Code.Mov_r64_rm64, Op0Register: Register.R9, Op1Kind: OpKind.Memory, MemoryBase: Register.R15, MemoryIndex: Register.None }
            && (int)table.MemoryDisplacement64 == StateOffset.PortLatches && table.SegmentPrefix == Register.None;
    }

    // lea r14,[r14+n], n a block's count.
    private static bool IsBudget(in Instruction x) =>
        x.Code == Code.Lea_r64_m && x.Op0Register == Register.R14 && x.MemoryBase == Register.R14 && x.MemoryIndex == Register.None
        && Math.Abs((long)x.MemoryDisplacement64) <= byte.MaxValue;

    // movzx r8d,byte [r14] or [r14-1]
    private static bool IsRamp(in Instruction x) =>
        x.Code == Code.Movzx_r32_rm8 && x.Op0Register == Register.R8D && x.MemoryBase == Register.R14 && x.MemoryIndex == Register.None
        && (long)x.MemoryDisplacement64 is 0 or -1 && x.SegmentPrefix == Register.None;
}
