using System.Runtime.InteropServices;
using ToyVmm.Engines.Interpretation.FloatingPoint;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Translation;

/// <summary>
/// Moves the guest's x87, MMX and SSE state between <see cref="CpuState"/> and the FXSAVE image (SDM 1 10.5.1) that the way into
/// emitted code loads and the way out stores. It goes to the host only once emitted code wants it, and only while no exception
/// is unmasked: those are the interpreter's.
/// </summary>
internal sealed unsafe class FloatingPointState : IDisposable
{
    private const int ImageSize = 512;
    private const int StatusAt = 2;
    private const int TagsAt = 4;
    private const int MxcsrAt = 24;
    private const int MaskAt = 28;
    private const int RegistersAt = 32;
    private const int XmmAt = 160;
    private const int XmmBytes = 8 * 16;
    private const uint ErrorSummary = 0x80;
    private const uint MxcsrMasks = 0x1F80;

    private readonly CpuState* _state;
    private readonly HostFrame* _frame;
    private byte* _image;

    /// <summary>Makes an empty image.</summary>
    public FloatingPointState(Vcpu vcpu)
    {
        _state = vcpu.State;
        _frame = vcpu.Frame;
        _image = (byte*)NativeMemory.AlignedAlloc(ImageSize, 64);
        new Span<byte>(_image, ImageSize).Clear();
        *(uint*)(_image + MaskAt) = 0xFFFF;
        _frame->FpuImage = (nint)_image;
        _frame->FpuAway = 1;
        _frame->SseAway = 1;
    }

    /// <summary>True while the host holds the guest's state (or will, at the next entry).</summary>
    public bool IsOnHost => _frame->FpuAway == 0;

    /// <summary>Hands the state to the host if nothing about it is the interpreter's business.</summary>
    /// <param name="sse">True for what needs CR4.OSFXSR too.</param>
    /// <returns>False when the instruction must be interpreted (it may fault, or an exception is unmasked).</returns>
    public bool TryHandOver(bool sse)
    {
        CpuState* s = _state;
        bool hasSse = (s->Cr4 & Cr4.OSFXSR) != 0;
        bool possible = (s->Cr0 & (Cr0.EM | Cr0.TS)) == 0 && (s->FpuControl & FloatException.All) == FloatException.All
            && (s->FpuStatus & ErrorSummary) == 0 && (s->Mxcsr & MxcsrMasks) == MxcsrMasks && (hasSse || !sse);
        if (!possible)
        {
            return false;
        }

        *(ushort*)_image = s->FpuControl;
        *(ushort*)(_image + StatusAt) = s->FpuStatus;
        _image[TagsAt] = (byte)s->FpuTags;
        *(uint*)(_image + MxcsrAt) = s->Mxcsr;
        int top = (s->FpuStatus >> 11) & 7;
        for (int n = 0; n < 8; n++)
        {
            int physical = (top + n) & 7;
            ulong* slot = (ulong*)(_image + RegistersAt + (16 * n));
            slot[0] = s->FpuRegisters[2 * physical];
            slot[1] = s->FpuRegisters[(2 * physical) + 1];
        }

        Buffer.MemoryCopy(s->XmmRegisters, _image + XmmAt, XmmBytes, XmmBytes);
        _frame->FpuAway = 0;
        _frame->SseAway = hasSse ? 0u : 1;
        return true;
    }

    /// <summary>Takes the state back from the image. The instruction and data pointers cannot have changed.</summary>
    public void TakeBack()
    {
        CpuState* s = _state;
        s->FpuControl = *(ushort*)_image;
        s->FpuStatus = *(ushort*)(_image + StatusAt);
        s->FpuTags = _image[TagsAt];
        s->Mxcsr = *(uint*)(_image + MxcsrAt);
        int top = (s->FpuStatus >> 11) & 7;
        for (int n = 0; n < 8; n++)
        {
            int physical = (top + n) & 7;
            ulong* slot = (ulong*)(_image + RegistersAt + (16 * n));
            s->FpuRegisters[2 * physical] = slot[0];
            s->FpuRegisters[(2 * physical) + 1] = (ushort)slot[1];
        }

        Buffer.MemoryCopy(_image + XmmAt, s->XmmRegisters, XmmBytes, XmmBytes);
        _frame->FpuAway = 1;
        _frame->SseAway = 1;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        NativeMemory.AlignedFree(_image);
        _image = null;
    }
}
