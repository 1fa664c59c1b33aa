using Iced.Intel;
using ToyVmm.Engines.Decoding;
using ToyVmm.Engines.Translation;

namespace ToyVmm.Engines.Generation;

/// <summary>Tells which instructions the host CPU executes for the translator, and which with the interpreter's results.</summary>
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

    /// <summary>True for an instruction whose undefined flags and results this host leaves as the interpreter does; found out by trying.</summary>
    /// <param name="bytes">The instruction.</param>
    /// <param name="code32">True for 32-bit code.</param>
    public static bool Agrees(ReadOnlySpan<byte> bytes, bool code32)
    {
        IReadOnlySet<Mnemonic> differing = HostFlags.Differing;
        return differing.Count == 0 || !differing.Contains(Decoder.Create(code32 ? 32 : 16, bytes.ToArray(), InstructionDecoder.P6Options).Decode().Mnemonic);
    }

    /// <summary>The mnemonic of an instruction, in capitals.</summary>
    /// <param name="bytes">The instruction.</param>
    /// <param name="code32">True for 32-bit code.</param>
    public static string MnemonicOf(ReadOnlySpan<byte> bytes, bool code32) =>
        Decoder.Create(code32 ? 32 : 16, bytes.ToArray(), InstructionDecoder.P6Options).Decode().Mnemonic.ToString().ToUpperInvariant();
}
