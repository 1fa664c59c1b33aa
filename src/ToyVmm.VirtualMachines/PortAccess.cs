using ToyVmm.Engines;
using ToyVmm.Hardware.Buses;
using ToyVmm.VirtualMachines.Hypercalls;

namespace ToyVmm.VirtualMachines;

/// <summary>
/// The monitor's loop around one port access, without leaving the engine: what <see cref="VirtualMachine.Run"/> does at an exit, in the
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
        vm.BeginAccess(ExitReason.PortIo, retired);
        value = _ports.Read(port, width);
        return vm.EndAccess(retired);
    }

    /// <inheritdoc/>
    public ulong Write(ushort port, int width, uint value, ulong retired)
    {
        vm.BeginAccess(ExitReason.PortIo, retired);
        _ports.Write(port, width, value);
        return vm.EndAccess(retired);
    }

    /// <inheritdoc/>
    /// <remarks>Calls that may end the run, or concern others than this guest, are exits.</remarks>
    public bool TryCall(ulong retired, out ulong budget)
    {
        budget = 0;
        if ((Hypercall)vm.Vcpu.State->Eax is not (Hypercall.ConsoleWrite or Hypercall.ClockPage or Hypercall.SetTimer or Hypercall.MmuUpdate or Hypercall.SetPageTable))
        {
            return false;
        }

        vm.BeginAccess(ExitReason.Hypercall, retired);
        _ = vm.Hypercalls.Call();
        budget = vm.EndAccess(retired);
        return true;
    }
}
