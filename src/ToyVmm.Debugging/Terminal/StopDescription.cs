using ToyVmm.Debugging.Inspecting;
using ToyVmm.Engines;

namespace ToyVmm.Debugging.Terminal;

/// <summary>Parts of what the prompt says, for other views.</summary>
public static class StopDescription
{
    /// <summary>An interrupt or exception in words: "exception #PF, vector 0x0e, error code 0x0002, address 0x00400000".</summary>
    /// <param name="trap">What was delivered.</param>
    public static string Event(in TrapInfo trap) => StopText.Event(trap);

    /// <summary>The flags that are set: "PF ZF IF IOPL=3", or "-" for none.</summary>
    /// <param name="session">The session.</param>
    public static string Flags(DebugSession session)
    {
        ArgumentNullException.ThrowIfNull(session);
        return RegisterReport.Flags(session.Machine, "eflags");
    }
}
