using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.CompilerServices;
using Iced.Intel;
using ToyVmm.Engines.Decoding;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation.Instructions;

/// <summary>What BT, BTS, BTR or BTC does to the bit it has copied to CF.</summary>
internal interface IBitOperation
{
    /// <summary>False for BT.</summary>
    static abstract bool Writes { get; }

    /// <summary>The new value.</summary>
    static abstract uint Apply(uint value, uint mask);
}

internal readonly struct BitTest : IBitOperation
{
    public static bool Writes => false;

    public static uint Apply(uint value, uint mask) => value;
}

internal readonly struct BitSet : IBitOperation
{
    public static bool Writes => true;

    public static uint Apply(uint value, uint mask) => value | mask;
}

internal readonly struct BitReset : IBitOperation
{
    public static bool Writes => true;

    public static uint Apply(uint value, uint mask) => value & ~mask;
}

internal readonly struct BitComplement : IBitOperation
{
    public static bool Writes => true;

    public static uint Apply(uint value, uint mask) => value ^ mask;
}

/// <summary>BT, BTS, BTR, BTC, BSF, BSR, BSWAP (SDM 2A). The bit tests set CF; the other flags are undefined and stay, as on AMD.</summary>
internal static unsafe class BitInstructions
{
    /// <summary>The handler of BT and its brothers.</summary>
    public static Handler Test<TOp>(in Instruction x, AddressForm form)
        where TOp : struct, IBitOperation
        => Width.Of(x) == 2 ? Test<TOp, ushort>(x, form) : Test<TOp, uint>(x, form);

    /// <summary>The handler of BSF.</summary>
    public static Handler ScanForward(in Instruction x, AddressForm form) =>
        Width.Of(x) == 2 ? Scan<ushort, Forward>(x, form) : Scan<uint, Forward>(x, form);

    /// <summary>The handler of BSR.</summary>
    public static Handler ScanReverse(in Instruction x, AddressForm form) =>
        Width.Of(x) == 2 ? Scan<ushort, Reverse>(x, form) : Scan<uint, Reverse>(x, form);

    /// <summary>The handler of BSWAP.</summary>
    public static Handler ByteSwap(in Instruction x) => Width.Of(x) == 2 ? &ByteSwap16 : &ByteSwap32;

    private static Handler Test<TOp, T>(in Instruction x, AddressForm form)
        where TOp : struct, IBitOperation
        where T : unmanaged
    {
        bool registerIndex = x.Op1Kind == OpKind.Register;
        if (x.Op0Kind == OpKind.Register)
        {
            return registerIndex ? &TestRegisterRegister<TOp, T> : &TestRegisterImmediate<TOp, T>;
        }

        return registerIndex
            ? &TestString<TOp, T>
            : form switch
            {
                AddressForm.FlatBase => &TestMemoryImmediate<TOp, T, FlatBase>,
                AddressForm.FlatIndexed => &TestMemoryImmediate<TOp, T, FlatIndexed>,
                _ => &TestMemoryImmediate<TOp, T, Segmented>,
            };
    }

    private static Handler Scan<T, TDirection>(in Instruction x, AddressForm form)
        where T : unmanaged
        where TDirection : struct, IDirection
        => x.Op1Kind == OpKind.Register
            ? &ScanRegister<T, TDirection>
            : form switch
            {
                AddressForm.FlatBase => &ScanMemory<T, TDirection, FlatBase>,
                AddressForm.FlatIndexed => &ScanMemory<T, TDirection, FlatIndexed>,
                _ => &ScanMemory<T, TDirection, Segmented>,
            };

    private static nint TestRegisterRegister<TOp, T>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where TOp : struct, IBitOperation
        where T : unmanaged
    {
        uint result = Apply<TOp, T>(s, Operand.Register<T>(s, i->Destination), Operand.Register<T>(s, i->Source));
        if (TOp.Writes)
        {
            Operand.SetRegister<T>(s, i->Destination, result);
        }

        return Flow.Next(s, i, cpu);
    }

    private static nint TestRegisterImmediate<TOp, T>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where TOp : struct, IBitOperation
        where T : unmanaged
    {
        uint result = Apply<TOp, T>(s, Operand.Register<T>(s, i->Destination), i->Immediate);
        if (TOp.Writes)
        {
            Operand.SetRegister<T>(s, i->Destination, result);
        }

        return Flow.Next(s, i, cpu);
    }

    private static nint TestMemoryImmediate<TOp, T, TAddress>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where TOp : struct, IBitOperation
        where T : unmanaged
        where TAddress : struct, IAddress
    {
        byte* target = TOp.Writes ? TAddress.Update(s, i, cpu, sizeof(T)) : TAddress.Read(s, i, cpu, sizeof(T));
        if (target == null)
        {
            return TAddress.IsDirect ? TestMemoryImmediate<TOp, T, Segmented>(s, i, cpu) : Flow.StopHere(i, cpu);
        }

        uint result = Apply<TOp, T>(s, Operand.Load<T>(target), i->Immediate);
        if (!TOp.Writes)
        {
            return Flow.Next(s, i, cpu);
        }

        Operand.Store<T>(target, result);
        return Flow.NextIf(TAddress.Commit(cpu, target), s, i, cpu);
    }

    // A register index reaches any bit of a string of bits around the operand's address.
    private static nint TestString<TOp, T>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where TOp : struct, IBitOperation
        where T : unmanaged
    {
        uint index = Operand.Register<T>(s, i->Source);
        byte* target = BeginString<T>(s, i, cpu, index, TOp.Writes);
        if (target == null)
        {
            return Flow.StopHere(i, cpu);
        }

        uint result = Apply<TOp, T>(s, Operand.Load<T>(target), index);
        if (!TOp.Writes)
        {
            return Flow.Next(s, i, cpu);
        }

        Operand.Store<T>(target, result);
        return Flow.NextIf(cpu.CommitWrite(target), s, i, cpu);
    }

    // The index is signed and counts operands of T; the sum wraps at the address size (SDM 2A, BT).
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static byte* BeginString<T>(CpuState* s, DecodedInstruction* i, Interpreter cpu, uint index, bool writes)
        where T : unmanaged
    {
        int unit = (int)Operand.SignExtend<T>(index) >> (sizeof(T) == 4 ? 5 : 4);
        uint offset = FlatIndexed.Effective(s, i) + (uint)(unit * sizeof(T));
        if ((i->Flags & InstructionFlags.Address32) == 0)
        {
            offset = (ushort)offset;
        }

        if (!writes)
        {
            return cpu.BeginSegmentRead(i->Segment, offset, sizeof(T));
        }

        if (!cpu.CheckSegment(i->Segment, offset, sizeof(T), SegmentRights.Read | SegmentRights.Write, out uint linear))
        {
            return null;
        }

        byte* direct = Direct.Write(s, linear, sizeof(T));
        return direct != null ? direct : cpu.BeginUpdate(linear, sizeof(T));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static uint Apply<TOp, T>(CpuState* s, uint value, uint index)
        where TOp : struct, IBitOperation
        where T : unmanaged
    {
        uint mask = 1u << (int)(index & (uint)(Operand.Bits<T>() - 1));
        FlagSetters.Carry(s, (value & mask) != 0);
        return TOp.Apply(value, mask);
    }

    private static nint ScanRegister<T, TDirection>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where T : unmanaged
        where TDirection : struct, IDirection
    {
        Scan<T, TDirection>(s, i, Operand.Register<T>(s, i->Source));
        return Flow.Next(s, i, cpu);
    }

    private static nint ScanMemory<T, TDirection, TAddress>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where T : unmanaged
        where TDirection : struct, IDirection
        where TAddress : struct, IAddress
    {
        byte* source = TAddress.Read(s, i, cpu, sizeof(T));
        if (source == null)
        {
            return TAddress.IsDirect ? ScanMemory<T, TDirection, Segmented>(s, i, cpu) : Flow.StopHere(i, cpu);
        }

        Scan<T, TDirection>(s, i, Operand.Load<T>(source));
        return Flow.Next(s, i, cpu);
    }

    // ZF tells that there was no bit; the other flags are undefined: 0 on AMD, and PF that of the result. Without a bit the
    // destination stays (AMD documents it, Intel's processors do it).
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Scan<T, TDirection>(CpuState* s, DecodedInstruction* i, uint value)
        where T : unmanaged
        where TDirection : struct, IDirection
    {
        s->FlagsCarries = 0;
        if (value == 0)
        {
            s->FlagsResult = 0;
            return;
        }

        uint result = TDirection.Find(value);

        // Bit 8 keeps the flags' result from being zero when the index is.
        s->FlagsResult = result | 0x100;
        Operand.SetRegister<T>(s, i->Destination, result);
    }

    private static nint ByteSwap32(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        Operand.SetRegister<uint>(s, i->Destination, BinaryPrimitives.ReverseEndianness(Operand.Register<uint>(s, i->Destination)));
        return Flow.Next(s, i, cpu);
    }

    // Undefined (SDM 2A, BSWAP); the processors give 0.
    private static nint ByteSwap16(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        Operand.SetRegister<ushort>(s, i->Destination, 0);
        return Flow.Next(s, i, cpu);
    }

    private interface IDirection
    {
        static abstract uint Find(uint value);
    }

    private readonly struct Forward : IDirection
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static uint Find(uint value) => (uint)BitOperations.TrailingZeroCount(value);
    }

    private readonly struct Reverse : IDirection
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static uint Find(uint value) => (uint)BitOperations.Log2(value);
    }
}
