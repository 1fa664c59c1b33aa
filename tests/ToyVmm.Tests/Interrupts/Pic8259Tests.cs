using ToyVmm.Hardware.Interrupts;
using Xunit;

namespace ToyVmm.Tests.Interrupts;

/// <summary>Rows of the 8259A data sheet.</summary>
public sealed class Pic8259Tests
{
    [Fact]
    public void TheFullyNestedModeServesHigherPrioritiesOnly()
    {
        (Pic8259 pic, RecordingLine output) = Single();
        pic.Line(3).SetLevel(true);
        Assert.True(output.Level);
        Assert.Equal(0x23, pic.Acknowledge(out _));
        Assert.Equal(0x08, pic.InService);
        Assert.False(output.Level);

        pic.Line(5).SetLevel(true);
        pic.Line(3).SetLevel(false);
        pic.Line(3).SetLevel(true);
        Assert.False(output.Level);
        pic.Line(1).SetLevel(true);
        Assert.True(output.Level);
        Assert.Equal(0x21, pic.Acknowledge(out _));

        pic.WritePort(0, 1, 0x20);              // non-specific EOI ends level 1
        Assert.Equal(0x08, pic.InService);
        pic.WritePort(0, 1, 0x63);              // specific EOI of level 3
        Assert.Equal(0x00, pic.InService);
        Assert.Equal(0x23, pic.Acknowledge(out _));
        pic.WritePort(0, 1, 0x20);
        Assert.Equal(0x25, pic.Acknowledge(out _));
    }

    [Fact]
    public void ARequestThatFallsBeforeTheAcknowledgeGivesTheDefaultLevelSeven()
    {
        (Pic8259 pic, RecordingLine output) = Single();
        pic.Line(4).SetLevel(true);
        pic.Line(4).SetLevel(false);

        Assert.False(output.Level);
        Assert.Equal(0x27, pic.Acknowledge(out int input));
        Assert.Equal(7, input);
        Assert.Equal(0, pic.InService);
    }

    [Fact]
    public void AnEdgeIsTakenOnceAndALevelAsLongAsItLasts()
    {
        (Pic8259 pic, RecordingLine output) = Single();
        pic.SetEdgeLevelControl(0x20);
        pic.Line(4).SetLevel(true);
        pic.Line(5).SetLevel(true);
        Assert.Equal(0x24, pic.Acknowledge(out _));
        pic.WritePort(0, 1, 0x20);
        Assert.Equal(0x25, pic.Acknowledge(out _));
        pic.WritePort(0, 1, 0x20);

        Assert.Equal(0x20, pic.Requests);
        Assert.True(output.Level);
        pic.Line(5).SetLevel(false);
        Assert.False(output.Level);
    }

    [Fact]
    public void LtimMakesAllInputsLevelTriggered()
    {
        RecordingLine output = new();
        Pic8259 pic = new(output);
        Initialize(pic, icw1: 0x1B, icw4: 1);
        pic.Line(0).SetLevel(true);
        _ = pic.Acknowledge(out _);
        pic.WritePort(0, 1, 0x20);
        Assert.True(output.Level);
    }

    [Fact]
    public void TheMaskHoldsARequestBackWithoutLosingIt()
    {
        (Pic8259 pic, RecordingLine output) = Single();
        pic.WritePort(1, 1, 0x10);
        pic.Line(4).SetLevel(true);
        Assert.False(output.Level);
        Assert.Equal(0x10u, pic.ReadPort(1, 1));
        Assert.Equal(0x10u, pic.ReadPort(0, 1));    // IRR
        pic.WritePort(1, 1, 0);
        Assert.True(output.Level);
    }

    [Fact]
    public void Ocw3ChoosesTheRegisterAndKeepsTheChoice()
    {
        (Pic8259 pic, _) = Single();
        pic.Line(2).SetLevel(true);
        _ = pic.Acknowledge(out _);
        pic.Line(6).SetLevel(true);
        pic.WritePort(0, 1, 0x0B);
        Assert.Equal(0x04u, pic.ReadPort(0, 1));
        Assert.Equal(0x04u, pic.ReadPort(0, 1));
        pic.WritePort(0, 1, 0x08);              // RR = 0: no change
        Assert.Equal(0x04u, pic.ReadPort(0, 1));
        pic.WritePort(0, 1, 0x0A);
        Assert.Equal(0x40u, pic.ReadPort(0, 1));
    }

    [Fact]
    public void AutomaticEoiLeavesNothingInService()
    {
        (Pic8259 pic, RecordingLine output) = Single(icw4: 3);
        pic.Line(1).SetLevel(true);
        pic.Line(6).SetLevel(true);
        Assert.Equal(0x21, pic.Acknowledge(out _));
        Assert.Equal(0, pic.InService);
        Assert.True(output.Level);
        Assert.Equal(2, output.Rises);          // INT falls between two acknowledges
        Assert.Equal(0x26, pic.Acknowledge(out _));
    }

    [Fact]
    public void RotationPutsTheLastServedAtTheBottom()
    {
        (Pic8259 pic, _) = Single();
        RaiseAll(pic);
        Assert.Equal(0x20, pic.Acknowledge(out _));
        pic.WritePort(0, 1, 0xA0);              // rotate on non-specific EOI
        Assert.Equal(0x21, pic.Acknowledge(out _));
        pic.WritePort(0, 1, 0xE4);              // rotate on specific EOI: 4 at the bottom; 1 stays in service
        Assert.Equal(0x25, pic.Acknowledge(out _));
        pic.WritePort(0, 1, 0x65);
        pic.WritePort(0, 1, 0x61);
        pic.WritePort(0, 1, 0xC2);              // set priority: 2 at the bottom
        Assert.Equal(0x23, pic.Acknowledge(out _));
    }

    [Fact]
    public void RotationInAutomaticEoiModeIsSetAndCleared()
    {
        (Pic8259 pic, _) = Single(icw4: 3);
        pic.SetEdgeLevelControl(0xFF);
        RaiseAll(pic);
        pic.WritePort(0, 1, 0x80);
        Assert.Equal([0x20, 0x21, 0x22], new[] { pic.Acknowledge(out _), pic.Acknowledge(out _), pic.Acknowledge(out _) }.Select(v => (int)v));
        pic.WritePort(0, 1, 0x00);
        Assert.Equal([0x23, 0x23], new[] { pic.Acknowledge(out _), pic.Acknowledge(out _) }.Select(v => (int)v));
    }

    [Fact]
    public void SpecialMaskModeLetsLowerLevelsThrough()
    {
        (Pic8259 pic, RecordingLine output) = Single();
        pic.Line(2).SetLevel(true);
        _ = pic.Acknowledge(out _);
        pic.Line(6).SetLevel(true);
        Assert.False(output.Level);
        pic.WritePort(1, 1, 0x04);              // mask the level in service
        Assert.False(output.Level);
        pic.WritePort(0, 1, 0x68);              // ESMM SMM
        Assert.True(output.Level);
        Assert.Equal(0x26, pic.Acknowledge(out _));
        pic.WritePort(0, 1, 0x20);              // ends 6; the masked bit 2 is not touched
        Assert.Equal(0x04, pic.InService);
        pic.WritePort(0, 1, 0x20);
        Assert.Equal(0x04, pic.InService);
        pic.WritePort(0, 1, 0x48);              // leave the mode
        pic.WritePort(0, 1, 0x20);
        Assert.Equal(0x00, pic.InService);
    }

    [Fact]
    public void APollIsAnAcknowledge()
    {
        (Pic8259 pic, RecordingLine output) = Single();
        pic.WritePort(0, 1, 0x0C);
        Assert.Equal(0u, pic.ReadPort(0, 1) & 0x80);
        pic.Line(3).SetLevel(true);
        pic.WritePort(0, 1, 0x0C);
        Assert.Equal(0x83u, pic.ReadPort(0, 1));
        Assert.Equal(0x08, pic.InService);
        Assert.False(output.Level);
        Assert.Equal(0x00u, pic.ReadPort(0, 1)); // the poll is over: IRR again
    }

    [Fact]
    public void InitializationForgetsRequestsMasksAndPriorities()
    {
        (Pic8259 pic, RecordingLine output) = Single();
        pic.WritePort(1, 1, 0x55);
        pic.WritePort(0, 1, 0xC3);
        pic.Line(1).SetLevel(true);
        pic.WritePort(0, 1, 0x13);
        Assert.Equal(0u, pic.ReadPort(0, 1));
        pic.WritePort(1, 1, 0x40);
        pic.WritePort(1, 1, 0x01);
        Assert.Equal(0, pic.Mask);
        Assert.False(output.Level);             // the edge came before ICW1; a new one is needed
        pic.Line(1).SetLevel(false);
        pic.Line(1).SetLevel(true);
        Assert.Equal(0x41, pic.Acknowledge(out _));
    }

    [Fact]
    public void AChipThatWasNeverInitializedIsSilent()
    {
        RecordingLine output = new();
        Pic8259 pic = new(output);
        RaiseAll(pic);
        Assert.False(output.Level);
    }

    [Theory]
    [InlineData(0x17, 0x0C)] // call interval 4: A7-A5 | level << 2
    [InlineData(0x13, 0x18)] // interval 8
    [InlineData(0xF7, 0xEC)]
    public void InMcs80ModeTheSecondByteIsAnAddress(byte icw1, byte expected)
    {
        RecordingLine output = new();
        Pic8259 pic = new(output);
        Initialize(pic, icw1, icw4: 0);
        pic.Line(3).SetLevel(true);
        Assert.Equal(expected, pic.Acknowledge(out _));
    }

    private static (Pic8259 Pic, RecordingLine Output) Single(byte icw4 = 1)
    {
        RecordingLine output = new();
        Pic8259 pic = new(output);
        Initialize(pic, 0x13, icw4);
        return (pic, output);
    }

    private static void Initialize(Pic8259 pic, byte icw1, byte icw4)
    {
        pic.WritePort(0, 1, icw1);
        pic.WritePort(1, 1, 0x20);
        pic.WritePort(1, 1, icw4);
    }

    private static void RaiseAll(Pic8259 pic)
    {
        for (int input = 0; input < 8; input++)
        {
            pic.Line(input).SetLevel(true);
        }
    }
}
