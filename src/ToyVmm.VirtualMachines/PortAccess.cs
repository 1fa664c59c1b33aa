using ToyVmm.Engines;
using ToyVmm.Hardware.Buses;

namespace ToyVmm.VirtualMachines;

/// <summary>
/// The monitor's loop around one port access or hypercall, without leaving the engine: what <see cref="VirtualMachine.Run"/> does at an exit, in the
/// same order. Where the loop would have more to do - a request of the guest, a stop, a look at the host - it is asked to.
/// </summary>
/// <param name="vm">The machine.</param>
internal sealed unsafe class PortAccess(VirtualMachine vm) : IPortAccess
{
    private readonly PortBus _ports = vm.Machine.Ports;

    /// <inheritdoc/>
    public byte* Latches => _ports.Latches;

    /// <inheritdoc/>
    public void CountLatchAccesses(ulong accesses) => vm.CountLatchAccesses(accesses);

    /// <inheritdoc/>
    public ulong Read(ushort port, int width, ulong retired, out uint value)
    {
        vm.BeginAccess(retired);
        value = _ports.Read(port, width);
        return vm.EndAccess(retired);
    }

    /// <inheritdoc/>
    public ulong Write(ushort port, int width, uint value, ulong retired)
    {
        vm.BeginAccess(retired);
        _ports.Write(port, width, value);
        return vm.EndAccess(retired);
    }

    /// <inheritdoc/>
    public ulong Hypercall(ulong retired)
    {
        vm.BeginAccess(retired, ExitReason.Hypercall);
        vm.PerformHypercall();
        return vm.EndAccess(retired);
    }
}
