using ToyVmm.VirtualMachines;
namespace ToyVmm.Debugging.Monitoring;

/// <summary>What whoever shows the monitor prompt does after a command.</summary>
public enum MonitorAction
{
    /// <summary>Show the answer and ask for the next command.</summary>
    Prompt,

    /// <summary>Let the guest go on.</summary>
    Continue,

    /// <summary>End the run.</summary>
    Quit,
}

/// <summary>The answer to a monitor command.</summary>
/// <param name="Text">Lines for people, without an end of line behind the last; may be empty.</param>
/// <param name="Action">What to do next.</param>
/// <param name="IsError">True when the command was not understood or could not be done.</param>
public readonly record struct MonitorReply(string Text, MonitorAction Action = MonitorAction.Prompt, bool IsError = false)
{
    internal static MonitorReply Error(string text) => new(text, IsError: true);
}
