using System.Runtime.CompilerServices;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Translation;

/// <summary>Byte offsets from <see cref="CpuState"/> for emitted code: of its fields, and of the <see cref="HostFrame"/> in front of it.</summary>
internal static unsafe class StateOffset
{
    private static readonly CpuState s_probe = Blank<CpuState>();
    private static readonly HostFrame s_frame = Blank<HostFrame>();

    public static readonly int Eax = Of(in s_probe.Eax);
    public static readonly int Ecx = Of(in s_probe.Ecx);
    public static readonly int Edx = Of(in s_probe.Edx);
    public static readonly int Ebx = Of(in s_probe.Ebx);
    public static readonly int Esp = Of(in s_probe.Esp);
    public static readonly int Ebp = Of(in s_probe.Ebp);
    public static readonly int Esi = Of(in s_probe.Esi);
    public static readonly int Edi = Of(in s_probe.Edi);
    public static readonly int Eip = Of(in s_probe.Eip);
    public static readonly int Cpl = Of(in s_probe.Cpl);
    public static readonly int Attention = Of(in s_probe.Attention);
    public static readonly int Cr0 = Of(in s_probe.Cr0);
    public static readonly int Cr2 = Of(in s_probe.Cr2);
    public static readonly int Cr3 = Of(in s_probe.Cr3);
    public static readonly int Cr4 = Of(in s_probe.Cr4);
    public static readonly int HostStack = OfFrame(in s_frame.Stack);
    public static readonly int HostFaultInstruction = OfFrame(in s_frame.FaultInstruction);
    public static readonly int HostFaultAddress = OfFrame(in s_frame.FaultAddress);
    public static readonly int HostFaultReason = OfFrame(in s_frame.FaultReason);
    public static readonly int HostBudget = OfFrame(in s_frame.Budget);
    public static readonly int HostFlags = OfFrame(in s_frame.Flags);
    public static readonly int HostTimeBase = OfFrame(in s_frame.TimeBase);
    public static readonly int HostScratch = OfFrame(in s_frame.Scratch);
    public static readonly int HostView = OfFrame(in s_frame.View);
    public static readonly int HostJumpTable = OfFrame(in s_frame.JumpTable);
    public static readonly int HostCodeCache = OfFrame(in s_frame.CodeCache);
    public static readonly int HostExit = OfFrame(in s_frame.Exit);
    public static readonly int HostExitSlot = OfFrame(in s_frame.ExitSlot);
    public static readonly int PortLatches = OfFrame(in s_frame.PortLatches);
    public static readonly int LatchAccesses = OfFrame(in s_frame.LatchAccesses);
    public static readonly int FsGate = OfFrame(in s_frame.FsGate);
    public static readonly int GsGate = OfFrame(in s_frame.GsGate);
    public static readonly int FpuAway = OfFrame(in s_frame.FpuAway);
    public static readonly int SseAway = OfFrame(in s_frame.SseAway);
    public static readonly int HostFpuImage = OfFrame(in s_frame.FpuImage);
    public static readonly int HostMxcsr = OfFrame(in s_frame.Mxcsr);
    public static readonly int HostSystemFlags = OfFrame(in s_frame.SystemFlags);
    public static readonly int HostInterruptFlag = OfFrame(in s_frame.InterruptFlag);
    public static readonly int HostStringCount = OfFrame(in s_frame.StringCount);
    public static readonly int HostStringSource = OfFrame(in s_frame.StringSource);
    public static readonly int HostStringDestination = OfFrame(in s_frame.StringDestination);
    public static readonly int HostStringFlags = OfFrame(in s_frame.StringFlags);

    private static readonly int s_firstSelector = Of(in s_probe.Es.Selector);
    private static readonly int s_base = Of(in s_probe.Es.Base) - s_firstSelector;

    /// <summary>The selector in a segment register.</summary>
    /// <param name="number">In encoding order: ES CS SS DS FS GS.</param>
    public static int Selector(int number) => s_firstSelector + (number * sizeof(SegmentCache));

    /// <summary>The base of a segment register.</summary>
    /// <param name="number">As for <see cref="Selector"/>.</param>
    public static int SegmentBase(int number) => Selector(number) + s_base;

    private static T Blank<T>()
        where T : unmanaged => default;

    private static int Of<T>(in T field)
        where T : unmanaged => Distance(in s_probe, in field);

    // The frame ends where the state begins.
    private static int OfFrame<T>(in T field)
        where T : unmanaged => Distance(in s_frame, in field) - sizeof(HostFrame);

    private static int Distance<TWhole, TField>(in TWhole whole, in TField field)
        where TWhole : unmanaged
        where TField : unmanaged =>
        (int)Unsafe.ByteOffset(
            ref Unsafe.As<TWhole, byte>(ref Unsafe.AsRef(in whole)), ref Unsafe.As<TField, byte>(ref Unsafe.AsRef(in field)));
}
