using System.Runtime.InteropServices;
using ToyVmm.Engines.Translation;

namespace ToyVmm.Tests.Translation;

/// <summary>
/// Makes a host instruction fault, whatever it is: HLT in its place, which is privileged, so the host raises #GP and the kernel sends
/// SIGSEGV - by way of the real handler, and at the exact place.
/// </summary>
internal sealed class FaultInjector : IDisposable
{
    private const byte Hlt = 0xF4;
    private readonly TranslatedCode _code;
    private readonly TranslatedBlock _block;
    private readonly int _index;
    private readonly int _offset;
    private readonly byte _original;

    /// <summary>Injects it, until disposed.</summary>
    /// <param name="code">The code.</param>
    /// <param name="index">The block's place in <see cref="TranslatedCode.Blocks"/>.</param>
    /// <param name="offset">The instruction's first byte.</param>
    public FaultInjector(TranslatedCode code, int index, int offset)
    {
        _code = code;
        _index = index;
        _offset = offset;
        _block = code.Blocks[index];
        _original = At;
        At = Hlt;
        _code.Faulted = offset => IsMet |= offset == _offset;
    }

    /// <summary>True once it has faulted.</summary>
    public bool IsMet { get; private set; }

    /// <summary>True while the block is there: not after all emitted code was dropped.</summary>
    public bool IsThere => _index < _code.Blocks.Count && _code.Blocks[_index] == _block;

    private ref byte At => ref MemoryMarshal.GetReference(_code.Code.Bytes(_offset, 1));

    /// <inheritdoc/>
    public void Dispose()
    {
        _code.Faulted = null;

        // Else there is other code by now.
        if (IsThere)
        {
            At = _original;
        }
    }
}
