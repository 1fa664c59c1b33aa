using Iced.Intel;
using ToyVmm.Engines.Decoding;
using ToyVmm.Engines.Translation;

namespace ToyVmm.Engines.Generation;

/// <summary>Tells which instructions the translator has the host CPU execute.</summary>
public static class HostExecution
{
    /// <summary>True for an instruction that the translator does not leave to the interpreter wherever it stands.</summary>
    /// <param name="bytes">The instruction.</param>
    /// <param name="code32">True for 32-bit code.</param>
    public static bool IsPossible(ReadOnlySpan<byte> bytes, bool code32)
    {
        Decoder decoder = Decoder.Create(code32 ? 32 : 16, bytes.ToArray(), InstructionDecoder.P6Options);
        return CallOutList.ReasonFor(decoder.Decode()) == CallOutReason.None;
    }
}
