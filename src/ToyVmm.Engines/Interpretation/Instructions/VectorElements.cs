using System.Runtime.Intrinsics;
using Iced.Intel;
using ToyVmm.Engines.Decoding;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation.Instructions;

/// <summary>PEXTRB PEXTRW PEXTRD EXTRACTPS, PINSRB PINSRD INSERTPS: one element, to and from general registers and memory (SSE4.1).</summary>
internal static unsafe class VectorElements
{
    /// <summary>The handler of PEXTR and EXTRACTPS: a register gets the element zero-extended.</summary>
    public static Handler Extract<T>(in Instruction x)
        where T : unmanaged
        => x.Op0Kind == OpKind.Memory ? &ExtractToMemory<T> : &ExtractToRegister<T>;

    /// <summary>PINSRB, PINSRD.</summary>
    public static nint Insert<T>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where T : unmanaged
    {
        if (!VectorUnit.IsSseReady(s))
        {
            return VectorUnit.RefuseSse(s, i, cpu);
        }

        T* source = VectorUnit.IsMemory(i) ? (T*)VectorUnit.Read(s, i, cpu, sizeof(T)) : (T*)((byte*)s + i->Source);
        if (source == null)
        {
            return Flow.StopHere(i, cpu);
        }

        *Element<T>(s, i->Destination, i->Immediate) = *source;
        return Flow.Next(s, i, cpu);
    }

    /// <summary>INSERTPS: bits 6-7 choose the source's single (of a register), bits 4-5 its place; then bits 0-3 clear singles.</summary>
    public static nint InsertSingle(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        if (!VectorUnit.IsSseReady(s))
        {
            return VectorUnit.RefuseSse(s, i, cpu);
        }

        uint control = i->Immediate;
        uint* source = VectorUnit.IsMemory(i)
            ? (uint*)VectorUnit.Read(s, i, cpu, sizeof(uint))
            : (uint*)VectorUnit.Xmm(s, i->Source) + ((control >> 6) & 3);
        if (source == null)
        {
            return Flow.StopHere(i, cpu);
        }

        Vector128<uint> value = VectorUnit.Xmm(s, i->Destination)->AsUInt32().WithElement((int)(control >> 4) & 3, *source);
        for (int n = 0; n < 4; n++)
        {
            value = (control & (1u << n)) != 0 ? value.WithElement(n, 0u) : value;
        }

        *VectorUnit.Xmm(s, i->Destination) = value.AsByte();
        return Flow.Next(s, i, cpu);
    }

    private static nint ExtractToRegister<T>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where T : unmanaged
    {
        if (!VectorUnit.IsSseReady(s))
        {
            return VectorUnit.RefuseSse(s, i, cpu);
        }

        uint value = Operand.Load<T>((byte*)Element<T>(s, i->Source, i->Immediate));
        Operand.SetRegister<uint>(s, i->Destination, value);
        return Flow.Next(s, i, cpu);
    }

    private static nint ExtractToMemory<T>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where T : unmanaged
        => VectorUnit.IsSseReady(s)
            ? VectorUnit.Store(s, i, cpu, Element<T>(s, i->Source, i->Immediate), sizeof(T))
            : VectorUnit.RefuseSse(s, i, cpu);

    private static T* Element<T>(CpuState* s, int register, uint n)
        where T : unmanaged
        => (T*)VectorUnit.Xmm(s, register) + (n & (16u / (uint)sizeof(T) - 1));
}
