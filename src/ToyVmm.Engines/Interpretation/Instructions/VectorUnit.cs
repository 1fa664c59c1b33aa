using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using ToyVmm.Engines.Decoding;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation.Instructions;

/// <summary>
/// The MMX and XMM registers, and what stands before every MMX and SSE instruction: the checks that may refuse it (SDM 2A 2.4, table 2-18 ff.),
/// and the way to a memory operand of up to 16 bytes.
/// </summary>
internal static unsafe class VectorUnit
{
    private const ushort Top = 7 << 11;

    /// <summary>True where an MMX instruction may run: CR0.EM and CR0.TS are clear, and no x87 exception is pending (SDM 3A 12.5).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool IsMmxReady(CpuState* s) => (s->Cr0 & (Cr0.EM | Cr0.TS)) == 0 && !X87Unit.IsErrorPending(s);

    /// <summary>Ends an MMX instruction that may not run: #UD, #NM or what a pending x87 exception leads to.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static nint RefuseMmx(CpuState* s, DecodedInstruction* i, Interpreter cpu) =>
        (s->Cr0 & Cr0.EM) != 0 ? Flow.Raise(i, cpu, Vector.InvalidOpcode)
        : (s->Cr0 & Cr0.TS) != 0 ? Flow.Raise(i, cpu, Vector.DeviceNotAvailable)
        : X87Unit.ReportPending(s, i, cpu);

    /// <summary>True where an SSE instruction may run: CR4.OSFXSR is set, CR0.EM and CR0.TS are clear (SDM 3A 13.1).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool IsSseReady(CpuState* s) => (s->Cr0 & (Cr0.EM | Cr0.TS)) == 0 && (s->Cr4 & Cr4.OSFXSR) != 0;

    /// <summary>Ends an SSE instruction that may not run: #UD or #NM.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static nint RefuseSse(CpuState* s, DecodedInstruction* i, Interpreter cpu) =>
        Flow.Raise(i, cpu, (s->Cr0 & Cr0.EM) != 0 || (s->Cr4 & Cr4.OSFXSR) == 0 ? Vector.InvalidOpcode : Vector.DeviceNotAvailable);

    /// <summary>True where an instruction on both register files may run.</summary>
    public static bool IsBothReady(CpuState* s) => IsSseReady(s) && !X87Unit.IsErrorPending(s);

    /// <summary>Ends an instruction on both register files that may not run.</summary>
    public static nint RefuseBoth(CpuState* s, DecodedInstruction* i, Interpreter cpu) =>
        IsSseReady(s) ? X87Unit.ReportPending(s, i, cpu) : RefuseSse(s, i, cpu);

    /// <summary>MMn.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Mmx(CpuState* s, int n) => s->FpuRegisters[2 * n];

    /// <summary>Writes MMn; sign and exponent of the x87 register become all ones (SDM 1 9.5.1).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void SetMmx(CpuState* s, int n, ulong value)
    {
        s->FpuRegisters[2 * n] = value;
        s->FpuRegisters[(2 * n) + 1] = 0xFFFF;
    }

    /// <summary>What every MMX instruction but EMMS does to the x87 state: TOP is 0 and no register is empty (SDM 1 9.5.1).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void EnterMmx(CpuState* s)
    {
        s->FpuTags = 0xFF;
        s->FpuStatus &= unchecked((ushort)~Top);
    }

    /// <summary>XMMn.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte>* Xmm(CpuState* s, int n) => (Vector128<byte>*)s->XmmRegisters + n;

    /// <summary>True when the operand that may be memory is.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool IsMemory(DecodedInstruction* i) => (i->Flags & InstructionFlags.Memory) != 0;

    /// <summary>Host bytes of an operand without a rule for its alignment, to read; null for a fault or an exit.</summary>
    public static byte* Read(CpuState* s, DecodedInstruction* i, Interpreter cpu, int size) =>
        cpu.BeginSegmentRead(i->Segment, Segmented.Effective(s, i), size);

    /// <summary>Host bytes of an m128 operand, to read; null for a fault (#GP(0) if it is misaligned) or an exit.</summary>
    public static byte* ReadAligned(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        if (!CheckAligned(s, i, cpu, SegmentRights.Read, out uint linear))
        {
            return null;
        }

        byte* direct = Direct.Read(s, linear, 16);
        return direct != null ? direct : cpu.BeginRead(linear, 16);
    }

    /// <summary>Stores an operand without a rule for its alignment, and goes on.</summary>
    public static nint Store(CpuState* s, DecodedInstruction* i, Interpreter cpu, void* value, int size) =>
        Store(s, i, cpu, cpu.BeginSegmentWrite(i->Segment, Segmented.Effective(s, i), size), value, size);

    /// <summary>Stores an m128 operand, and goes on; #GP(0) if it is misaligned.</summary>
    public static nint StoreAligned(CpuState* s, DecodedInstruction* i, Interpreter cpu, void* value)
    {
        if (!CheckAligned(s, i, cpu, SegmentRights.Write, out uint linear))
        {
            return Flow.StopHere(i, cpu);
        }

        byte* direct = Direct.Write(s, linear, 16);
        return Store(s, i, cpu, direct != null ? direct : cpu.BeginWrite(linear, 16), value, 16);
    }

    /// <summary>The XMM register or aligned m128 of a source.</summary>
    /// <returns>False for a fault or an exit.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TrySource(CpuState* s, DecodedInstruction* i, Interpreter cpu, out Vector128<byte> value)
    {
        Vector128<byte>* from = IsMemory(i) ? (Vector128<byte>*)ReadAligned(s, i, cpu) : Xmm(s, i->Source);
        value = from != null ? Vector128.Load((byte*)from) : default;
        return from != null;
    }

    /// <summary>The low bytes of the XMM register, or a memory operand of that many, of a source.</summary>
    /// <returns>Null for a fault or an exit.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static byte* Source(CpuState* s, DecodedInstruction* i, Interpreter cpu, int size) =>
        IsMemory(i) ? Read(s, i, cpu, size) : (byte*)Xmm(s, i->Source);

    /// <summary>The MMX register or m64 of a source.</summary>
    /// <returns>False for a fault or an exit.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryMmxSource(CpuState* s, DecodedInstruction* i, Interpreter cpu, out ulong value)
    {
        ulong* from = IsMemory(i) ? (ulong*)Read(s, i, cpu, sizeof(ulong)) : &s->FpuRegisters[2 * i->Source];
        value = from != null ? *from : 0;
        return from != null;
    }

    private static nint Store(CpuState* s, DecodedInstruction* i, Interpreter cpu, byte* target, void* value, int size)
    {
        if (target == null)
        {
            return Flow.StopHere(i, cpu);
        }

        Unsafe.CopyBlockUnaligned(target, value, (uint)size);
        return Flow.NextIf(cpu.CommitWrite(target), s, i, cpu);
    }

    private static bool CheckAligned(CpuState* s, DecodedInstruction* i, Interpreter cpu, SegmentRights rights, out uint linear) =>
        cpu.CheckSegment(i->Segment, Segmented.Effective(s, i), 16, rights, out linear)
        && ((linear & 15) == 0 || cpu.Raise(Vector.GeneralProtection, 0, "a 16-byte operand that is not aligned"));
}
