using ToyVmm.Engines;
using ToyVmm.Engines.Decoding;
using ToyVmm.Hardware;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Interrupts;

namespace ToyVmm.Debugging.Strict;

/// <summary>Device interrupts: handlers that return without an end of interrupt, and interrupts that come as exceptions.</summary>
/// <param name="checker">Takes the findings.</param>
/// <param name="machine">The board.</param>
internal sealed unsafe class InterruptCheck(StrictChecker checker, Machine machine)
{
    private const int MostNested = 64;
    private const int Cascade = 2;

    // Handlers that have been entered and have not returned, the innermost last.
    private readonly List<(int Vector, uint Frame)> _handlers = [];
    private int _entering = -1;

    /// <summary>An interrupt is about to be delivered.</summary>
    public void BeforeTrap(CpuState* s, in TrapInfo trap)
    {
        if (trap.Source != TrapSource.ExternalInterrupt)
        {
            return;
        }

        _entering = trap.Vector;
        bool isProtected = (s->Cr0 & Cr0.PE) != 0;
        if (isProtected && trap.Vector < 32)
        {
            checker.ReportEvent(
                (uint)trap.Vector,
                StrictChecks.Vectors,
                $"An interrupt from {Line(trap.Vector)} came as vector {trap.Vector:X2}h, which is the CPU's own {Vector.Name(trap.Vector)}: a handler cannot tell one from the other.",
                "Remap the interrupt controllers (ICW2) to vectors from 20h on before STI.", "SDM 3A 6.2, table 6-1; 8259A data sheet, ICW2");
        }
    }

    /// <summary>Looks at an instruction before it runs.</summary>
    public void Before(InstructionFacts? facts, CpuState* s)
    {
        uint top = s->Ss.Base + (s->Ss.Big ? s->Esp : s->Esp & 0xFFFF);
        if (_entering >= 0)
        {
            if (_handlers.Count == MostNested)
            {
                _handlers.RemoveAt(0);
            }

            _handlers.Add((_entering, top));
            _entering = -1;
        }

        if (facts?.Kind != InstructionKind.InterruptReturn)
        {
            return;
        }

        int handler = _handlers.FindLastIndex(entry => entry.Frame == top);
        if (handler < 0)
        {
            return;
        }

        int vector = _handlers[handler].Vector;
        _handlers.RemoveAt(handler);
        if (Forgotten(vector) is { } who)
        {
            checker.Report(
                StrictChecks.Eoi, $"The handler of {Line(vector)} (vector {vector:X2}h) returns, and its interrupt is still in service in the {who}: no further one of its priority or below will come.",
                who == "local APIC" ? "Write 0 to the APIC's EOI register (FEE000B0h) before IRET." : who == "slave 8259" ? "OUT A0h, 20h and OUT 20h, 20h before IRET." : "OUT 20h, 20h before IRET.",
                who == "local APIC" ? "SDM 3A 11.8.5" : "8259A data sheet, End of Interrupt");
        }
    }

    private string? Forgotten(int vector)
    {
        Pic8259 master = machine.Pic.Master;
        Pic8259 slave = machine.Pic.Slave;
        int line = vector - master.VectorBase;
        if (line is >= 0 and < 8 && (master.InService & (1 << line)) != 0)
        {
            return "master 8259";
        }

        line = vector - slave.VectorBase;
        if (line is >= 0 and < 8)
        {
            if ((slave.InService & (1 << line)) != 0)
            {
                return "slave 8259";
            }

            // Its cascade line, where it serves nobody else.
            if (slave.InService == 0 && (master.InService & (1 << Cascade)) != 0)
            {
                return "master 8259";
            }
        }

        // SDM 3A table 11-1: the ISR's eight words at 100h; their read has no effect.
        LocalApic apic = machine.LocalApic;
        return apic.IsEnabled && ((apic.Read(0x100u + (0x10u * ((uint)vector / 32)), 4) >> (vector % 32)) & 1) != 0 ? "local APIC" : null;
    }

    private string Line(int vector) =>
        vector - machine.Pic.Master.VectorBase is >= 0 and < 8 and var low ? $"IRQ {low}"
        : vector - machine.Pic.Slave.VectorBase is >= 0 and < 8 and var high ? $"IRQ {high + 8}"
        : "the local APIC";
}
