using System.Runtime.Intrinsics;
using Iced.Intel;
using ToyVmm.Engines.Decoding;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation.Instructions;

/// <summary>MOVs of XMM registers: whole, halves and scalars (SDM 1 10.4.1.1, 11.4.1.1). The non-temporal ones are plain stores: there is no cache.</summary>
internal static unsafe class VectorMoves
{
    /// <summary>The handler of MOVAPS, MOVAPD, MOVDQA, MOVNTPS, MOVNTPD and MOVNTDQ.</summary>
    public static Handler Aligned(in Instruction x) =>
        x.Op0Kind == OpKind.Memory ? &StoreAligned : x.Op1Kind == OpKind.Memory ? &LoadAligned : &Copy;

    /// <summary>The handler of MOVUPS, MOVUPD and MOVDQU.</summary>
    public static Handler Unaligned(in Instruction x) =>
        x.Op0Kind == OpKind.Memory ? &StoreUnaligned : x.Op1Kind == OpKind.Memory ? &LoadUnaligned : &Copy;

    /// <summary>The handler of MOVSS: a load clears the rest of the register, a copy keeps it.</summary>
    public static Handler Single(in Instruction x) =>
        x.Op0Kind == OpKind.Memory ? &StoreLow32 : x.Op1Kind == OpKind.Memory ? &LoadSingle : &CopySingle;

    /// <summary>The handler of SSE2's MOVSD, likewise.</summary>
    public static Handler Double(in Instruction x) =>
        x.Op0Kind == OpKind.Memory ? &StoreLow64 : x.Op1Kind == OpKind.Memory ? &LoadQuad : &CopyLow;

    /// <summary>The handler of MOVLPS and MOVLPD, which keep the high half.</summary>
    public static Handler Low(in Instruction x) => x.Op0Kind == OpKind.Memory ? &StoreLow64 : &LoadLow;

    /// <summary>The handler of MOVHPS and MOVHPD, which keep the low half.</summary>
    public static Handler High(in Instruction x) => x.Op0Kind == OpKind.Memory ? &StoreHigh : &LoadHigh;

    /// <summary>The handler of MOVQ between XMM registers or memory: the high half is cleared.</summary>
    public static Handler Quad(in Instruction x) =>
        x.Op0Kind == OpKind.Memory ? &StoreLow64 : x.Op1Kind == OpKind.Memory ? &LoadQuad : &CopyQuad;

    /// <summary>The handler of MOVD with an XMM register.</summary>
    public static Handler DoubleWord(in Instruction x) =>
        x.Op0Register.IsXMM() ? x.Op1Kind == OpKind.Memory ? &LoadSingle : &FromGeneral
        : x.Op0Kind == OpKind.Memory ? &StoreLow32 : &ToGeneral;

    /// <summary>MOVHLPS.</summary>
    public static nint HighToLow(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        if (!VectorUnit.IsSseReady(s))
        {
            return VectorUnit.RefuseSse(s, i, cpu);
        }

        Quads(s, i->Destination)[0] = Quads(s, i->Source)[1];
        return Flow.Next(s, i, cpu);
    }

    /// <summary>MOVLHPS.</summary>
    public static nint LowToHigh(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        if (!VectorUnit.IsSseReady(s))
        {
            return VectorUnit.RefuseSse(s, i, cpu);
        }

        Quads(s, i->Destination)[1] = Quads(s, i->Source)[0];
        return Flow.Next(s, i, cpu);
    }

    /// <summary>MOVNTI: a store of a general register, which CR0 and CR4 do not guard.</summary>
    public static nint StoreGeneral(CpuState* s, DecodedInstruction* i, Interpreter cpu) =>
        VectorUnit.Store(s, i, cpu, (byte*)s + i->Destination, sizeof(uint));

    /// <summary>MASKMOVDQU: the bytes whose mask bit 7 is set, to DS:EDI.</summary>
    public static nint Masked(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        if (!VectorUnit.IsSseReady(s))
        {
            return VectorUnit.RefuseSse(s, i, cpu);
        }

        Vector128<byte> value = *FirstXmm(s, i);
        return StoreMasked(s, i, cpu, (byte*)&value, VectorUnit.Xmm(s, i->Source)->ExtractMostSignificantBits(), 16, out bool goOn)
            ? Flow.NextIf(goOn, s, i, cpu)
            : Flow.StopHere(i, cpu);
    }

    /// <summary>Stores the bytes of a mask to DS:EDI (or the prefix's segment, and DI); nothing, where any byte of it faults.</summary>
    public static bool StoreMasked(CpuState* s, DecodedInstruction* i, Interpreter cpu, byte* value, uint mask, int size, out bool goOn)
    {
        goOn = true;
        if (mask == 0)
        {
            // Whether the address is checked then depends on the implementation (SDM 2B, MASKMOVDQU).
            return true;
        }

        uint offset = (i->Flags & InstructionFlags.Address32) != 0 ? s->Edi : (ushort)s->Edi;
        if (!cpu.CheckSegment(i->Segment, offset, size, SegmentRights.Write, out uint linear)
            || !cpu.TryTranslate(linear, size, write: true, s->Cpl == 3, out _, out _))
        {
            return false;
        }

        for (int n = 0; n < size; n++)
        {
            if (((mask >> n) & 1) == 0)
            {
                continue;
            }

            byte* target = cpu.BeginWrite(linear + (uint)n, 1);
            if (target == null)
            {
                return false;
            }

            *target = value[n];
            goOn &= cpu.CommitWrite(target);
        }

        return true;
    }

    private static ulong* Quads(CpuState* s, int n) => s->XmmRegisters + (2 * n);

    private static Vector128<byte>* FirstXmm(CpuState* s, DecodedInstruction* i) => VectorUnit.Xmm(s, i->Destination);

    private static nint Copy(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        if (!VectorUnit.IsSseReady(s))
        {
            return VectorUnit.RefuseSse(s, i, cpu);
        }

        *VectorUnit.Xmm(s, i->Destination) = *VectorUnit.Xmm(s, i->Source);
        return Flow.Next(s, i, cpu);
    }

    private static nint LoadAligned(CpuState* s, DecodedInstruction* i, Interpreter cpu) =>
        VectorUnit.IsSseReady(s) ? Load(s, i, cpu, VectorUnit.ReadAligned(s, i, cpu)) : VectorUnit.RefuseSse(s, i, cpu);

    private static nint LoadUnaligned(CpuState* s, DecodedInstruction* i, Interpreter cpu) =>
        VectorUnit.IsSseReady(s) ? Load(s, i, cpu, VectorUnit.Read(s, i, cpu, 16)) : VectorUnit.RefuseSse(s, i, cpu);

    private static nint Load(CpuState* s, DecodedInstruction* i, Interpreter cpu, byte* source)
    {
        if (source == null)
        {
            return Flow.StopHere(i, cpu);
        }

        *VectorUnit.Xmm(s, i->Destination) = Vector128.Load(source);
        return Flow.Next(s, i, cpu);
    }

    private static nint StoreAligned(CpuState* s, DecodedInstruction* i, Interpreter cpu) =>
        VectorUnit.IsSseReady(s) ? VectorUnit.StoreAligned(s, i, cpu, VectorUnit.Xmm(s, i->Destination)) : VectorUnit.RefuseSse(s, i, cpu);

    private static nint StoreUnaligned(CpuState* s, DecodedInstruction* i, Interpreter cpu) => StorePart(s, i, cpu, 0, 16);

    private static nint StoreLow32(CpuState* s, DecodedInstruction* i, Interpreter cpu) => StorePart(s, i, cpu, 0, 4);

    private static nint StoreLow64(CpuState* s, DecodedInstruction* i, Interpreter cpu) => StorePart(s, i, cpu, 0, 8);

    private static nint StoreHigh(CpuState* s, DecodedInstruction* i, Interpreter cpu) => StorePart(s, i, cpu, 8, 8);

    private static nint StorePart(CpuState* s, DecodedInstruction* i, Interpreter cpu, int from, int size) =>
        VectorUnit.IsSseReady(s)
            ? VectorUnit.Store(s, i, cpu, (byte*)VectorUnit.Xmm(s, i->Destination) + from, size)
            : VectorUnit.RefuseSse(s, i, cpu);

    private static nint LoadSingle(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        if (!VectorUnit.IsSseReady(s))
        {
            return VectorUnit.RefuseSse(s, i, cpu);
        }

        byte* source = VectorUnit.Read(s, i, cpu, sizeof(uint));
        return source != null ? SetWhole(s, i, cpu, *(uint*)source) : Flow.StopHere(i, cpu);
    }

    private static nint LoadQuad(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        if (!VectorUnit.IsSseReady(s))
        {
            return VectorUnit.RefuseSse(s, i, cpu);
        }

        byte* source = VectorUnit.Read(s, i, cpu, sizeof(ulong));
        return source != null ? SetWhole(s, i, cpu, *(ulong*)source) : Flow.StopHere(i, cpu);
    }

    private static nint CopyQuad(CpuState* s, DecodedInstruction* i, Interpreter cpu) =>
        VectorUnit.IsSseReady(s) ? SetWhole(s, i, cpu, *Quads(s, i->Source)) : VectorUnit.RefuseSse(s, i, cpu);

    private static nint FromGeneral(CpuState* s, DecodedInstruction* i, Interpreter cpu) =>
        VectorUnit.IsSseReady(s) ? SetWhole(s, i, cpu, Operand.Register<uint>(s, i->Source)) : VectorUnit.RefuseSse(s, i, cpu);

    private static nint ToGeneral(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        if (!VectorUnit.IsSseReady(s))
        {
            return VectorUnit.RefuseSse(s, i, cpu);
        }

        Operand.SetRegister<uint>(s, i->Destination, (uint)*Quads(s, i->Source));
        return Flow.Next(s, i, cpu);
    }

    private static nint SetWhole(CpuState* s, DecodedInstruction* i, Interpreter cpu, ulong low)
    {
        *VectorUnit.Xmm(s, i->Destination) = Vector128.CreateScalar(low).AsByte();
        return Flow.Next(s, i, cpu);
    }

    private static nint CopySingle(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        if (!VectorUnit.IsSseReady(s))
        {
            return VectorUnit.RefuseSse(s, i, cpu);
        }

        *(uint*)VectorUnit.Xmm(s, i->Destination) = *(uint*)VectorUnit.Xmm(s, i->Source);
        return Flow.Next(s, i, cpu);
    }

    private static nint CopyLow(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        if (!VectorUnit.IsSseReady(s))
        {
            return VectorUnit.RefuseSse(s, i, cpu);
        }

        *Quads(s, i->Destination) = *Quads(s, i->Source);
        return Flow.Next(s, i, cpu);
    }

    private static nint LoadLow(CpuState* s, DecodedInstruction* i, Interpreter cpu) => LoadHalf(s, i, cpu, 0);

    private static nint LoadHigh(CpuState* s, DecodedInstruction* i, Interpreter cpu) => LoadHalf(s, i, cpu, 1);

    private static nint LoadHalf(CpuState* s, DecodedInstruction* i, Interpreter cpu, int half)
    {
        if (!VectorUnit.IsSseReady(s))
        {
            return VectorUnit.RefuseSse(s, i, cpu);
        }

        byte* source = VectorUnit.Read(s, i, cpu, sizeof(ulong));
        if (source == null)
        {
            return Flow.StopHere(i, cpu);
        }

        Quads(s, i->Destination)[half] = *(ulong*)source;
        return Flow.Next(s, i, cpu);
    }
}
