using Iced.Intel;
using ToyVmm.Engines.Decoding;
using ToyVmm.Engines.Translation;

namespace ToyVmm.Engines.Metering;

/// <summary>Which kind of intervention an instruction is, if the interpreter performs it for emitted code.</summary>
internal static class InterventionClass
{
    /// <summary>Looks at an instruction.</summary>
    /// <param name="code">Its bytes; what is behind them does not matter.</param>
    /// <param name="code32">True in 32-bit code.</param>
    /// <param name="offset">Its offset in CS.</param>
    /// <param name="disassembler">What makes its text.</param>
    public static (InterventionKind Kind, string Text) Of(ReadOnlySpan<byte> code, bool code32, uint offset, Disassembler disassembler)
    {
        int bits = code32 ? 32 : 16;
        string text = disassembler.Disassemble(code, bits, offset).Text;
        if (code.IsEmpty)
        {
            return (InterventionKind.OtherCallOut, text);
        }

        Decoder.Create(bits, new ByteArrayCodeReader(code.ToArray()), offset).Decode(out Instruction instruction);
        return (Of(instruction), text);
    }

    private static InterventionKind Of(in Instruction x) => x.Mnemonic switch
    {
        Mnemonic.Invlpg => InterventionKind.PageInvalidation,
        Mnemonic.Mov when x.Op0Kind == OpKind.Register && x.Op0Register == Register.CR3 => InterventionKind.PageTableLoad,
        Mnemonic.Int or Mnemonic.Int1 or Mnemonic.Int3 or Mnemonic.Sysenter => InterventionKind.SystemCall,
        Mnemonic.Iret or Mnemonic.Iretd or Mnemonic.Sysexit => InterventionKind.InterruptReturn,
        _ => CallOutList.ReasonFor(x) switch
        {
            CallOutReason.SystemState => InterventionKind.SystemState,
            CallOutReason.VirtualCpu => InterventionKind.CpuQuestion,
            CallOutReason.SegmentLoad => InterventionKind.SegmentLoad,
            CallOutReason.FarTransfer => InterventionKind.FarTransfer,
            CallOutReason.FloatingPointEnvironment => InterventionKind.FloatingPoint,
            _ => InterventionKind.OtherCallOut,
        },
    };
}
