using System.Buffers.Binary;
using Iced.Intel;
using ToyVmm.Engines.Decoding;
using ToyVmm.Engines.Interpretation.FloatingPoint;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation.Instructions;

/// <summary>FNSTENV FLDENV FNSAVE FRSTOR, in the four layouts of SDM 1 figures 8-9 to 8-12: 16 and 32 bits, protected mode and real.</summary>
internal static unsafe class X87Environment
{
    private const int RegistersSize = 80;
    private const uint SegmentBits = 0xF000;

    /// <summary>The handler of FNSTENV.</summary>
    public static Handler Store(in Instruction x) =>
        x.Code is Code.Fnstenv_m14byte or Code.Fstenv_m14byte ? &StoreEnvironment<ushort> : &StoreEnvironment<uint>;

    /// <summary>The handler of FLDENV.</summary>
    public static Handler Load(in Instruction x) => x.Code == Code.Fldenv_m14byte ? &LoadEnvironment<ushort> : &LoadEnvironment<uint>;

    /// <summary>The handler of FNSAVE.</summary>
    public static Handler Save(in Instruction x) => x.Code is Code.Fnsave_m94byte or Code.Fsave_m94byte ? &SaveState<ushort> : &SaveState<uint>;

    /// <summary>The handler of FRSTOR.</summary>
    public static Handler Restore(in Instruction x) => x.Code == Code.Frstor_m94byte ? &RestoreState<ushort> : &RestoreState<uint>;

    /// <summary>The full tag word, from the abridged one and the registers (SDM 1 8.1.7).</summary>
    public static ushort TagWord(CpuState* s)
    {
        uint tags = 0;
        for (int n = 0; n < 8; n++)
        {
            Float80 value = X87Unit.GetPhysical(s, n);
            uint tag = ((s->FpuTags >> n) & 1) == 0 ? 3u
                : value.IsZero ? 1u
                : value.Exponent is 0 or Float80.SpecialExponent || value.IsUnsupported ? 2u
                : 0u;
            tags |= tag << (2 * n);
        }

        return (ushort)tags;
    }

    private static nint StoreEnvironment<T>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where T : unmanaged
    {
        if (!X87Unit.IsAvailable(s))
        {
            return X87Unit.Refuse(s, i, cpu);
        }

        Span<byte> image = stackalloc byte[7 * sizeof(T)];
        Write<T>(s, cpu, image);
        if (!X87Memory.TryWrite(s, i, cpu, image, sizeof(T), out bool goOn))
        {
            return Flow.StopHere(i, cpu);
        }

        // All exceptions are masked afterwards, so that a handler can go on (SDM 2A, FSTENV).
        X87Control.SetControl(s, s->FpuControl | FloatException.All);
        return Flow.NextIf(goOn, s, i, cpu);
    }

    private static nint LoadEnvironment<T>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where T : unmanaged
    {
        if (!X87Unit.IsReady(s))
        {
            return X87Unit.Refuse(s, i, cpu);
        }

        Span<byte> image = stackalloc byte[7 * sizeof(T)];
        if (!X87Memory.TryRead(s, i, cpu, image, sizeof(T)))
        {
            return Flow.StopHere(i, cpu);
        }

        Read<T>(s, cpu, image);
        return Flow.Next(s, i, cpu);
    }

    private static nint SaveState<T>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where T : unmanaged
    {
        if (!X87Unit.IsAvailable(s))
        {
            return X87Unit.Refuse(s, i, cpu);
        }

        int environment = 7 * sizeof(T);
        Span<byte> image = stackalloc byte[environment + RegistersSize];
        Write<T>(s, cpu, image);
        for (int n = 0; n < 8; n++)
        {
            Float80 value = X87Unit.Get(s, n);
            Span<byte> slot = image[(environment + (10 * n))..];
            BinaryPrimitives.WriteUInt64LittleEndian(slot, value.Significand);
            BinaryPrimitives.WriteUInt16LittleEndian(slot[8..], value.SignExponent);
        }

        if (!X87Memory.TryWrite(s, i, cpu, image, sizeof(T), out bool goOn))
        {
            return Flow.StopHere(i, cpu);
        }

        X87Unit.Initialize(s);
        return Flow.NextIf(goOn, s, i, cpu);
    }

    private static nint RestoreState<T>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where T : unmanaged
    {
        if (!X87Unit.IsReady(s))
        {
            return X87Unit.Refuse(s, i, cpu);
        }

        int environment = 7 * sizeof(T);
        Span<byte> image = stackalloc byte[environment + RegistersSize];
        if (!X87Memory.TryRead(s, i, cpu, image, sizeof(T)))
        {
            return Flow.StopHere(i, cpu);
        }

        Read<T>(s, cpu, image);
        for (int n = 0; n < 8; n++)
        {
            ReadOnlySpan<byte> slot = image[(environment + (10 * n))..];
            Float80 value = new(BinaryPrimitives.ReadUInt16LittleEndian(slot[8..]), BinaryPrimitives.ReadUInt64LittleEndian(slot));
            X87Unit.SetPhysical(s, X87Unit.Physical(s, n), value);
        }

        return Flow.Next(s, i, cpu);
    }

    private static void Write<T>(CpuState* s, Interpreter cpu, Span<byte> image)
        where T : unmanaged
    {
        Put<T>(image, 0, s->FpuControl);
        Put<T>(image, 1, s->FpuStatus);
        Put<T>(image, 2, TagWord(s));
        if (cpu.IsProtected)
        {
            Put<T>(image, 3, s->FpuInstructionOffset);
            Put<T>(image, 4, s->FpuInstructionSelector | ((uint)s->FpuOpcode << 16));
            Put<T>(image, 5, s->FpuDataOffset);
            Put<T>(image, 6, s->FpuDataSelector);
        }
        else
        {
            // Linear addresses, cut in two.
            uint instruction = s->FpuInstructionOffset + ((uint)s->FpuInstructionSelector << 4);
            uint data = s->FpuDataOffset + ((uint)s->FpuDataSelector << 4);
            Put<T>(image, 3, instruction & 0xFFFF);
            Put<T>(image, 4, High<T>(instruction) | s->FpuOpcode);
            Put<T>(image, 5, data & 0xFFFF);
            Put<T>(image, 6, High<T>(data));
        }

        if (sizeof(T) == 4)
        {
            // The reserved halves are stored as ones.
            foreach (int field in (ReadOnlySpan<int>)(cpu.IsProtected ? [0, 1, 2, 6] : [0, 1, 2, 3, 5]))
            {
                image[(4 * field) + 2] = 0xFF;
                image[(4 * field) + 3] = 0xFF;
            }
        }
    }

    private static void Read<T>(CpuState* s, Interpreter cpu, ReadOnlySpan<byte> image)
        where T : unmanaged
    {
        s->FpuStatus = (ushort)Take<T>(image, 1);
        uint tags = Take<T>(image, 2);
        s->FpuTags = 0;
        for (int n = 0; n < 8; n++)
        {
            s->FpuTags |= (ushort)(((tags >> (2 * n)) & 3) == 3 ? 0 : 1 << n);
        }

        uint instruction = Take<T>(image, 3);
        uint code = Take<T>(image, 4);
        uint data = Take<T>(image, 5);
        uint segment = Take<T>(image, 6);
        if (cpu.IsProtected)
        {
            s->FpuInstructionOffset = instruction;
            s->FpuInstructionSelector = (ushort)code;
            s->FpuOpcode = (ushort)((code >> 16) & 0x7FF);
            s->FpuDataOffset = data;
            s->FpuDataSelector = (ushort)segment;
        }
        else
        {
            s->FpuInstructionOffset = (instruction & 0xFFFF) | Low<T>(code);
            s->FpuInstructionSelector = 0;
            s->FpuOpcode = (ushort)(code & 0x7FF);
            s->FpuDataOffset = (data & 0xFFFF) | Low<T>(segment);
            s->FpuDataSelector = 0;
        }

        X87Control.SetControl(s, Take<T>(image, 0));
    }

    // Bits 16 and up of a linear address, as real-mode images keep them: from bit 12 on; four of them in 16 bits.
    private static uint High<T>(uint linear)
        where T : unmanaged
        => sizeof(T) == 4 ? linear >> 16 << 12 : (linear >> 4) & SegmentBits;

    private static uint Low<T>(uint field)
        where T : unmanaged
        => sizeof(T) == 4 ? field >> 12 << 16 : (field & SegmentBits) << 4;

    private static void Put<T>(Span<byte> image, int field, uint value)
        where T : unmanaged
    {
        if (sizeof(T) == 4)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(image[(4 * field)..], value);
        }
        else
        {
            BinaryPrimitives.WriteUInt16LittleEndian(image[(2 * field)..], (ushort)value);
        }
    }

    private static uint Take<T>(ReadOnlySpan<byte> image, int field)
        where T : unmanaged
        => sizeof(T) == 4 ? BinaryPrimitives.ReadUInt32LittleEndian(image[(4 * field)..]) : BinaryPrimitives.ReadUInt16LittleEndian(image[(2 * field)..]);
}
