using System.Numerics;
using Iced.Intel;
using ToyVmm.Engines.Decoding;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation.Instructions;

/// <summary>POPCNT and CRC32 (SDM 2B, 2A): came with SSE4.2, work on general registers, and CR0 and CR4 do not guard them.</summary>
internal static unsafe class BitCounting
{
    /// <summary>The handler of POPCNT.</summary>
    public static Handler Count(in Instruction x) => Width.Of(x) == 2 ? &Count<ushort> : &Count<uint>;

    /// <summary>The handler of CRC32: the size is the source's.</summary>
    public static Handler Check(in Instruction x) => x.Code switch
    {
        Code.Crc32_r32_rm8 => &Check<byte>,
        Code.Crc32_r32_rm16 => &Check<ushort>,
        _ => &Check<uint>,
    };

    private static nint Count<T>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where T : unmanaged
    {
        byte* source = Source<T>(s, i, cpu);
        if (source == null)
        {
            return Flow.StopHere(i, cpu);
        }

        uint count = (uint)BitOperations.PopCount(Operand.Load<T>(source));
        Operand.SetRegister<T>(s, i->Destination, count);
        LazyFlags.Set(s, count == 0 ? Eflags.ZF : 0);
        return Flow.Next(s, i, cpu);
    }

    private static nint Check<T>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where T : unmanaged
    {
        byte* source = Source<T>(s, i, cpu);
        if (source == null)
        {
            return Flow.StopHere(i, cpu);
        }

        // The polynomial 11EDC6F41, reflected: .NET's Crc32C, which has the same bits with and without the host's instruction.
        uint crc = Operand.Register<uint>(s, i->Destination);
        uint data = Operand.Load<T>(source);
        crc = sizeof(T) switch
        {
            1 => BitOperations.Crc32C(crc, (byte)data),
            2 => BitOperations.Crc32C(crc, (ushort)data),
            _ => BitOperations.Crc32C(crc, data),
        };
        Operand.SetRegister<uint>(s, i->Destination, crc);
        return Flow.Next(s, i, cpu);
    }

    private static byte* Source<T>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where T : unmanaged
        => VectorUnit.IsMemory(i) ? VectorUnit.Read(s, i, cpu, sizeof(T)) : (byte*)s + i->Source;
}
