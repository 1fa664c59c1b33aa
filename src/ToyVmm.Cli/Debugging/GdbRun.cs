using ToyVmm.Cli.Hosting;
using ToyVmm.Cli.Interactive;
using ToyVmm.Debugging;
using ToyVmm.Debugging.Gdb;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Monitoring;

namespace ToyVmm.Cli.Debugging;

/// <summary>A run that gdb controls, from the guest's first instruction on. The guest's serial line and screen are where they are without gdb.</summary>
internal sealed class GdbRun : IDisposable
{
    private readonly DebugSession _session;
    private readonly GdbServer _server;

    /// <summary>Begins to listen, and says where.</summary>
    /// <exception cref="UserErrorException">The host does not allow it, or somebody else listens there.</exception>
    public GdbRun(VirtualMachine vm, GdbEndpoint endpoint, HostConsole console, bool quiet)
    {
        _session = new DebugSession(vm);
        try
        {
            _server = new GdbServer(_session, endpoint);
        }
        catch (GdbListenException e)
        {
            _session.Dispose();
            throw UserErrorException.File($"--gdb: {e.Message}");
        }

        _server.Log = quiet ? null : text => console.Error.WriteLine($"toyvmm: {text}");
        console.Error.WriteLine($"toyvmm: the guest waits at its first instruction for gdb: target remote {_server.Target}");
    }

    /// <summary>Serves gdb until the run is over.</summary>
    /// <param name="sink">Where serial output goes; flushed before the prompt.</param>
    /// <param name="terminal">The terminal that is the guest's; null for none.</param>
    public (StopReason Stop, TimeSpan Elapsed) Run(SerialSink sink, TerminalSession? terminal)
    {
        if (terminal is not null)
        {
            terminal.StopWanted = _server.Interject;
            _server.Interjected = () =>
            {
                sink.Flush();
                return terminal.PromptWanted && terminal.Prompt() != MonitorAction.Quit;
            };
        }

        StopReason stop = _server.Serve();
        return (stop, _server.Elapsed);
    }

    /// <summary>Ends the run; from any thread.</summary>
    public void Stop() => _server.Stop();

    /// <inheritdoc/>
    public void Dispose()
    {
        _server.Dispose();
        _session.Dispose();
    }
}
