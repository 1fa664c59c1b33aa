using ToyVmm.Engines.Decoding;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Debugging.Strict;

/// <summary>Mode switches and system registers: the jump behind CR0.PE, reserved bits that this model ignores, and memory above 1 MiB with A20 off.</summary>
/// <param name="checker">Takes the findings.</param>
internal sealed unsafe class ModeCheck(StrictChecker checker)
{
    // CR3: bits 3 and 4 are PWT and PCD, the others below the table's address are ignored by this model and should be 0.
    private const uint Cr3Reserved = 0xFE7;
    private const uint Cr3ReservedPae = 0x07;

    // L in SegmentCache.Access: bit 53 of the descriptor.
    private const uint LongCode = 0x2000;
    private const uint Line20 = 1 << 20;
    private const uint RealModeReach = 0x11_0000;

    private uint _cr0;
    private uint _cr3;
    private uint _csBase;
    private ushort _cs;
    private bool _started;

    /// <summary>Looks at an instruction before it runs, and at what the last one has done.</summary>
    public void Before(InstructionFacts? facts, CpuState* s)
    {
        if (!_started)
        {
            Remember(s);
            _started = true;
            return;
        }

        if (((s->Cr0 & ~_cr0) & Cr0.PE) != 0 && facts is not null && s->Cs.Selector == _cs
            && facts.Kind is not (InstructionKind.Jump or InstructionKind.FarTransfer or InstructionKind.IndirectBranch or InstructionKind.Return))
        {
            checker.Report(
                StrictChecks.Mode, "The instruction before has set CR0.PE, and this one is no jump: what the processor has fetched and decoded ahead is still real-mode code.",
                "Let a far jump to the 32-bit code segment follow directly.", "SDM 3A 9.9.1");
        }

        if (s->Cr3 != _cr3 && (s->Cr0 & Cr0.PE) != 0 && (s->Cr3 & ((s->Cr4 & Cr4.PAE) != 0 ? Cr3ReservedPae : Cr3Reserved)) is var low and not 0)
        {
            checker.ReportPrevious(
                StrictChecks.Reserved, $"CR3 got the value {s->Cr3:x8}: bits {low:x3} are reserved. The table that is used begins at {s->Cr3 & ((s->Cr4 & Cr4.PAE) != 0 ? 0xFFFF_FFE0 : 0xFFFF_F000):x8}, which is hardly the one that was meant.",
                "Align the page directory to 4096 bytes (32 bytes with PAE), and load its physical address.", "SDM 3A 2.5, table 4-3");
        }

        if ((s->Cs.Selector != _cs || s->Cs.Base != _csBase) && (s->Cs.Access & LongCode) != 0 && (s->Cr0 & Cr0.PE) != 0)
        {
            checker.ReportPrevious(
                StrictChecks.Reserved, $"Code segment {s->Cs.Selector:x4} has bit 53 (L, 64-bit code) set, which is reserved outside IA-32e mode.",
                "Clear L in the descriptor (and set D/B, bit 54, for 32-bit code): byte 6 is CF.", "SDM 3A 3.4.5");
        }

        Remember(s);
    }

    /// <summary>Looks at an access while address line 20 is held low.</summary>
    /// <param name="s">The CPU.</param>
    /// <param name="linear">The address.</param>
    public void BeforeAccess(CpuState* s, uint linear)
    {
        // Addresses to 10FFEF can be the wrap-around at 1 MiB that real-mode programs of the 8086 rely on.
        bool meansIt = (s->Cr0 & Cr0.PE) != 0 || linear >= RealModeReach;
        if ((s->Cr0 & Cr0.PG) == 0 && (linear & Line20) != 0 && meansIt)
        {
            checker.Report(
                StrictChecks.A20, $"Address {linear:x8} has bit 20 set, and the A20 gate is closed: the access goes to {linear & ~Line20:x8}.",
                "Open the gate (BIOS INT 15h AX=2401, port 92h bit 1, or the 8042) and check that it is open before you use memory above 1 MiB.", "82371SB data sheet, port 92h; SDM 3A 8.7.13.4");
        }
    }

    private void Remember(CpuState* s)
    {
        _cr0 = s->Cr0;
        _cr3 = s->Cr3;
        _cs = s->Cs.Selector;
        _csBase = s->Cs.Base;
    }
}
