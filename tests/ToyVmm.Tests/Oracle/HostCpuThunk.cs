using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace ToyVmm.Tests.Oracle;

/// <summary>
/// The machine code around a case. A 64-bit loop copies each case's state and window into place, far-jumps into 32-bit code
/// (an LDT code segment), which loads the guest's registers and runs the instruction; an exit stub behind it stores the
/// registers and far-jumps back. Everything is in the region of <see cref="HostCpu"/>, below 2 GiB, so 32-bit absolute
/// addresses reach it from both modes.
/// </summary>
/// <remarks>
/// What must survive: RSP, the callee-saved registers, DS/ES/SS, RFLAGS, and FS and GS with their bases (.NET keeps its thread in
/// FS), which is why nothing here loads FS or GS. All signals are blocked meanwhile: one that arrived in 32-bit code would have
/// its frame pushed at whatever the guest has in ESP. The garbage collector does not wait for the thread, because it is in an
/// unmanaged call. The upper halves of the registers are undefined after a switch to 32-bit code (SDM 1 3.4.1.1), so nothing
/// is kept in registers across it.
/// </remarks>
internal static class HostCpuThunk
{
    // Offsets in the region. The first 64 KiB are the guest's.
    public const uint Code = 0x2_0000;
    public const uint StateIn = 0x3_0000;
    public const uint StateOut = 0x3_0040;
    public const uint Cases = 0x4_0000;

    private const uint HostRsp = 0x3_0080;
    private const uint Current = 0x3_0088;
    private const uint Remaining = 0x3_0090;
    private const uint AllSignals = 0x3_0098;
    private const uint OldSignals = 0x3_00A0;
    private const uint FarPointer = 0x3_00A8;
    private const uint SavedDs = 0x3_00B0;
    private const uint SavedEs = 0x3_00B4;
    private const uint SavedSs = 0x3_00B8;

    // One case in the table at Cases.
    public const int InState = 0;
    public const int InWindow = 64;
    public const int OutState = InWindow + OracleLayout.WindowSize;
    public const int OutWindow = OutState + 64;
    public const int CaseSize = OutWindow + OracleLayout.WindowSize;

    private const int StateSize = 40;
    private const uint EipField = 32;
    private const uint EflagsField = 36;
    private const ushort UserCode64 = 0x33; // __USER_CS
    private const uint SigSetMask = 2;

    /// <summary>Length of an exit stub: it notes its own address as EIP and leaves.</summary>
    public const int StubSize = 15;

    /// <summary>Emits the thunk.</summary>
    /// <param name="region">The region; also its linear address, since it lies below 2 GiB.</param>
    /// <param name="codeSelector">32-bit code segment with the region's base.</param>
    /// <param name="dataSelector">Writable data segment with the region's base.</param>
    /// <returns>Address of the 64-bit entry, and the offsets in the region of the jump to the case's code and of the 32-bit exit.</returns>
    public static unsafe (nint Entry, uint JumpToCode, uint Exit) Emit(byte* region, ushort codeSelector, ushort dataSelector)
    {
        uint origin = (uint)region;

        // The 32-bit part first, since the 64-bit part needs its addresses; what it needs of the other one is put in afterwards.
        uint enterOffset = Code;
        byte[] enter = Assemble(Enter32(), enterOffset);
        enter.CopyTo(new Span<byte>(region + enterOffset, enter.Length));
        uint jump = enterOffset + (uint)enter.Length;
        uint exit = jump + 5;
        byte[] leave = Assemble(Exit32(), exit);
        leave.CopyTo(new Span<byte>(region + exit, leave.Length));
        uint farJump = exit + (uint)leave.Length; // EA ptr16:32, 7 bytes, written below

        uint entryOffset = (farJump + 7 + 15) & ~15u;
        (byte[] loop, uint back) = Loop64(origin, dataSelector, origin + entryOffset);
        loop.CopyTo(new Span<byte>(region + entryOffset, loop.Length));

        region[farJump] = 0xEA;
        *(uint*)(region + farJump + 1) = back;
        *(ushort*)(region + farJump + 5) = UserCode64;

        *(uint*)(region + FarPointer) = enterOffset;
        *(ushort*)(region + FarPointer + 4) = codeSelector;
        *(ulong*)(region + AllSignals) = ulong.MaxValue;
        return ((nint)(origin + entryOffset), jump, exit);
    }

    /// <summary>Writes an exit stub at an address in the guest's code.</summary>
    public static unsafe void WriteStub(byte* region, uint address, uint exit)
    {
        byte* stub = region + address;
        stub[0] = 0xC7; // mov dword [StateOut.Eip], address - without touching a flag or a register
        stub[1] = 0x05;
        *(uint*)(stub + 2) = StateOut + EipField;
        *(uint*)(stub + 6) = address;
        stub[10] = 0xE9; // jmp exit
        *(uint*)(stub + 11) = exit - (address + StubSize);
    }

    private static Assembler Enter32()
    {
        var asm = new Assembler(32);
        asm.mov(esp, StateIn + EflagsField);
        asm.popfd();
        AssemblerRegister32[] registers = [eax, ecx, edx, ebx, esp, ebp, esi, edi];
        for (int i = 0; i < registers.Length; i++)
        {
            asm.mov(registers[i], __dword_ptr[StateIn + ((uint)i * 4)]);
        }

        return asm; // and a JMP rel32 to the case, which HostCpu writes
    }

    private static Assembler Exit32()
    {
        var asm = new Assembler(32);
        AssemblerRegister32[] registers = [eax, ecx, edx, ebx, esp, ebp, esi, edi];
        for (int i = 0; i < registers.Length; i++)
        {
            asm.mov(__dword_ptr[StateOut + ((uint)i * 4)], registers[i]);
        }

        asm.mov(esp, StateOut + EflagsField + 4);
        asm.pushfd();
        return asm;
    }

    private static (byte[] Bytes, uint Back) Loop64(uint origin, ushort dataSelector, uint address)
    {
        AssemblerMemoryOperand At64(uint offset) => __qword_ptr[(long)origin + offset];
        AssemblerMemoryOperand At32(uint offset) => __dword_ptr[(long)origin + offset];

        var asm = new Assembler(64);
        Label next = asm.CreateLabel();
        Label back = asm.CreateLabel();
        AssemblerRegister64[] calleeSaved = [rbx, rbp, r12, r13, r14, r15];
        foreach (AssemblerRegister64 register in calleeSaved)
        {
            asm.push(register);
        }

        asm.mov(At64(HostRsp), rsp);
        asm.mov(At64(Current), rdi);
        asm.mov(At64(Remaining), rsi);
        (AssemblerRegisterSegment Segment, uint Save)[] segments = [(ds, SavedDs), (es, SavedEs), (ss, SavedSs)];
        foreach ((AssemblerRegisterSegment segment, uint save) in segments)
        {
            asm.mov(eax, segment);
            asm.mov(At32(save), eax);
        }

        EmitSignalMask(asm, origin + AllSignals, origin + OldSignals);
        // After the system call, because SYSRET loads SS.
        asm.mov(eax, dataSelector);
        foreach ((AssemblerRegisterSegment segment, _) in segments)
        {
            asm.mov(segment, eax);
        }

        asm.Label(ref next);
        asm.mov(rsi, At64(Current));
        for (int i = 0; i < OracleLayout.WindowSize; i += 16)
        {
            asm.movups(xmm0, __xmmword_ptr[rsi + InWindow + i]);
            asm.movups(__xmmword_ptr[(long)origin + OracleLayout.WindowAddress + i], xmm0);
        }

        for (int i = 0; i < StateSize; i += 8)
        {
            asm.mov(rax, __qword_ptr[rsi + InState + i]);
            asm.mov(At64(StateIn + (uint)i), rax);
        }

        asm.jmp(__fword_ptr[(long)origin + FarPointer]);

        asm.Label(ref back);
        asm.mov(rsp, At64(HostRsp));
        asm.push((int)OracleState.FixedFlags);
        asm.popfq(); // DF clear for the ABI; NT and ID in case the guest's POPF set them
        asm.mov(rdi, At64(Current));
        for (int i = 0; i < OracleLayout.WindowSize; i += 16)
        {
            asm.movups(xmm0, __xmmword_ptr[(long)origin + OracleLayout.WindowAddress + i]);
            asm.movups(__xmmword_ptr[rdi + OutWindow + i], xmm0);
        }

        for (int i = 0; i < StateSize; i += 8)
        {
            asm.mov(rax, At64(StateOut + (uint)i));
            asm.mov(__qword_ptr[rdi + OutState + i], rax);
        }

        asm.add(rdi, CaseSize);
        asm.mov(At64(Current), rdi);
        asm.dec(At64(Remaining));
        asm.jne(next);

        foreach ((AssemblerRegisterSegment segment, uint save) in segments)
        {
            asm.mov(eax, At32(save));
            asm.mov(segment, eax);
        }

        EmitSignalMask(asm, origin + OldSignals, 0);
        foreach (AssemblerRegister64 register in calleeSaved.Reverse())
        {
            asm.pop(register);
        }

        asm.ret();

        using var stream = new MemoryStream();
        AssemblerResult result = asm.Assemble(new StreamCodeWriter(stream), address, BlockEncoderOptions.ReturnNewInstructionOffsets);
        return (stream.ToArray(), (uint)result.GetLabelRIP(back));
    }

    // rt_sigprocmask(SIG_SETMASK, set, old, sizeof(sigset_t)): the kernel's call, since libc's would hide two signals.
    private static void EmitSignalMask(Assembler asm, uint set, uint old)
    {
        asm.mov(eax, (uint)LinuxNative.SYS_rt_sigprocmask);
        asm.mov(edi, SigSetMask);
        asm.mov(esi, set);
        asm.mov(edx, old);
        asm.mov(r10d, 8u);
        asm.syscall();
    }

    private static byte[] Assemble(Assembler asm, uint address)
    {
        using var stream = new MemoryStream();
        asm.Assemble(new StreamCodeWriter(stream), address);
        return stream.ToArray();
    }
}
