using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace ToyVmm.Engines.Interpretation.FloatingPoint;

/// <summary>The instructions whose last bits each processor family computes in its own way (SDM 1 8.3.10): the second byte of their encoding, behind D9.</summary>
internal enum TranscendentalOpcode : byte
{
    /// <summary>F2XM1.</summary>
    ExponentialMinusOne = 0xF0,

    /// <summary>FYL2X.</summary>
    YLog2X = 0xF1,

    /// <summary>FPTAN.</summary>
    Tangent = 0xF2,

    /// <summary>FPATAN.</summary>
    ArcTangent = 0xF3,

    /// <summary>FYL2XP1.</summary>
    YLog2XPlusOne = 0xF9,

    /// <summary>FSINCOS.</summary>
    SineAndCosine = 0xFB,

    /// <summary>FSIN.</summary>
    Sine = 0xFE,

    /// <summary>FCOS.</summary>
    Cosine = 0xFF,
}

/// <summary>
/// The host's own x87 unit, for the instructions that have no exact definition: they give in the guest what they give on the machine it runs on.
/// For each there is a stub of machine code that loads a whole state (FRSTOR), executes the instruction and stores the state (FNSAVE). FNSAVE
/// does not wait, so an unmasked exception is seen as pending and never traps; and it leaves the unit initialized, as the ABI wants it.
/// </summary>
/// <remarks>
/// Where there is none - not x86-64, not Linux, no executable memory - the algorithms of <see cref="Trigonometry80"/> and
/// <see cref="Logarithm80"/> compute instead, within one unit in the last place.
/// </remarks>
internal sealed unsafe class HostX87 : IDisposable
{
    /// <summary>Bytes of FNSAVE's 32-bit protected-mode image (SDM 1 figure 8-9).</summary>
    public const int ImageSize = 108;

    private const int StubSize = 16;
    private const int After = 112;

    private readonly ExecutablePage _code;
    private readonly byte* _images;

    private HostX87(ExecutablePage code)
    {
        _code = code;
        _images = (byte*)NativeMemory.AlignedAlloc(After + 112, 64);
    }

    /// <summary>Emits the stubs.</summary>
    /// <returns>Null where this host has no x87 unit to use.</returns>
    public static HostX87? TryCreate()
    {
        if (RuntimeInformation.ProcessArchitecture != Architecture.X64)
        {
            return null;
        }

        // Stub n, for D9 F0+n: frstor [rdi]; the instruction; fnsave [rdi+112]; ret. The first argument is in RDI (System V ABI).
        byte[] code = new byte[16 * StubSize];
        for (int n = 0; n < 16; n++)
        {
            ((ReadOnlySpan<byte>)[0xDD, 0x27, 0xD9, (byte)(0xF0 + n), 0xDD, 0x77, After, 0xC3]).CopyTo(code.AsSpan(n * StubSize));
        }

        return ExecutablePage.TryCreate(code) is { } page ? new HostX87(page) : null;
    }

    /// <summary>The image that <see cref="Execute"/> loads: control, status and tag word at 0, 4 and 8, ST(0)-ST(7) from 28 on. What is pending in it must be masked.</summary>
    public Span<byte> Before => new(_images, ImageSize);

    /// <summary>The image that it stored.</summary>
    public ReadOnlySpan<byte> Result => new(_images + After, ImageSize);

    /// <summary>Executes an instruction on the host.</summary>
    public void Execute(TranscendentalOpcode opcode)
    {
        // A few hundred cycles, so the garbage collector may wait for it.
        var stub = (delegate* unmanaged[SuppressGCTransition]<byte*, void>)(_code.Address + (((byte)opcode - 0xF0) * StubSize));
        stub(_images);
    }

    /// <summary>Puts a 16-bit field into <see cref="Before"/>.</summary>
    public void SetWord(int offset, ushort value) => BinaryPrimitives.WriteUInt32LittleEndian(Before[offset..], value);

    /// <inheritdoc/>
    public void Dispose()
    {
        _code.Dispose();
        NativeMemory.AlignedFree(_images);
    }
}
