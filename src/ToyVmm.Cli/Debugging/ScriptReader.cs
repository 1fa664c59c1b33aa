using ToyVmm.Cli.Hosting;
using ToyVmm.Debugging.Terminal;

namespace ToyVmm.Cli.Debugging;

/// <summary>Executes commands that nobody types at a prompt: of a script, a pipe, the command line. What is written is a transcript.</summary>
/// <param name="console">Standard output.</param>
/// <param name="interpreter">Executes a line.</param>
/// <param name="output">The guest's output.</param>
/// <param name="keepGoing">True to go on behind a command that failed.</param>
/// <param name="signal">The number of the signal that came; 0 for none.</param>
internal sealed class ScriptReader(HostConsole console, CommandInterpreter interpreter, GuestOutput output, bool keepGoing, Func<int> signal)
{
    /// <summary>What an unsuccessful command ends a script with.</summary>
    private const int CommandFailed = 1;

    private volatile bool _isExecuting;

    /// <summary>Executes the lines.</summary>
    public CommandInterpreter Interpreter => interpreter;

    /// <summary>True while a command is executed.</summary>
    public bool IsExecuting => _isExecuting;

    /// <summary>The status of a session that ends without having been told one: the guest's, where it has ended.</summary>
    public int EndStatus => interpreter.Session.Ended is { } end ? end.ExitStatus : ExitStatus.Success;

    /// <summary>Executes commands.</summary>
    /// <param name="lines">The lines.</param>
    /// <param name="echoes">True to write each before its answer.</param>
    /// <param name="stopsAtErrors">False where a person reads the answers.</param>
    /// <returns>The status to end with; null where the session is not over.</returns>
    public int? Execute(IEnumerable<string> lines, bool echoes, bool stopsAtErrors = true)
    {
        foreach (string line in lines)
        {
            if (line.Trim().Length == 0 && echoes)
            {
                continue;
            }

            if (echoes)
            {
                console.Output.WriteLine($"(toyvmm) {line.Trim()}");
                console.Flush();
            }

            _isExecuting = true;
            CommandReply reply = interpreter.Execute(line);
            reply = reply.Action == CommandAction.Interact ? interpreter.Execute("continue") : reply;
            output.Flush();
            if (reply.Text.Length > 0)
            {
                console.Output.WriteLine(reply.Text);
            }

            console.Flush();
            _isExecuting = false;
            if (reply.Action == CommandAction.Quit)
            {
                return reply.Status ?? EndStatus;
            }

            if (signal() is not 0 and int number && (echoes || number != 2))
            {
                return ExitStatus.SignalBase + number;
            }

            if (reply.IsError && stopsAtErrors && !keepGoing)
            {
                console.Error.WriteLine($"toyvmm: the command failed: {line.Trim()} (--keep-going goes on behind such)");
                return CommandFailed;
            }
        }

        return null;
    }
}
