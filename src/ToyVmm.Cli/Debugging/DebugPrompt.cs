using ToyVmm.Cli.Debugging.FullScreen;
using ToyVmm.Cli.Hosting;
using ToyVmm.Cli.Interactive;
using ToyVmm.Debugging.Terminal;

namespace ToyVmm.Cli.Debugging;

/// <summary>The prompt on a terminal: line editing, history, completion, Enter for another step, Ctrl-C for a guest that runs.</summary>
internal sealed class DebugPrompt
{
    private const string Prompt = "(toyvmm) ";
    private readonly DebugTerminal _terminal;
    private readonly CommandInterpreter _interpreter;
    private readonly GuestOutput _output;
    private readonly LineEditor _editor;
    private readonly string _imageName;
    private readonly bool _colours;

    public DebugPrompt(HostConsole console, DebugTerminal terminal, CommandInterpreter interpreter, GuestOutput output, string imageName, bool linear)
    {
        (_terminal, _interpreter, _output, _imageName) = (terminal, interpreter, output, imageName);
        _colours = console.UseColour && !linear;
        _editor = new LineEditor(terminal.ReadByte, terminal.Write)
        {
            Columns = () => terminal.Size.Columns,
            Complete = line => (interpreter.Complete(line, out int start), start),
        };
        _editor.History.AddRange(CommandHistoryFile.Read());
    }

    /// <summary>Asks for commands until one ends the session, or the terminal has gone.</summary>
    /// <param name="fullScreen">True to begin with the full-screen view.</param>
    /// <returns>The status that was asked for; null for none.</returns>
    public int? Execute(bool fullScreen)
    {
        _terminal.WriteLines("toyvmm debug: help lists the commands, Ctrl-C stops the guest, Ctrl-D or quit ends");
        Show(new CommandReply(_interpreter.DescribeStop()));
        try
        {
            if (fullScreen && FullScreenView() is { Action: CommandAction.Quit } over)
            {
                return over.Status;
            }

            for (; ; )
            {
                string? line = _editor.ReadLine(Prompt);
                if (line is null)
                {
                    return null;
                }

                if (_editor.WasInterrupted)
                {
                    continue;
                }

                CommandReply reply = _terminal.Run(() => _interpreter.Execute(line));
                reply = reply.Action == CommandAction.Interact ? Interact() : reply.Action == CommandAction.FullScreen ? FullScreenView() : reply;
                _output.Flush();
                Show(reply);
                if (reply.Action == CommandAction.Quit)
                {
                    return reply.Status;
                }
            }
        }
        finally
        {
            CommandHistoryFile.Write(_editor.History);
        }
    }

    // The terminal is the guest's serial line, until Ctrl-C or something else stops the guest.
    private CommandReply Interact()
    {
        _terminal.WriteLines("the terminal is the guest's COM1; Ctrl-C stops the guest");
        byte last = (byte)'\n';
        _output.Flush();
        _output.Raw = value =>
        {
            // A guest that knows terminals sends its own carriage returns.
            _terminal.Write(value == '\n' && last != '\r' ? "\r\n" : ((char)value).ToString());
            last = value;
        };
        _interpreter.Session.Machine.Input.Open();
        try
        {
            return _terminal.Run(() => _interpreter.Execute("continue"), guests: true);
        }
        finally
        {
            _interpreter.Session.Machine.Input.Close();
            _output.Raw = null;
            if (last != '\n')
            {
                _terminal.Write("\r\n");
            }
        }
    }

    private CommandReply FullScreenView()
    {
        using FullScreenDebugger view = new(_terminal, _interpreter, _output, _editor.History, _imageName, _colours);
        return view.Execute();
    }

    private void Show(CommandReply reply)
    {
        if (reply.Text.Length > 0)
        {
            _terminal.WriteLines(_colours ? TranscriptColours.Paint(reply.Text, reply.IsError) : reply.Text);
        }
    }
}
