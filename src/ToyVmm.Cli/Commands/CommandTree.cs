using System.CommandLine;
using System.CommandLine.Parsing;
using ToyVmm.Cli.Hosting;

namespace ToyVmm.Cli.Commands;

/// <summary>All commands, and what happens before and after one of them runs.</summary>
internal sealed class CommandTree(HostConsole console)
{
    /// <summary>Runs the command that the arguments name.</summary>
    /// <returns>The exit status of the process.</returns>
    public int Invoke(string[] arguments)
    {
        RootCommand root = new("A virtual machine monitor for 32-bit x86 guests that its user can take apart.")
        {
            new RunCommand(console).Create(),
            new DebugCommand(console).Create(),
            new SnapshotCommand(console).Create(),
            new ReplayCommand(console).Create(),
            new DisasmCommand(console).Create(),
            new GuestsCommand(console).Create(),
            new BenchCommand(console).Create(),
            new ClassifyCommand(console).Create(),
            new VerifyCommand(console).Create(),
        };
        HelpText.Install(root);

        // No argument at all is a question, not a mistake.
        ParseResult parsed = root.Parse(arguments.Length == 0 ? ["--help"] : arguments);
        if (parsed.Errors.Count > 0)
        {
            foreach (ParseError error in parsed.Errors)
            {
                console.Error.WriteLine($"toyvmm: {error.Message}");
            }

            string command = parsed.CommandResult.Command is RootCommand ? "toyvmm" : $"toyvmm {parsed.CommandResult.Command.Name}";
            console.Error.WriteLine($"`{command} --help` tells how it is used.");
            return ExitStatus.Usage;
        }

        int status = parsed.Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false, Output = console.Output, Error = console.Error });
        console.Flush();
        return status;
    }
}
