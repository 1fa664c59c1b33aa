using System.Diagnostics;
using System.Globalization;
using ToyVmm.Cli.Hosting;
using ToyVmm.VirtualMachines.Replay;

namespace ToyVmm.Cli.Replaying;

/// <summary>How far a replay is: a bar on the terminal, for one that takes longer than a moment and whose guest writes elsewhere.</summary>
internal sealed class ReplayProgress(HostConsole console, Recording recording, bool isWanted)
{
    private const int Width = 30;
    private static readonly TimeSpan s_redraw = TimeSpan.FromMilliseconds(200);
    private readonly Stopwatch _sinceShown = Stopwatch.StartNew();
    private bool _isShown;

    /// <summary>Shows how far it is, if that was not shown a moment ago.</summary>
    /// <param name="instructions">Instructions retired.</param>
    public void Show(ulong instructions)
    {
        if (!isWanted || !console.ErrorIsTerminal || _sinceShown.Elapsed < s_redraw)
        {
            return;
        }

        _sinceShown.Restart();
        _isShown = true;
        double all = Math.Max(1, recording.LastMoment.Instructions - recording.Start.Instructions);
        double share = Math.Min(1, (instructions - recording.Start.Instructions) / all);
        int full = (int)(share * Width);
        console.Error.Write(string.Create(
            CultureInfo.InvariantCulture, $"\r\x1b[K[{new string('#', full)}{new string('.', Width - full)}] {share:P0} of {recording.LastMoment.Instructions:N0} instructions"));
    }

    /// <summary>Takes the bar away.</summary>
    public void Clear()
    {
        if (_isShown)
        {
            console.Error.Write("\r\x1b[K");
        }
    }
}
