using ToyVmm.Hardware.Interrupts;
using Xunit;

namespace ToyVmm.Tests.Interrupts;

public sealed class Pic8259PairTests
{
    [Theory]
    [InlineData(0, 0x20)]
    [InlineData(1, 0x21)]
    [InlineData(7, 0x27)]
    [InlineData(8, 0x28)]
    [InlineData(12, 0x2C)]
    [InlineData(15, 0x2F)]
    public void EveryLineReachesTheCpuWithItsVector(int irq, byte vector)
    {
        Pic8259Pair pair = Initialized();
        pair.Line(irq).SetLevel(true);
        Assert.True(pair.Output);
        Assert.Equal(vector, pair.Acknowledge());
        Assert.False(pair.Output);
        Assert.Equal(irq < 8 ? 1 << irq : 4, pair.Master.InService);
        Assert.Equal(irq < 8 ? 0 : 1 << (irq - 8), pair.Slave.InService);
    }

    [Fact]
    public void TheSlaveRanksAtTheMastersInputTwo()
    {
        Pic8259Pair pair = Initialized();
        pair.Line(3).SetLevel(true);
        pair.Line(15).SetLevel(true);
        pair.Line(1).SetLevel(true);
        Assert.Equal(0x21, pair.Acknowledge());
        pair.Master.WritePort(0, 1, 0x20);
        Assert.Equal(0x2F, pair.Acknowledge());
        pair.Slave.WritePort(0, 1, 0x20);
        Assert.False(pair.Output);
        pair.Master.WritePort(0, 1, 0x20);
        Assert.Equal(0x23, pair.Acknowledge());
    }

    [Fact]
    public void ASlaveRequestThatFadesGivesTheSlavesSpuriousVector()
    {
        Pic8259Pair pair = Initialized();
        pair.Master.SetEdgeLevelControl(0);
        pair.Line(10).SetLevel(true);
        pair.Slave.WritePort(1, 1, 0xFF); // masked between INTR and the acknowledge: the slave's INT falls, the master forgets
        Assert.False(pair.Output);
        Assert.Equal(0x27, pair.Acknowledge());
        Assert.Equal(0, pair.Master.InService);
    }

    [Fact]
    public void ASpuriousSlaveAcknowledgeLeavesTheCascadeInService()
    {
        // The master's IR2 held by a level-triggered cascade: it is taken although the slave has nothing left.
        Pic8259Pair pair = Initialized();
        pair.Master.Line(2).SetLevel(true);
        Assert.Equal(0x2F, pair.Acknowledge());
        Assert.Equal(4, pair.Master.InService);
        Assert.Equal(0, pair.Slave.InService);
    }

    [Fact]
    public void InSpecialFullyNestedModeTheSlaveMayInterruptItself()
    {
        Pic8259Pair plain = Initialized();
        Pic8259Pair nested = Initialized(masterIcw4: 0x11);
        foreach (Pic8259Pair pair in new[] { plain, nested })
        {
            pair.Line(12).SetLevel(true);
            _ = pair.Acknowledge();
            pair.Line(8).SetLevel(true);
        }

        Assert.False(plain.Output);
        Assert.True(nested.Output);
        Assert.Equal(0x28, nested.Acknowledge());
    }

    [Fact]
    public void TwoSlaveRequestsAreServedOneAfterTheOther()
    {
        Pic8259Pair pair = Initialized();
        pair.Line(9).SetLevel(true);
        pair.Line(14).SetLevel(true);
        Assert.Equal(0x29, pair.Acknowledge());
        pair.Slave.WritePort(0, 1, 0x20);
        pair.Master.WritePort(0, 1, 0x20);
        Assert.Equal(0x2E, pair.Acknowledge());
    }

    [Fact]
    public void TheElcrHoldsOnlyTheLinesThatMayBeLevelTriggered()
    {
        Pic8259Pair pair = Initialized();
        pair.EdgeLevelControl.WritePort(0, 1, 0xFF);
        pair.EdgeLevelControl.WritePort(1, 1, 0xFF);
        Assert.Equal(0xF8u, pair.EdgeLevelControl.ReadPort(0, 1));
        Assert.Equal(0xDEu, pair.EdgeLevelControl.ReadPort(1, 1));
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(2)]
    [InlineData(16)]
    public void ThereIsNoSuchLine(int irq) => Assert.Throws<ArgumentOutOfRangeException>(() => Initialized().Line(irq));

    private static Pic8259Pair Initialized(byte masterIcw4 = 1)
    {
        Pic8259Pair pair = new();
        foreach ((Pic8259 chip, byte vector, byte icw3, byte icw4) in new[] { (pair.Master, (byte)0x20, (byte)4, masterIcw4), (pair.Slave, (byte)0x28, (byte)2, (byte)1) })
        {
            chip.WritePort(0, 1, 0x11);
            chip.WritePort(1, 1, vector);
            chip.WritePort(1, 1, icw3);
            chip.WritePort(1, 1, icw4);
        }

        return pair;
    }
}
