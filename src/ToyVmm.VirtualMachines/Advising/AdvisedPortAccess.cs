using ToyVmm.Engines;
using ToyVmm.Hardware.Buses;

namespace ToyVmm.VirtualMachines.Advising;

/// <summary>As <see cref="PortAccess"/>, with an advisor that is told of every access: those to latches too, which emitted code reaches itself otherwise.</summary>
/// <param name="vm">The machine.</param>
/// <param name="advisor">Who is told.</param>
internal sealed unsafe class AdvisedPortAccess(VirtualMachine vm, ExitAdvisor advisor) : IPortAccess
{
    private readonly PortBus _ports = vm.Machine.Ports;

    /// <inheritdoc/>
    public byte* Latches => null;

    /// <inheritdoc/>
    public void CountLatchAccesses(ulong accesses) => vm.CountLatchAccesses(accesses);

    /// <inheritdoc/>
    public ulong Read(ushort port, int width, ulong retired, out uint value)
    {
        vm.BeginAccess(retired);
        advisor.EnterAccess(port, isWrite: false, 0);
        value = _ports.Read(port, width);
        return vm.EndAccess(retired);
    }

    /// <inheritdoc/>
    public ulong Write(ushort port, int width, uint value, ulong retired)
    {
        vm.BeginAccess(retired);
        advisor.EnterAccess(port, isWrite: true, value);
        _ports.Write(port, width, value);
        return vm.EndAccess(retired);
    }

    /// <inheritdoc/>
    public ulong Hypercall(ulong retired)
    {
        vm.BeginAccess(retired, ExitReason.Hypercall);
        advisor.EnterHypercall();
        vm.PerformHypercall();
        return vm.EndAccess(retired);
    }
}
