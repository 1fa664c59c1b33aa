using System.Buffers.Binary;
using Iced.Intel;
using ToyVmm.Engines.Decoding;
using ToyVmm.Engines.Interpretation.FloatingPoint;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation.Instructions;

/// <summary>FXSAVE FXRSTOR LDMXCSR STMXCSR (SDM 1 10.5), the fences and the cache hints.</summary>
internal static unsafe class SseState
{
    /// <summary>The bits of MXCSR that exist, DAZ included: what FXSAVE tells as MXCSR_MASK. Any other raises #GP(0).</summary>
    public const uint MxcsrMask = 0xFFFF;

    // SDM 2A table 3-44. FXSAVE writes what is defined; the rest belongs to software or to XMM8-15, which 32-bit code does not have.
    private const int ImageSize = 512;
    private const int WrittenSize = 288;
    private const int RegistersAt = 32;
    private const int XmmAt = 160;

    /// <summary>The handler of an instruction of this family; null where it is none.</summary>
    public static Handler Select(in Instruction x) => x.Mnemonic switch
    {
        Mnemonic.Fxsave => &Save,
        Mnemonic.Fxrstor => &Restore,
        Mnemonic.Ldmxcsr => &LoadControl,
        Mnemonic.Stmxcsr => &StoreControl,
        Mnemonic.Clflush => &FlushLine,

        // Every access is already in order, and there is no cache: PREFETCHh and the fences have nothing to do.
        Mnemonic.Lfence or Mnemonic.Mfence or Mnemonic.Sfence => &DataTransfer.NoOperation,
        Mnemonic.Prefetchnta or Mnemonic.Prefetcht0 or Mnemonic.Prefetcht1 or Mnemonic.Prefetcht2 => &DataTransfer.NoOperation,
        _ => null,
    };

    private static nint LoadControl(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        if (!VectorUnit.IsSseReady(s))
        {
            return VectorUnit.RefuseSse(s, i, cpu);
        }

        byte* source = VectorUnit.Read(s, i, cpu, sizeof(uint));
        if (source == null || !CheckControl(cpu, *(uint*)source))
        {
            return Flow.StopHere(i, cpu);
        }

        s->Mxcsr = *(uint*)source;
        return Flow.Next(s, i, cpu);
    }

    private static nint StoreControl(CpuState* s, DecodedInstruction* i, Interpreter cpu) =>
        VectorUnit.IsSseReady(s) ? VectorUnit.Store(s, i, cpu, &s->Mxcsr, sizeof(uint)) : VectorUnit.RefuseSse(s, i, cpu);

    // CLFLUSH is checked as a load of a byte (SDM 2A, CLFLUSH).
    private static nint FlushLine(CpuState* s, DecodedInstruction* i, Interpreter cpu) =>
        cpu.CheckSegment(i->Segment, Segmented.Effective(s, i), 1, SegmentRights.Read, out uint linear)
        && cpu.TryTranslate(linear, 1, write: false, s->Cpl == 3, out _, out _)
            ? Flow.Next(s, i, cpu)
            : Flow.StopHere(i, cpu);

    private static nint Save(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        if (!X87Unit.IsAvailable(s))
        {
            return X87Unit.Refuse(s, i, cpu);
        }

        Span<byte> image = stackalloc byte[WrittenSize];
        image.Clear();
        BinaryPrimitives.WriteUInt16LittleEndian(image, s->FpuControl);
        BinaryPrimitives.WriteUInt16LittleEndian(image[2..], s->FpuStatus);
        image[4] = (byte)s->FpuTags;
        BinaryPrimitives.WriteUInt16LittleEndian(image[6..], s->FpuOpcode);
        BinaryPrimitives.WriteUInt32LittleEndian(image[8..], s->FpuInstructionOffset);
        BinaryPrimitives.WriteUInt16LittleEndian(image[12..], s->FpuInstructionSelector);
        BinaryPrimitives.WriteUInt32LittleEndian(image[16..], s->FpuDataOffset);
        BinaryPrimitives.WriteUInt16LittleEndian(image[20..], s->FpuDataSelector);
        bool hasSse = cpu.Vcpu.Model.Has(CpuFeatures.Sse);
        if (hasSse)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(image[24..], s->Mxcsr);
            BinaryPrimitives.WriteUInt32LittleEndian(image[28..], MxcsrMask);
        }

        for (int n = 0; n < 8; n++)
        {
            Float80 value = X87Unit.Get(s, n);
            Span<byte> slot = image[(RegistersAt + (16 * n))..];
            BinaryPrimitives.WriteUInt64LittleEndian(slot, value.Significand);
            BinaryPrimitives.WriteUInt16LittleEndian(slot[8..], value.SignExponent);
        }

        new ReadOnlySpan<byte>(s->XmmRegisters, 128).CopyTo(image[XmmAt..]);

        // A Pentium II's image ends behind the x87 registers; what follows is software's.
        image = hasSse ? image : image[..XmmAt];
        return CheckAligned(s, i, cpu) && X87Memory.TryWrite(s, i, cpu, image, 16, out bool goOn)
            ? Flow.NextIf(goOn, s, i, cpu)
            : Flow.StopHere(i, cpu);
    }

    private static nint Restore(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        if (!X87Unit.IsAvailable(s))
        {
            return X87Unit.Refuse(s, i, cpu);
        }

        Span<byte> image = stackalloc byte[ImageSize];
        if (!CheckAligned(s, i, cpu) || !X87Memory.TryRead(s, i, cpu, image, 16))
        {
            return Flow.StopHere(i, cpu);
        }

        bool hasSse = cpu.Vcpu.Model.Has(CpuFeatures.Sse);
        uint mxcsr = hasSse ? BinaryPrimitives.ReadUInt32LittleEndian(image[24..]) : s->Mxcsr;
        if (!CheckControl(cpu, mxcsr))
        {
            return Flow.StopHere(i, cpu);
        }

        s->Mxcsr = mxcsr;
        s->FpuStatus = BinaryPrimitives.ReadUInt16LittleEndian(image[2..]);
        s->FpuTags = image[4];
        s->FpuOpcode = (ushort)(BinaryPrimitives.ReadUInt16LittleEndian(image[6..]) & 0x7FF);
        s->FpuInstructionOffset = BinaryPrimitives.ReadUInt32LittleEndian(image[8..]);
        s->FpuInstructionSelector = BinaryPrimitives.ReadUInt16LittleEndian(image[12..]);
        s->FpuDataOffset = BinaryPrimitives.ReadUInt32LittleEndian(image[16..]);
        s->FpuDataSelector = BinaryPrimitives.ReadUInt16LittleEndian(image[20..]);
        for (int n = 0; n < 8; n++)
        {
            ReadOnlySpan<byte> slot = image[(RegistersAt + (16 * n))..];
            Float80 value = new(BinaryPrimitives.ReadUInt16LittleEndian(slot[8..]), BinaryPrimitives.ReadUInt64LittleEndian(slot));
            X87Unit.SetPhysical(s, X87Unit.Physical(s, n), value);
        }

        if (hasSse)
        {
            image.Slice(XmmAt, 128).CopyTo(new Span<byte>(s->XmmRegisters, 128));
        }

        X87Control.SetControl(s, BinaryPrimitives.ReadUInt16LittleEndian(image));
        return Flow.Next(s, i, cpu);
    }

    private static bool CheckControl(Interpreter cpu, uint value) =>
        (value & ~MxcsrMask) == 0 || cpu.Raise(Vector.GeneralProtection, 0, "a reserved bit of MXCSR");

    private static bool CheckAligned(CpuState* s, DecodedInstruction* i, Interpreter cpu) =>
        ((cpu.Segment(i->Segment)->Base + Segmented.Effective(s, i)) & 15) == 0
        || cpu.Raise(Vector.GeneralProtection, 0, "an FXSAVE image that is not aligned");
}
