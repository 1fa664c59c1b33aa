using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Devices;
using ToyVmm.Hardware.Interrupts;

namespace ToyVmm.Debugging.Autopsies;

/// <summary>Why nothing wakes a CPU that has halted.</summary>
/// <param name="view">The guest.</param>
internal sealed class HaltDiagnosis(GuestView view)
{
    /// <summary>What stands in the way.</summary>
    public IEnumerable<AutopsyFinding> Examine()
    {
        if ((view.Machine.Cpu.OtherFlags & Eflags.IF) == 0)
        {
            yield return new AutopsyFinding(
                "The CPU executed HLT with interrupts off (EFLAGS.IF = 0): only an NMI or a reset would wake it.",
                "If this is how the kernel ends: power off instead (OUT 604h, AX=2000h), or say --halt-ok. If it should wait for an interrupt: STI directly before HLT.", "SDM 2A HLT");
            yield break;
        }

        foreach ((string name, Pic8259 chip, int first) in ((string, Pic8259, int)[])[("master", view.Machine.Machine.Pic.Master, 0), ("slave", view.Machine.Machine.Pic.Slave, 8)])
        {
            // A request that waits behind one in service was never going to be heard.
            if (chip.InService != 0 && !(first == 0 && chip.InService == 4 && view.Machine.Machine.Pic.Slave.InService != 0))
            {
                int line = System.Numerics.BitOperations.TrailingZeroCount(chip.InService);
                yield return new AutopsyFinding(
                    $"IRQ {first + line} is still in service in the {name} interrupt controller (ISR {chip.InService:x2}): its handler has returned without an end of interrupt, and no request of its priority or below is passed on.",
                    first == 0 ? "End the handler with OUT 20h, 20h (before IRET)." : "End the handler with OUT A0h, 20h and OUT 20h, 20h (before IRET).", "8259A data sheet, End of Interrupt");
            }
        }

        byte mask = view.Machine.Machine.Pic.Master.Mask;
        if (mask == 0xFF)
        {
            yield return new AutopsyFinding("Every line of the master interrupt controller is masked (port 21h is FF).", "Clear the bit of the line that should wake the CPU: OUT 21h, FE for the timer alone.", "8259A data sheet, OCW1");
        }
        else if ((mask & 1) == 0 && view.Machine.Machine.Pit.State(0) is { Reload: 0 } or { Mode: not (2 or 3) })
        {
            yield return new AutopsyFinding("IRQ 0 is open, but counter 0 of the timer does not run periodically.", "Program the 8254: OUT 43h, 34h, then the divisor's low and high byte to port 40h (mode 2).", "8254 data sheet, Control Word Format");
        }
        else if (mask == 0 && view.Machine.Machine.Pic.Master.VectorBase == 0)
        {
            yield return new AutopsyFinding("The interrupt controllers were never programmed: they are silent until ICW1.", "Initialize both 8259s (ICW1-ICW4), which also moves IRQ 0-15 to vectors 20h-2Fh.", "8259A data sheet, ICW1");
        }
        else if ((mask & 1) != 0)
        {
            yield return new AutopsyFinding($"Interrupts are on, but the timer's line is masked (port 21h is {mask:x2}), and the devices whose lines are open have nothing to say.", "Open IRQ 0 (clear bit 0 of port 21h), or wait for something that comes.", "8259A data sheet, OCW1");
        }
    }
}
