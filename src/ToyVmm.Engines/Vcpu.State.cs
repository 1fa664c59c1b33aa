using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.State;

namespace ToyVmm.Engines;

/// <content>The state of the CPU, between two runs of its engine.</content>
public sealed unsafe partial class Vcpu : ISavedState
{
    // Of the reasons to look, those that do not follow from the rest of the state.
    private const Attention SavedAttention =
        Attention.Interrupt | Attention.Nmi | Attention.InterruptWindow | Attention.Completion | Attention.PostedWrites;

    private const uint MxcsrBits = 0xFFFF;

    /// <inheritdoc/>
    /// <remarks>
    /// The registers, what is pending, the TLB, and the accesses of an instruction that waits for the monitor. The engine's part is its own
    /// (<see cref="Interpretation.Interpreter"/>). <see cref="NotifyStateChanged"/> must follow a restore.
    /// </remarks>
    void ISavedState.Transfer(StateTransfer state)
    {
        TransferRegisters(state);
        ApicBase = state.Pass(ApicBase);
        EventsDelivered = state.Version >= 2 ? state.Pass(EventsDelivered) : 0;
        int injected = InjectedVector;
        state.Range(ref injected, -1, 255, "the vector of the interrupt that waits");
        InjectedVector = injected;
        Attention saved = _state->Attention & SavedAttention;
        saved = (Attention)state.Pass((uint)saved);
        state.Require((saved & ~SavedAttention) == 0 && (saved & Attention.Interrupt) != 0 == injected >= 0);
        if (state.IsRestoring)
        {
            // What derives from the registers is derived when the engine is told.
            _state->Attention = saved;
        }

        Autopsy = PassAutopsy(state, Autopsy);
        state.Section("accesses"u8, 1, Io);
        state.Section("TLB"u8, 1, Mmu);
    }

    // The architectural part of the structure comes first; a golden test locks its layout.
    private void TransferRegisters(StateTransfer state)
    {
        int size = (int)((byte*)&_state->Tlb - (byte*)_state);
        int saved = size;
        state.Range(ref saved, size, size, "the size of the register file");
        if (state.Error is not null)
        {
            return;
        }

        if (!state.IsRestoring)
        {
            // The arithmetic flags have many representations; equal states are saved as equal bytes.
            CpuState canonical = *_state;
            LazyFlags.Set(&canonical, LazyFlags.GetEflags(_state));
            state.Bytes(new Span<byte>(&canonical, size));
            return;
        }

        state.Bytes(new Span<byte>(_state, size));
        state.Require(_state->Zero == 0 && _state->Cpl <= 3);
        state.Require((_state->OtherFlags & ~(Eflags.Defined & ~Eflags.Arithmetic)) == Eflags.Fixed, "EFLAGS has bit 1 and no reserved bits");
        state.Require(_state->Shadow <= InterruptShadow.MovSs);
        state.Require(_state->FpuTags <= 0xFF && (_state->Mxcsr & ~MxcsrBits) == 0, "the floating-point state has no reserved bits");
        state.Require((_state->Efer & ~Efer.Writable) == 0, "EFER has no reserved bits");
    }

    private static Autopsy? PassAutopsy(StateTransfer state, Autopsy? autopsy)
    {
        const int Most = 1 << 10;
        if (!state.Pass(autopsy is not null))
        {
            return null;
        }

        AutopsyFault[] chain = new AutopsyFault[state.Count(autopsy?.Chain.Count ?? 0, Most)];
        for (int n = 0; n < chain.Length; n++)
        {
            AutopsyFault fault = autopsy?.Chain[n] ?? new AutopsyFault(default, 0, 0, "");
            TrapSource source = (TrapSource)state.Choice((int)fault.Trap.Source, (int)TrapSource.Nmi);
            int vector = state.Choice(fault.Trap.Vector, 255);
            TrapInfo trap = new(source, vector, state.Pass(fault.Trap.ErrorCode), state.Pass(fault.Trap.FaultAddress));
            chain[n] = new AutopsyFault(trap, (ushort)state.Pass((uint)fault.CodeSelector), state.Pass(fault.Eip), state.Text(fault.Cause),
                state.Version >= 2 ? state.Pass(fault.Instructions) : 0);
        }

        string[] tables = new string[state.Count(autopsy?.Tables.Count ?? 0, Most)];
        for (int n = 0; n < tables.Length; n++)
        {
            tables[n] = state.Text(autopsy?.Tables[n] ?? "");
        }

        return new Autopsy(chain, tables);
    }
}
