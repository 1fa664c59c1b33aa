using System.Runtime.InteropServices;

namespace ToyVmm.Cli.Hosting;

/// <summary>Turns the signals that ask a process to end into a stop of its work, so that the verdict still comes and the terminal is restored.</summary>
internal sealed class StopSignals : IDisposable
{
    private readonly PosixSignalRegistration[] _registrations;
    private volatile int _number;

    /// <summary>Begins to listen.</summary>
    /// <param name="stop">Called from the signal's thread: stops what runs, and wakes what is paused.</param>
    public StopSignals(Action stop)
    {
        PosixSignalRegistration On(PosixSignal signal, int number) => PosixSignalRegistration.Create(signal, context =>
        {
            context.Cancel = true;
            _number = number;
            stop();
        });
        _registrations = [On(PosixSignal.SIGINT, 2), On(PosixSignal.SIGTERM, 15), On(PosixSignal.SIGHUP, 1), On(PosixSignal.SIGQUIT, 3)];
    }

    /// <summary>The last signal's number; 0 when there was none.</summary>
    public int Number => _number;

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (PosixSignalRegistration registration in _registrations)
        {
            registration.Dispose();
        }
    }
}
