using Spectre.Console;
using ToyVmm.Mutants.Running;

namespace ToyVmm.Mutants.Reporting;

/// <summary>What a person sees while a campaign runs: a line for each mutant, and on a terminal a bar below them.</summary>
internal sealed class CampaignConsole
{
    private readonly IAnsiConsole _console;

    /// <summary>Uses standard output.</summary>
    public CampaignConsole()
    {
        // Spectre.Console looks at TERM alone and would write escape sequences into a pipe.
        bool plain = Console.IsOutputRedirected || !string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR"))
            || Environment.GetEnvironmentVariable("TERM") == "dumb";
        _console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = plain ? AnsiSupport.No : AnsiSupport.Detect,
            Interactive = plain ? InteractionSupport.No : InteractionSupport.Detect,
        });
        if (Console.IsOutputRedirected)
        {
            // No lines broken at the 80th column of a log file.
            _console.Profile.Width = 500;
        }
    }

    /// <summary>Prints a line.</summary>
    public void Line(string text) => _console.WriteLine(text);

    /// <summary>Prints what became of a mutant.</summary>
    /// <param name="verdict">What.</param>
    /// <param name="note">What else to say of it; may be empty.</param>
    public void Verdict(Verdict verdict, string note)
    {
        string fate = verdict.IsKilled ? "[green]killed  [/]" : "[red]SURVIVED[/]";
        _console.MarkupLine($"{fate} {verdict.Mutant.Name,-50} {KillTable.Seconds(verdict.Time),6} s  {Markup.Escape(verdict.Killer)}  {note}".TrimEnd());
    }

    /// <summary>Does work step by step, with a bar on a terminal.</summary>
    /// <param name="steps">How many steps.</param>
    /// <param name="work">The work; it calls its argument after each step.</param>
    public async Task ProgressAsync(int steps, Func<Action, Task> work)
    {
        if (!_console.Profile.Capabilities.Interactive)
        {
            await work(() => { }).ConfigureAwait(false);
            return;
        }

        await _console.Progress().AutoClear(true).StartAsync(async context =>
        {
            ProgressTask task = context.AddTask("mutants", maxValue: steps);
            await work(() => task.Increment(1)).ConfigureAwait(false);
        }).ConfigureAwait(false);
    }
}
