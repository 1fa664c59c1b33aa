using System.Runtime.Intrinsics;
using Iced.Intel;
using ToyVmm.Engines.Decoding;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation.Instructions;

/// <summary>Two-operand instructions on packed integers, on MMX and on XMM registers, and EMMS (SDM 1 9.4, 11.4.2).</summary>
internal static unsafe class VectorInteger
{
    /// <summary>The handler of an instruction whose MMX form is the XMM form on half the width.</summary>
    public static Handler Select<TOp>(in Instruction x)
        where TOp : struct, IVectorOperation
        => Select<TOp, TOp>(x);

    /// <summary>The handler of an instruction whose MMX form is another operation.</summary>
    public static Handler Select<TXmm, TMmx>(in Instruction x)
        where TXmm : struct, IVectorOperation
        where TMmx : struct, IVectorOperation
    {
        if (!x.Op0Register.IsMM())
        {
            return &Xmm<TXmm>;
        }

        // PUNPCKL reads only what it uses.
        return x.Op1Kind == OpKind.Memory && x.MemorySize.GetSize() == sizeof(uint) ? &MmxWithHalf<TMmx> : &Mmx<TMmx>;
    }

    /// <summary>EMMS: all x87 registers are empty.</summary>
    public static nint EmptyMmx(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        if (!VectorUnit.IsMmxReady(s))
        {
            return VectorUnit.RefuseMmx(s, i, cpu);
        }

        VectorUnit.EnterMmx(s);
        s->FpuTags = 0;
        return Flow.Next(s, i, cpu);
    }

    private static nint Mmx<TOp>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where TOp : struct, IVectorOperation
    {
        if (!VectorUnit.IsMmxReady(s))
        {
            return VectorUnit.RefuseMmx(s, i, cpu);
        }

        return VectorUnit.TryMmxSource(s, i, cpu, out ulong source) ? Finish<TOp>(s, i, cpu, source) : Flow.StopHere(i, cpu);
    }

    private static nint MmxWithHalf<TOp>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where TOp : struct, IVectorOperation
    {
        if (!VectorUnit.IsMmxReady(s))
        {
            return VectorUnit.RefuseMmx(s, i, cpu);
        }

        byte* source = VectorUnit.Read(s, i, cpu, sizeof(uint));
        return source != null ? Finish<TOp>(s, i, cpu, *(uint*)source) : Flow.StopHere(i, cpu);
    }

    private static nint Finish<TOp>(CpuState* s, DecodedInstruction* i, Interpreter cpu, ulong source)
        where TOp : struct, IVectorOperation
    {
        Vector128<byte> destination = Vector128.CreateScalar(VectorUnit.Mmx(s, i->Destination)).AsByte();
        Vector128<byte> result = TOp.Apply(destination, Vector128.CreateScalar(source).AsByte());
        VectorUnit.EnterMmx(s);
        VectorUnit.SetMmx(s, i->Destination, result.AsUInt64().ToScalar());
        return Flow.Next(s, i, cpu);
    }

    private static nint Xmm<TOp>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where TOp : struct, IVectorOperation
    {
        if (!VectorUnit.IsSseReady(s))
        {
            return VectorUnit.RefuseSse(s, i, cpu);
        }

        if (!VectorUnit.TrySource(s, i, cpu, out Vector128<byte> source))
        {
            return Flow.StopHere(i, cpu);
        }

        Vector128<byte>* destination = VectorUnit.Xmm(s, i->Destination);
        *destination = TOp.Apply(*destination, source);
        return Flow.Next(s, i, cpu);
    }
}
