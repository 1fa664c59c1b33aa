namespace ToyVmm.Debugging;

/// <content>The reset button.</content>
public sealed unsafe partial class DebugSession
{
    /// <summary>Presses the machine's reset button: the image is loaded again, and the guest stands at its first instruction. Instructions count on. Breakpoints stay.</summary>
    public void Restart()
    {
        NoteChange();
        Machine.Reset();
        _ = Finish(new DebugStop(StopCause.Start, Point));
    }
}
