using System.Diagnostics;
using System.Globalization;
using ToyVmm.Cli.Hosting;
using ToyVmm.VirtualMachines.Verification;

namespace ToyVmm.Cli.Verifying;

/// <summary>How far a campaign is: a bar that is drawn again and again on a terminal, a line a minute elsewhere.</summary>
internal sealed class CampaignProgress(HostConsole console, string property, ulong cases, ulong before)
{
    private const int Width = 30;
    private static readonly TimeSpan s_redraw = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan s_line = TimeSpan.FromMinutes(1);
    private readonly Stopwatch _running = Stopwatch.StartNew();
    private readonly Stopwatch _sinceShown = Stopwatch.StartNew();

    /// <summary>Shows where the campaign is, if that was not shown a moment ago.</summary>
    public void Show(CampaignState state)
    {
        if (_sinceShown.Elapsed < (console.ErrorIsTerminal ? s_redraw : s_line))
        {
            return;
        }

        _sinceShown.Restart();
        double share = Math.Min(1, state.Checked / (double)cases);
        double rate = (state.Checked - before) / _running.Elapsed.TotalSeconds;
        TimeSpan left = TimeSpan.FromSeconds((cases - Math.Min(cases, state.Checked)) / Math.Max(rate, 1e-3));
        string text = string.Create(
            CultureInfo.InvariantCulture, $"{state.Checked:N0} of {cases:N0}, {rate:N0} a second, {Duration(left)} left, {state.Counterexamples.Count} counterexamples");
        if (console.ErrorIsTerminal)
        {
            int full = (int)(share * Width);
            console.Error.Write($"\r\x1b[K{property} [{new string('#', full)}{new string('.', Width - full)}] {text}");
        }
        else
        {
            console.Error.WriteLine($"toyvmm: {property}: {text}");
        }
    }

    /// <summary>Takes the bar away.</summary>
    public void Clear()
    {
        if (console.ErrorIsTerminal)
        {
            console.Error.Write("\r\x1b[K");
        }
    }

    private static string Duration(TimeSpan time) =>
        time.TotalHours >= 1 ? string.Create(CultureInfo.InvariantCulture, $"{time.TotalHours:F1} h")
        : time.TotalMinutes >= 1 ? string.Create(CultureInfo.InvariantCulture, $"{time.TotalMinutes:F0} min")
        : string.Create(CultureInfo.InvariantCulture, $"{time.TotalSeconds:F0} s");
}
