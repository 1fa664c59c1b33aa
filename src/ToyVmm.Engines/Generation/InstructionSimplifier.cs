using System.Collections.Immutable;
using Iced.Intel;
using ToyVmm.Engines.Decoding;

namespace ToyVmm.Engines.Generation;

/// <summary>Simpler encodings of an instruction: constants zero, a prefix less. For shrinking programs.</summary>
public static class InstructionSimplifier
{
    /// <summary>The simpler ones, the simplest first; each has the same mnemonic.</summary>
    /// <param name="bytes">The instruction.</param>
    /// <param name="code32">True for 32-bit code.</param>
    public static IEnumerable<ImmutableArray<byte>> Simpler(ImmutableArray<byte> bytes, bool code32)
    {
        Decoder decoder = Decoder.Create(code32 ? 32 : 16, [.. bytes], InstructionDecoder.P6Options);
        Instruction x = decoder.Decode();
        if (x.IsInvalid || x.Length != bytes.Length || x.FlowControl != FlowControl.Next)
        {
            yield break;
        }

        ConstantOffsets constants = decoder.GetConstantOffsets(x);
        if (constants.HasImmediate && WithZeros(bytes, constants.ImmediateOffset, constants.ImmediateSize) is { } noImmediate)
        {
            yield return noImmediate;
        }

        if (constants.HasDisplacement && WithZeros(bytes, constants.DisplacementOffset, constants.DisplacementSize) is { } noDisplacement)
        {
            yield return noDisplacement;
        }

        // Without a prefix: legacy prefixes come first.
        if (bytes.Length > 1 && bytes[0] is 0x26 or 0x2E or 0x36 or 0x3E or 0x64 or 0x65 or 0x66 or 0x67 or 0xF0 or 0xF2 or 0xF3)
        {
            ImmutableArray<byte> shorter = bytes.RemoveAt(0);
            decoder = Decoder.Create(code32 ? 32 : 16, [.. shorter], InstructionDecoder.P6Options);
            Instruction y = decoder.Decode();
            if (y.Mnemonic == x.Mnemonic && y.Length == shorter.Length)
            {
                yield return shorter;
            }
        }
    }

    private static ImmutableArray<byte>? WithZeros(ImmutableArray<byte> bytes, int offset, int length)
    {
        if (!bytes.AsSpan(offset, length).ContainsAnyExcept((byte)0))
        {
            return null;
        }

        byte[] simpler = [.. bytes];
        simpler.AsSpan(offset, length).Clear();
        return [.. simpler];
    }
}
