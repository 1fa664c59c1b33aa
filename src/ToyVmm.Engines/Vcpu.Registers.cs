using ToyVmm.Engines.Interpretation.Instructions;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines;

/// <content>Registers whose change from outside, by a debugger, has to keep what the instructions that change them keep. <see cref="NotifyStateChanged"/> must follow.</content>
public sealed unsafe partial class Vcpu
{
    /// <summary>The full x87 tag word, which follows from the registers and <see cref="CpuState.FpuTags"/> (SDM 1 8.1.7). Setting it keeps which ones are empty.</summary>
    public ushort FpuTagWord
    {
        get => X87Environment.TagWord(_state);
        set
        {
            const int Empty = 3;
            _state->FpuTags = 0;
            for (int n = 0; n < 8; n++)
            {
                _state->FpuTags |= (ushort)(((value >> (2 * n)) & Empty) == Empty ? 0 : 1 << n);
            }
        }
    }

    /// <summary>Changes the x87 control and status words as FLDENV does: ES and B follow from the exceptions and their masks.</summary>
    /// <param name="control">The control word.</param>
    /// <param name="status">The status word.</param>
    public void SetFpuWords(ushort control, ushort status)
    {
        _state->FpuStatus = status;
        X87Control.SetControl(_state, control);
    }

    /// <summary>Changes CR0 as MOV does.</summary>
    /// <param name="value">The value; bits that the CPU lacks are ignored.</param>
    /// <returns>Null, or why the CPU does not take it: nothing is changed then.</returns>
    public string? TrySetCr0(uint value)
    {
        value &= Model.Cr0Bits;
        if ((value & (Cr0.PG | Cr0.PE)) == Cr0.PG)
        {
            return "CR0.PG without CR0.PE";
        }

        if ((value & (Cr0.NW | Cr0.CD)) == Cr0.NW)
        {
            return "CR0.NW without CR0.CD";
        }

        value |= Cr0.ET;
        uint changes = _state->Cr0 ^ value;
        if ((changes & Cr0.PE) != 0 && (_state->OtherFlags & Eflags.VM) != 0)
        {
            return "CR0.PE cannot be cleared in virtual-8086 mode";
        }

        bool loads = (value & Cr0.PG) != 0 && (_state->Cr4 & Cr4.PAE) != 0 && (changes & Cr0.LoadsPointers) != 0;
        if (loads && !Mmu.TryLoadPointers(_state->Cr3))
        {
            return "a present PDPTE has a reserved bit set";
        }

        _state->Cr0 = value;
        if ((changes & Cr0.PG) != 0)
        {
            Mmu.Tlb.FlushAll();
        }

        if ((changes & Cr0.PE) != 0)
        {
            // Protected mode takes real mode's right to write away from CS; going back, real mode is ring 0.
            _state->Cs.Refresh();
            if ((value & Cr0.PE) == 0)
            {
                _state->Cs.Rights = SegmentRights.All;
                _state->Cpl = 0;
            }
        }

        return null;
    }

    /// <summary>Changes CR3 as MOV does.</summary>
    /// <param name="value">The value.</param>
    /// <returns>Null, or why the CPU does not take it: nothing is changed then.</returns>
    public string? TrySetCr3(uint value)
    {
        bool pae = (_state->Cr0 & Cr0.PG) != 0 && (_state->Cr4 & Cr4.PAE) != 0;
        if (pae && !Mmu.TryLoadPointers(value))
        {
            return "a present PDPTE has a reserved bit set";
        }

        // Whatever was remembered of the space that it leaves is dropped: a debugger's write is no MOV, and needs no speed.
        _state->Cr3 = value;
        Mmu.Tlb.FlushAll();
        return null;
    }

    /// <summary>Changes CR4 as MOV does.</summary>
    /// <param name="value">The value.</param>
    /// <returns>Null, or why the CPU does not take it: nothing is changed then.</returns>
    public string? TrySetCr4(uint value)
    {
        if ((value & ~Model.Cr4Bits) != 0)
        {
            return $"CR4 has bits that this CPU lacks: 0x{value & ~Model.Cr4Bits:x}";
        }

        uint changes = _state->Cr4 ^ value;
        bool loads = (value & Cr4.PAE) != 0 && (_state->Cr0 & Cr0.PG) != 0 && (changes & Cr4.Paging) != 0;
        if (loads && !Mmu.TryLoadPointers(_state->Cr3))
        {
            return "a present PDPTE has a reserved bit set";
        }

        _state->Cr4 = value;
        if ((changes & Cr4.Paging) != 0)
        {
            Mmu.Tlb.FlushAll();
        }

        return null;
    }

    /// <summary>Changes IA32_EFER as WRMSR does.</summary>
    /// <param name="value">The value.</param>
    /// <returns>Null, or why the CPU does not take it: nothing is changed then.</returns>
    public string? TrySetEfer(uint value)
    {
        if (!Model.Has(CpuExtendedFeatures.Nx) || (value & ~Efer.Writable) != 0)
        {
            return $"IA32_EFER has bits that this CPU lacks: 0x{value & ~(Model.Has(CpuExtendedFeatures.Nx) ? Efer.Writable : 0):x}";
        }

        if (_state->Efer != value)
        {
            _state->Efer = value;
            Mmu.Tlb.FlushAll();
        }

        return null;
    }
}
