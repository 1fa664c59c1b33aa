using System.Runtime.InteropServices;
using ToyVmm.VirtualMachines;

namespace ToyVmm.Cli.Hosting;

/// <summary>Turns the signals that ask a process to end into a stop of the guest, so that the verdict still comes and the terminal is restored.</summary>
internal sealed class StopSignals : IDisposable
{
    private readonly PosixSignalRegistration[] _registrations;
    private volatile int _number;

    /// <summary>Begins to listen.</summary>
    /// <param name="machine">The machine to stop.</param>
    /// <param name="stopping">Called too, from the signal's thread: the machine may be paused.</param>
    public StopSignals(VirtualMachine machine, Action stopping)
    {
        PosixSignalRegistration On(PosixSignal signal, int number) => PosixSignalRegistration.Create(signal, context =>
        {
            context.Cancel = true;
            _number = number;
            machine.RequestStop();
            stopping();
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
