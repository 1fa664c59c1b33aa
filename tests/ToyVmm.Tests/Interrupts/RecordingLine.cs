using ToyVmm.Hardware.Interrupts;

namespace ToyVmm.Tests.Interrupts;

/// <summary>A wire that remembers its level and counts its rising edges.</summary>
internal sealed class RecordingLine : IInterruptLine
{
    public bool Level { get; private set; }

    public int Rises { get; private set; }

    public void SetLevel(bool high)
    {
        if (high && !Level)
        {
            Rises++;
        }

        Level = high;
    }
}
