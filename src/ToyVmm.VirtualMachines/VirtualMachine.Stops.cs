using ToyVmm.Engines;
using ToyVmm.VirtualMachines.Advising;

namespace ToyVmm.VirtualMachines;

/// <content>What a debugger waits for.</content>
public sealed unsafe partial class VirtualMachine
{
    /// <summary>What ends a run with <see cref="StopKind.Breakpoint"/>; what was met is in <see cref="Vcpu.StopHits"/>. Null, which costs nothing, for nothing. Between runs.</summary>
    public StopSet? Stops
    {
        get => Vcpu.Stops;
        set
        {
            Vcpu.Stops = value is { IsEmpty: true } ? null : value;
            ChoosePorts();
        }
    }

    /// <summary>Where in its history the machine is.</summary>
    public ExecutionPoint Point => new(InstructionsRetired, Vcpu.EventsDelivered);

    // Whoever wants to be told of every exit gets every exit.
    private void ChoosePorts() =>
        Vcpu.Ports = _options.ExitObserver is not null || _options.ReadObserver is not null ? null
            : Stops is { Ports.Count: > 0 } or { Hypercalls.Count: > 0 } ? new WatchedPortAccess(this)
            : Advisor is null ? new PortAccess(this) : new AdvisedPortAccess(this, Advisor);

    private void NoteExit(in VmExit exit, uint number)
    {
        switch (exit.Reason)
        {
            case ExitReason.PortIo:
                NotePort((ushort)exit.Address, exit.Width, exit.IsWrite, exit.Value);
                break;
            case ExitReason.Hypercall:
                NoteHypercall(number);
                break;
        }
    }

    private void NotePort(ushort port, int width, bool isWrite, ulong value)
    {
        foreach ((ushort first, ushort last) in Stops?.Ports ?? [])
        {
            if (port <= last && port + width > first)
            {
                Vcpu.NoteStop(new StopHit(isWrite ? StopHitKind.PortWrite : StopHitKind.PortRead, port, Length: width, New: value));
                return;
            }
        }
    }

    private void NoteHypercall(uint number)
    {
        if (Stops is { } stops && stops.Hypercalls.Contains(number))
        {
            Vcpu.NoteStop(new StopHit(StopHitKind.Hypercall, number));
        }
    }

    /// <summary>Accesses in place, of which a debugger waits for some: no latch is hidden from it.</summary>
    private sealed class WatchedPortAccess(VirtualMachine vm) : IPortAccess
    {
        private readonly PortAccess _access = new(vm);

        public byte* Latches => null;

        public void CountLatchAccesses(ulong accesses) => _access.CountLatchAccesses(accesses);

        public ulong Read(ushort port, int width, ulong retired, out uint value)
        {
            ulong budget = _access.Read(port, width, retired, out value);
            vm.NotePort(port, width, isWrite: false, value);
            return budget;
        }

        public ulong Write(ushort port, int width, uint value, ulong retired)
        {
            ulong budget = _access.Write(port, width, value, retired);
            vm.NotePort(port, width, isWrite: true, value);
            return budget;
        }

        public ulong Hypercall(ulong retired)
        {
            uint number = vm.Cpu.Eax;
            ulong budget = _access.Hypercall(retired);
            vm.NoteHypercall(number);
            return budget;
        }
    }
}
