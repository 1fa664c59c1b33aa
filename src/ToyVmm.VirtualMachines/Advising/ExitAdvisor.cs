using ToyVmm.Engines;
using ToyVmm.Engines.Metering;
using ToyVmm.VirtualMachines.Symbols;

namespace ToyVmm.VirtualMachines.Advising;

/// <summary>
/// Watches what a guest leaves its code for, and says in the end which paravirtual calls would have spared how much of it
/// (<see cref="VirtualMachineOptions.Advise"/>). It counts what happened: a call's saving is the number of interventions that it takes the place of, less
/// the calls themselves.
/// </summary>
public sealed class ExitAdvisor
{
    // A wake-up in which the guest did less than this, and nothing but handle its timer, was for nothing.
    private const ulong IdleInstructions = 1000;

    // So many reads of one port in a row, by one instruction, are waiting.
    private const uint PollsThatWait = 16;

    private readonly VirtualMachine _vm;
    private readonly InterventionProfile _profile;
    private readonly ExitPurposes _purposes;
    private readonly Dictionary<uint, ulong> _idleTicks = [];
    private readonly Dictionary<(uint Address, uint Port), ulong> _pollsToSend = [];
    private readonly Dictionary<(uint Address, uint Port), ulong> _pollsToWait = [];

    // The reads of one port in a row.
    private (uint Address, uint Port) _poll;
    private uint _polls;

    // The last HLT, and whether only the timer was handled since.
    private uint _haltAddress;
    private ulong _haltMoment;
    private bool _onlyTimer;

    internal ExitAdvisor(VirtualMachine vm, InterventionProfile profile)
    {
        _vm = vm;
        _profile = profile;
        _purposes = new ExitPurposes(vm.Machine);
    }

    /// <summary>What was left for, each place and reason with its count and time, and what would spare it. Not while the machine runs.</summary>
    /// <param name="symbols">Names for the guest's addresses.</param>
    public AdviceReport Report(SymbolTable symbols)
    {
        ArgumentNullException.ThrowIfNull(symbols);
        EndPolls(sends: false);
        AdviceBuilder builder = new(symbols, _profile, new AdviceObservations(_idleTicks, _pollsToSend, _pollsToWait, _vm.Vcpu.Translation?.Revalidations ?? 0));
        return builder.Build(_vm.Statistics.Costs!);
    }

    /// <summary>The engine has left; nothing is handled yet.</summary>
    internal void BeginExit(in VmExit exit)
    {
        switch (exit.Reason)
        {
            case ExitReason.PortIo:
                InterventionKind access = exit.IsWrite ? InterventionKind.PortWrite : InterventionKind.PortRead;
                _profile.BeginExit(access, (uint)exit.Address, (int)OfPort((ushort)exit.Address, exit.IsWrite, (uint)exit.Value));
                break;
            case ExitReason.PortIoPerformed:
                _profile.ContinueAccess();
                break;
            case ExitReason.Mmio:
                ExitPurpose purpose = _purposes.OfDevice(exit.Address, exit.IsWrite, out uint place);
                Note(purpose, poll: null);
                _profile.BeginExit(exit.IsWrite ? InterventionKind.DeviceWrite : InterventionKind.DeviceRead, place, (int)purpose);
                break;
            case ExitReason.Hypercall:
                Note(ExitPurpose.None, poll: null);
                _profile.BeginExit(InterventionKind.Hypercall, _vm.Cpu.Eax, 0);
                break;
            case ExitReason.Halt:
                NoteHalt();
                _profile.BeginExit(InterventionKind.Halt, 0, 0);
                break;
            case ExitReason.ApicBaseWritten:
                Note(ExitPurpose.None, poll: null);
                _profile.BeginExit(InterventionKind.OtherExit, 0, 0);
                break;
            default:
                _profile.BeginExit(kind: null, 0, 0);
                break;
        }
    }

    /// <summary>A port is about to be accessed in place.</summary>
    internal void EnterAccess(ushort port, bool isWrite, uint value)
    {
        ExitPurpose purpose = OfPort(port, isWrite, value);
        _profile.EnterExit(isWrite ? InterventionKind.PortWrite : InterventionKind.PortRead, port, (int)purpose);
    }

    /// <summary>A hypercall is about to be performed in place.</summary>
    internal void EnterHypercall()
    {
        Note(ExitPurpose.None, poll: null);
        _profile.EnterExit(InterventionKind.Hypercall, _vm.Cpu.Eax, 0);
    }

    private ExitPurpose OfPort(ushort port, bool isWrite, uint value)
    {
        ExitPurpose purpose = _purposes.OfPort(port, isWrite, value);
        Note(purpose, isWrite ? null : (_profile.ExitAddress, port));
        return purpose;
    }

    private void Note(ExitPurpose purpose, (uint Address, uint Port)? poll)
    {
        _onlyTimer &= purpose == ExitPurpose.Timer;
        if (poll is { } read && read == _poll)
        {
            _polls++;
            return;
        }

        EndPolls(sends: purpose == ExitPurpose.ConsoleOutput);
        if (poll is { } first)
        {
            _poll = first;
            _polls = 1;
        }
    }

    // Whoever reads the line status and then sends has waited for the transmitter, which console_write does not have.
    private void EndPolls(bool sends)
    {
        Dictionary<(uint Address, uint Port), ulong>? credited = sends && _poll.Port == ExitPurposes.LineStatus ? _pollsToSend
            : _polls >= PollsThatWait ? _pollsToWait
            : null;
        if (credited is not null && _polls > 0 && (credited.Count < InterventionProfile.MostSites || credited.ContainsKey(_poll)))
        {
            credited[_poll] = credited.GetValueOrDefault(_poll) + _polls;
        }

        _polls = 0;
        _poll = default;
    }

    private void NoteHalt()
    {
        EndPolls(sends: false);
        uint address = _profile.ExitAddress;
        ulong now = _vm.InstructionsRetired;
        if (_onlyTimer && address == _haltAddress && now - _haltMoment < IdleInstructions && (_idleTicks.Count < InterventionProfile.MostSites || _idleTicks.ContainsKey(address)))
        {
            _idleTicks[address] = _idleTicks.GetValueOrDefault(address) + 1;
        }

        _haltAddress = address;
        _haltMoment = now;
        _onlyTimer = true;
    }
}
