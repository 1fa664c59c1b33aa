using System.Runtime.Intrinsics;
using Iced.Intel;
using ToyVmm.Engines.Decoding;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation.Instructions;

/// <summary>The CVT instructions: between floats and integers, between the formats, with XMM, MMX and general registers (SDM 1 11.6.4).</summary>
internal static unsafe class SseConversions
{
    /// <summary>Two or four lanes of an XMM register or memory to an XMM register, whose rest is cleared.</summary>
    public static nint Packed<TConversion>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where TConversion : struct, ISseConversion
    {
        if (!VectorUnit.IsSseReady(s))
        {
            return VectorUnit.RefuseSse(s, i, cpu);
        }

        int lanes = Lanes<TConversion>();
        byte* source = Source(s, i, cpu, lanes * TConversion.SourceSize);
        if (source == null)
        {
            return Flow.StopHere(i, cpu);
        }

        Vector128<byte> result = default;
        SseEnvironment env = new(s->Mxcsr);
        Convert<TConversion>(source, (byte*)&result, lanes, ref env);
        if (!SseInstructions.TryReport(s, env))
        {
            return SseInstructions.Refuse(s, i, cpu);
        }

        *VectorUnit.Xmm(s, i->Destination) = result;
        return Flow.Next(s, i, cpu);
    }

    /// <summary>The lowest lane of an XMM register or memory to that of an XMM register, whose rest stays.</summary>
    public static nint Scalar<TConversion>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where TConversion : struct, ISseConversion
        => VectorUnit.IsSseReady(s)
            ? Single<TConversion>(s, i, cpu, VectorUnit.Source(s, i, cpu, TConversion.SourceSize), (byte*)VectorUnit.Xmm(s, i->Destination))
            : VectorUnit.RefuseSse(s, i, cpu);

    /// <summary>CVTSI2SS, CVTSI2SD.</summary>
    public static nint FromGeneral<TConversion>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where TConversion : struct, ISseConversion
    {
        if (!VectorUnit.IsSseReady(s))
        {
            return VectorUnit.RefuseSse(s, i, cpu);
        }

        byte* source = VectorUnit.IsMemory(i) ? VectorUnit.Read(s, i, cpu, sizeof(uint)) : (byte*)s + i->Source;
        return Single<TConversion>(s, i, cpu, source, (byte*)VectorUnit.Xmm(s, i->Destination));
    }

    /// <summary>CVTSS2SI, CVTTSS2SI, CVTSD2SI, CVTTSD2SI.</summary>
    public static nint ToGeneral<TConversion>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where TConversion : struct, ISseConversion
        => VectorUnit.IsSseReady(s)
            ? Single<TConversion>(s, i, cpu, VectorUnit.Source(s, i, cpu, TConversion.SourceSize), (byte*)s + i->Destination)
            : VectorUnit.RefuseSse(s, i, cpu);

    /// <summary>CVTPS2PI, CVTTPS2PI, CVTPD2PI, CVTTPD2PI: two lanes to an MMX register.</summary>
    public static nint ToMmx<TConversion>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where TConversion : struct, ISseConversion
    {
        if (!VectorUnit.IsBothReady(s))
        {
            return VectorUnit.RefuseBoth(s, i, cpu);
        }

        byte* source = Source(s, i, cpu, 2 * TConversion.SourceSize);
        if (source == null)
        {
            return Flow.StopHere(i, cpu);
        }

        ulong result = 0;
        SseEnvironment env = new(s->Mxcsr);
        Convert<TConversion>(source, (byte*)&result, 2, ref env);
        if (!SseInstructions.TryReport(s, env))
        {
            return SseInstructions.Refuse(s, i, cpu);
        }

        VectorUnit.EnterMmx(s);
        VectorUnit.SetMmx(s, i->Destination, result);
        return Flow.Next(s, i, cpu);
    }

    /// <summary>The handler of CVTPI2PS and CVTPI2PD: with a memory operand the x87 unit is left alone (SDM 2A, CVTPI2PD).</summary>
    public static Handler FromMmx<TConversion>(in Instruction x)
        where TConversion : struct, ISseConversion
        => x.Op1Kind == OpKind.Memory ? &FromPackedMemory<TConversion> : &FromMmxRegister<TConversion>;

    private static nint FromPackedMemory<TConversion>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where TConversion : struct, ISseConversion
    {
        if (!VectorUnit.IsSseReady(s))
        {
            return VectorUnit.RefuseSse(s, i, cpu);
        }

        byte* source = VectorUnit.Read(s, i, cpu, sizeof(ulong));
        return source != null ? Pair<TConversion>(s, i, cpu, source, entersMmx: false) : Flow.StopHere(i, cpu);
    }

    private static nint FromMmxRegister<TConversion>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where TConversion : struct, ISseConversion
        => VectorUnit.IsBothReady(s)
            ? Pair<TConversion>(s, i, cpu, (byte*)&s->FpuRegisters[2 * i->Source], entersMmx: true)
            : VectorUnit.RefuseBoth(s, i, cpu);

    // Two integers to the lower lanes; CVTPI2PS keeps the upper half.
    private static nint Pair<TConversion>(CpuState* s, DecodedInstruction* i, Interpreter cpu, byte* source, bool entersMmx)
        where TConversion : struct, ISseConversion
    {
        Vector128<byte> result = *VectorUnit.Xmm(s, i->Destination);
        SseEnvironment env = new(s->Mxcsr);
        Convert<TConversion>(source, (byte*)&result, 2, ref env);
        if (!SseInstructions.TryReport(s, env))
        {
            return SseInstructions.Refuse(s, i, cpu);
        }

        if (entersMmx)
        {
            VectorUnit.EnterMmx(s);
        }

        *VectorUnit.Xmm(s, i->Destination) = result;
        return Flow.Next(s, i, cpu);
    }

    private static nint Single<TConversion>(CpuState* s, DecodedInstruction* i, Interpreter cpu, byte* source, byte* destination)
        where TConversion : struct, ISseConversion
    {
        if (source == null)
        {
            return Flow.StopHere(i, cpu);
        }

        ulong result = 0;
        SseEnvironment env = new(s->Mxcsr);
        Convert<TConversion>(source, (byte*)&result, 1, ref env);
        if (!SseInstructions.TryReport(s, env))
        {
            return SseInstructions.Refuse(s, i, cpu);
        }

        new ReadOnlySpan<byte>(&result, TConversion.ResultSize).CopyTo(new Span<byte>(destination, TConversion.ResultSize));
        return Flow.Next(s, i, cpu);
    }

    // A source of 16 bytes must be aligned in memory, a smaller one need not be.
    private static byte* Source(CpuState* s, DecodedInstruction* i, Interpreter cpu, int size) =>
        VectorUnit.IsMemory(i) && size == 16 ? VectorUnit.ReadAligned(s, i, cpu) : VectorUnit.Source(s, i, cpu, size);

    private static int Lanes<TConversion>()
        where TConversion : struct, ISseConversion
        => 16 / Math.Max(TConversion.SourceSize, TConversion.ResultSize);

    private static void Convert<TConversion>(byte* source, byte* result, int lanes, ref SseEnvironment env)
        where TConversion : struct, ISseConversion
    {
        for (int n = 0; n < lanes; n++)
        {
            ulong value = TConversion.SourceSize == 4 ? ((uint*)source)[n] : ((ulong*)source)[n];
            value = TConversion.Convert(value, ref env);
            if (TConversion.ResultSize == 4)
            {
                ((uint*)result)[n] = (uint)value;
            }
            else
            {
                ((ulong*)result)[n] = value;
            }
        }
    }
}
