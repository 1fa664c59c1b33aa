using ToyVmm.Cli.Hosting;
using ToyVmm.Cli.Interactive;
using ToyVmm.Debugging;
using ToyVmm.Debugging.Gdb;
using ToyVmm.Debugging.Monitoring;
using ToyVmm.VirtualMachines;

namespace ToyVmm.Cli.Debugging;

/// <summary>A run that gdb controls, from where the guest is. The guest's serial line and screen are where they are without gdb.</summary>
internal sealed class GdbRun : IDisposable
{
    private readonly GdbServer _server;

    /// <summary>Begins to listen, and says where.</summary>
    /// <exception cref="UserErrorException">The host does not allow it, or somebody else listens there.</exception>
    public GdbRun(DebugSession session, GdbEndpoint endpoint, HostConsole console, bool quiet)
    {
        try
        {
            _server = new GdbServer(session, endpoint);
        }
        catch (GdbListenException e)
        {
            throw UserErrorException.File($"--gdb: {e.Message}");
        }

        _server.Log = quiet ? null : text => console.Error.WriteLine($"toyvmm: {text}");
        console.Error.WriteLine($"toyvmm: the guest waits for gdb: target remote {_server.Target}");
    }

    /// <summary>Host time for which the guest has run.</summary>
    public TimeSpan Elapsed => _server.Elapsed;

    /// <summary>Gives the guest's terminal the thread when its user wants the prompt, or to leave.</summary>
    public void Attach(TerminalSession terminal, SerialSink sink)
    {
        terminal.StopWanted = _server.Interject;
        _server.Interjected = () =>
        {
            sink.Flush();
            return terminal.PromptWanted && terminal.Prompt() != MonitorAction.Quit;
        };
    }

    /// <summary>Serves gdb until the run is over.</summary>
    public StopReason Run() => _server.Serve();

    /// <summary>Ends the run; from any thread.</summary>
    public void Stop() => _server.Stop();

    /// <inheritdoc/>
    public void Dispose() => _server.Dispose();
}
