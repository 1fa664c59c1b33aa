using Microsoft.Extensions.Logging;
using ToyVmm.Engines;
using ToyVmm.Hardware;
using ToyVmm.Hardware.Buses;
using ToyVmm.Hardware.Memory;

namespace ToyVmm.VirtualMachines;

/// <summary>Performs what the guest left the engine for.</summary>
internal sealed class ExitHandler
{
    private readonly VirtualMachine _vm;
    private readonly ILogger _ports;

    private readonly Action<VirtualMachine, VmExit>? _readObserver;

    public ExitHandler(VirtualMachine vm, VirtualMachineOptions options)
    {
        _vm = vm;
        _readObserver = options.ReadObserver;
        _ports = options.Logging.CreateLogger("ToyVmm.Bus");
        if (_ports.IsEnabled(LogLevel.Debug))
        {
            vm.Machine.Ports.UnmappedAccess = access => Report("port", access);
            vm.Machine.Mmio.UnmappedAccess = access => Report("address", access);
        }
    }

    /// <summary>Handles one exit other than a halt.</summary>
    /// <returns>Why the run ends, or null where the guest goes on.</returns>
    public StopReason? Handle(in VmExit exit)
    {
        switch (exit.Reason)
        {
            case ExitReason.PortIo when exit.IsWrite:
                _vm.Machine.Ports.Write((ushort)exit.Address, exit.Width, (uint)exit.Value);
                return null;
            case ExitReason.PortIo:
                Answer(exit, _vm.Machine.Ports.Read((ushort)exit.Address, exit.Width));
                return null;
            case ExitReason.Mmio when exit.IsWrite:
                _vm.Machine.Mmio.Write(new GuestPhysicalAddress(exit.Address), exit.Width, exit.Value);
                return null;
            case ExitReason.Mmio:
                Answer(exit, _vm.Machine.Mmio.Read(new GuestPhysicalAddress(exit.Address), exit.Width));
                return null;
            case ExitReason.Hypercall:
                return _vm.Hypercalls.Call();
            case ExitReason.Shutdown:
                return new StopReason(StopKind.TripleFault, 0, "triple fault", _vm.Vcpu.Autopsy);
            default:
                // The budget is spent, or an interrupt can be delivered now: the loop does the rest.
                return null;
        }
    }

    /// <summary>Handles what the guest asked of the machine through a device.</summary>
    public StopReason? HandleRequest()
    {
        if (_vm.Machine.Request.Kind == MachineRequestKind.None)
        {
            return null;
        }

        MachineRequest request = _vm.Machine.TakeRequest();
        return request.Kind switch
        {
            MachineRequestKind.PowerOff => new StopReason(StopKind.PowerOff, 0, "the guest powered off"),
            MachineRequestKind.DebugExit => new StopReason(StopKind.DebugExit, request.Code, $"the guest wrote {request.Code} to the debug exit port"),
            _ => new StopReason(StopKind.Reset, 0, "the guest asked for a reset"),
        };
    }

    private void Answer(in VmExit exit, ulong value)
    {
        _readObserver?.Invoke(_vm, exit with { Value = value });
        _vm.Vcpu.CompleteRead(value);
    }

    private void Report(string kind, UnmappedAccess access)
    {
        if (access.IsWrite)
        {
            LogMessages.UnmappedWrite(_ports, kind, access.Address, access.Value);
        }
        else
        {
            LogMessages.UnmappedRead(_ports, kind, access.Address);
        }
    }
}
