using ToyVmm.Engines.Metering;

namespace ToyVmm.VirtualMachines.Advising;

/// <summary>What an exit was for, as far as a paravirtual call would do the same: the tag of its <see cref="Engines.Metering.InterventionKey"/>.</summary>
internal enum ExitPurpose
{
    /// <summary>No call does that.</summary>
    None,

    /// <summary>A character goes out, through COM1 or the debug console.</summary>
    ConsoleOutput,

    /// <summary>COM1's line status is read: before a character goes out, or to see whether one has come. It stands between characters and does not part them.</summary>
    ConsolePoll = InterventionProfile.NeutralTag,

    /// <summary>A timer interrupt is programmed, acknowledged or ended.</summary>
    Timer = 2,

    /// <summary>The time is read.</summary>
    Clock,

    /// <summary>A write to port 0x80, whose only effect is that time passes.</summary>
    Delay,
}
