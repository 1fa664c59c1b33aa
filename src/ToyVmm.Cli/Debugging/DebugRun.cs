using ToyVmm.Cli.Advising;
using ToyVmm.Cli.Guests;
using ToyVmm.Cli.Hosting;
using ToyVmm.Cli.Running;
using ToyVmm.Debugging;
using ToyVmm.Debugging.Inspecting;
using ToyVmm.Debugging.Terminal;
using ToyVmm.VirtualMachines;

namespace ToyVmm.Cli.Debugging;

/// <summary>A debugging session from the command line: builds the machine, takes commands from a terminal, a pipe or a script, and ends with a status.</summary>
internal sealed class DebugRun(HostConsole console, DebugSettings settings, ImageSource image, VirtualMachineOptions options)
{
    /// <summary>Holds the session.</summary>
    /// <returns>The exit status of the process.</returns>
    /// <exception cref="UserErrorException">The image is refused, a file cannot be opened, or a breakpoint makes no sense.</exception>
    public int Execute()
    {
        if (settings.SourceFolders.FirstOrDefault(folder => !Directory.Exists(folder)) is { } none)
        {
            throw UserErrorException.File($"--source {none}: there is no such directory");
        }

        using FileStream? serial = settings.SerialFile is { } path ? HostFile.Create(path, "serial output") : null;
        string[]? script = settings.Script is { } file ? ReadScript(file) : null;
        DebugTerminal? terminal = null;
        void WriteLine(string line)
        {
            if (terminal is null)
            {
                console.Output.WriteLine(line);
            }
            else
            {
                terminal.WriteLines(console.UseColour && !settings.Linear ? TranscriptColours.Paint(line, isError: false) : line);
            }
        }

        GuestOutput output = new(WriteLine, settings.ShowsSerial ? serial : Stream.Null);
        using VirtualMachine vm = ImageRefusal.Create(image, options with { SerialOutput = output.Add }, console);
        using DebugSession session = new(vm, new DebugOptions { Log = output.Log })
        {
            Symbols = GuestSymbols.Read(settings.Symbols, image, console),
            Lines = GuestSymbols.ReadLines(settings.Symbols, image, console),
        };
        session.Inspector.Sources = new SourceFiles(settings.SourceFolders);
        bool asks = script is null && console.InputIsTerminal;
        CommandInterpreter interpreter = new(session, new CommandInterpreterOptions
        {
            IsLinear = settings.Linear,
            RepeatsOnEmptyLine = asks,
            WriteAutopsy = (writer, report) => AutopsyText.Write(writer, report, $"toyvmm debug {image.Name}"),
        });
        Prepare(interpreter);
        GdbRun? gdb = null;
        StopSignals? listening = null;
        ScriptReader reader = new(console, interpreter, output, settings.KeepGoing, () => listening?.Number ?? 0);
        using StopSignals signals = listening = new(() =>
        {
            if (gdb is { } serving)
            {
                serving.Stop();
                return;
            }

            Interrupt(session, terminal, reader, listening?.Number ?? 0);
        });
        if (script is not null || settings.Commands.Count > 0 || !asks)
        {
            if (reader.Execute(settings.Commands, echoes: true) is { } ended)
            {
                return ended;
            }
        }

        if (settings.Gdb is { } endpoint)
        {
            // gdb has the session until it ends the guest, or a signal ends the waiting; then the prompt has it, or what comes through the pipe.
            using (GdbRun run = gdb = new(session, endpoint, console, quiet: false))
            {
                _ = run.Run();
                gdb = null;
            }

            output.Flush();
            console.Flush();
            if (signals.Number is not 0 and int number)
            {
                return ExitStatus.SignalBase + number;
            }
        }

        if (script is not null)
        {
            return reader.Execute(script, echoes: true) ?? reader.EndStatus;
        }

        if (!asks)
        {
            return reader.Execute(StandardLines(), echoes: true) ?? reader.EndStatus;
        }

        terminal = DebugTerminal.Start(console, session);
        if (terminal is null)
        {
            return PlainPrompt(reader);
        }

        using (terminal)
        {
            DebugPrompt prompt = new(console, terminal, interpreter, output, image.Name, settings.Linear);
            int? status = prompt.Execute(settings.FullScreen);
            return signals.Number is not 0 and not 2 ? ExitStatus.SignalBase + signals.Number : status ?? reader.EndStatus;
        }
    }

    // A terminal that cannot be made raw, or whose cursor cannot be moved (TERM=dumb): lines, as the terminal gives them.
    private int PlainPrompt(ScriptReader reader)
    {
        IEnumerable<string> Lines()
        {
            foreach (string line in StandardLines(() =>
            {
                console.Output.Write("(toyvmm) ");
                console.Flush();
            }))
            {
                yield return line;
            }
        }

        console.Output.WriteLine(reader.Interpreter.DescribeStop());
        return reader.Execute(Lines(), echoes: false, stopsAtErrors: false) ?? reader.EndStatus;
    }

    // SIGINT stops the guest, never the debugger; what asks the process to end does so at a prompt, and at the next command of a script.
    private static void Interrupt(DebugSession session, DebugTerminal? terminal, ScriptReader reader, int signal)
    {
        const int SIGINT = 2;
        if (terminal is not null && signal != SIGINT)
        {
            terminal.End();
        }
        else if (terminal is null && !reader.IsExecuting)
        {
            // The thread is in a read that cannot be called back.
            Environment.Exit(ExitStatus.SignalBase + signal);
        }
        else
        {
            session.RequestPause();
        }
    }

    private void Prepare(CommandInterpreter interpreter)
    {
        if (settings.GoTo is { } place)
        {
            CommandReply reply = interpreter.Execute("goto " + place);
            if (reply.IsError)
            {
                throw UserErrorException.Usage($"--goto {place}: {reply.Text}");
            }
        }

        foreach (string spec in settings.Breakpoints)
        {
            CommandReply reply = interpreter.Execute("break " + spec);
            if (reply.IsError)
            {
                throw UserErrorException.Usage($"--break {spec}: {reply.Text}");
            }
        }
    }

    private static string[] ReadScript(string path) => HostFile.ReadLines(path, "script");

    private static IEnumerable<string> StandardLines(Action? before = null)
    {
        byte[] buffer = new byte[4096];
        List<byte> line = [];
        for (; ; )
        {
            before?.Invoke();
            bool complete = false;
            while (!complete)
            {
                int count = StandardInput.Read(buffer.AsSpan(0, 1));
                if (count <= 0)
                {
                    if (line.Count > 0)
                    {
                        yield return System.Text.Encoding.UTF8.GetString([.. line]);
                    }

                    yield break;
                }

                complete = buffer[0] == '\n';
                if (!complete)
                {
                    line.Add(buffer[0]);
                }
            }

            yield return System.Text.Encoding.UTF8.GetString([.. line]).TrimEnd('\r');
            line.Clear();
        }
    }
}
