using ToyVmm.Hardware;
using ToyVmm.Hardware.State;

namespace ToyVmm.VirtualMachines;

/// <content>The machine's state in a buffer: everything that the guest could tell the difference by, but for what RAM holds.</content>
public sealed unsafe partial class VirtualMachine
{
    /// <summary>
    /// The state of the stopped machine: CPU, chips, clock and timers, drives' unsaved sectors, waiting input. With a copy of RAM it makes
    /// a machine that goes on exactly as this one. Costs tens of microseconds, and as many KiB.
    /// </summary>
    /// <returns>The state, for <see cref="RestoreState"/> of a machine with the same configuration.</returns>
    /// <remarks>Not while <see cref="Run"/> runs. Serial output so far and <see cref="Statistics"/> are the host's and not part of it.</remarks>
    public byte[] SaveState()
    {
        StateTransfer state = StateTransfer.ForSaving();
        Transfer(state);
        return state.Saved.ToArray();
    }

    /// <summary>Puts a state into this machine, which goes on from there. RAM (<see cref="Hardware.Memory.GuestMemory"/>) is the caller's to fill, before.</summary>
    /// <param name="state">What <see cref="SaveState"/> gave; of either engine.</param>
    /// <exception cref="InvalidStateException">It is damaged, or of a machine with another configuration. This machine is then good for nothing but <see cref="Dispose"/>.</exception>
    public void RestoreState(ArraySegment<byte> state)
    {
        StateTransfer transfer = StateTransfer.ForRestoring(state);
        Restore(transfer);
    }

    private void Restore(StateTransfer transfer)
    {
        Transfer(transfer);
        transfer.Require(transfer.Left == 0, "nothing follows the state");
        if (transfer.Error is { } error)
        {
            throw new InvalidStateException(error);
        }

        _host.Resume();
        _slack = s_leastSlack;
        _injectedAt = Now;
        _cutString = Vcpu.IsInsideString;
        _replays = false;
        LookOutFor(null);
        Divergence = null;
        SetA20(Machine.A20Enabled);
    }

    /// <summary>What the machine was built from.</summary>
    internal VirtualMachineOptions Options => _options;

    /// <summary>The image's file, which a reset loads again; empty where a drive is booted.</summary>
    internal ReadOnlyMemory<byte> ImageFile => _imageFile;

    /// <summary>What was written to the drives' files is in them.</summary>
    internal void FlushDrives() => _drives.Flush();

    private void Transfer(StateTransfer state)
    {
        string model = state.Text(Vcpu.Model.Name);
        state.Require(model == Vcpu.Model.Name, $"the CPU is a {Vcpu.Model.Name}");
        state.Section("machine"u8, 1, Machine);
        state.Section("CPU"u8, 2, Vcpu);
        state.Section("engine"u8, 1, _engine);
        state.Section("run loop"u8, 2, new LoopState(this));
        state.Section("clock page"u8, 1, Hypercalls.Clock);
        state.Section("drives"u8, 1, _drives);
        if (!state.IsInPlace)
        {
            // What waits in the queue of a machine that replays waits for the recording's end, wherever in it the machine is.
            using InputQueue? aside = state.IsRestoring && Replay is not null ? new InputQueue() : null;
            state.Section("input"u8, 1, aside ?? Input);
        }
    }

    // What a run determines, and nothing that depends on how it was cut or what waits at its door.
    internal void TransferDeterministic(StateTransfer state)
    {
        state.Section("machine"u8, 1, Machine);
        state.Section("run loop"u8, 2, new LoopState(this));
        state.Section("clock page"u8, 1, Hypercalls.Clock);
        state.Section("drives"u8, 1, _drives);
    }

    private sealed class LoopState(VirtualMachine vm) : ISavedState
    {
        public void Transfer(StateTransfer state)
        {
            state.Value(ref vm._idle);
            state.Value(ref vm._exitsHandled);
            state.Value(ref vm._asleep);
            state.Value(ref vm._sleptSince);
            state.Range(ref vm._timersUnheard, 0, MostTimersUnheard + 1);
            if (state.Version >= 2)
            {
                state.Value(ref vm._inputsTaken);
            }

            ulong now = vm.Machine.Clock.Now;
            state.Require(vm._idle <= now && vm.InstructionsRetired == now - vm._idle, "the clock is the instructions and the idle time");
            state.Require(vm._sleptSince <= now);
        }
    }
}
