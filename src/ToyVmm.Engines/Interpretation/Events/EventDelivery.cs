using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation;

public sealed unsafe partial class Interpreter
{
    internal bool DeliverFault() => false;
    internal bool DeliverDebug(uint conditions, bool fault) => false;
    internal bool DeliverInterrupt(TrapSource source, int vector) => false;
}
