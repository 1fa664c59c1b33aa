using ToyVmm.Hardware.Interrupts;
using ToyVmm.Hardware.Time;
using Xunit;

namespace ToyVmm.Tests.Interrupts;

/// <summary>The local APIC by SDM 3A chapter 11.</summary>
public sealed class LocalApicTests
{
    private const uint TaskPriority = 0x80;
    private const uint ProcessorPriority = 0xA0;
    private const uint Eoi = 0xB0;
    private const uint Spurious = 0xF0;
    private const uint ErrorStatus = 0x280;
    private const uint CommandLow = 0x300;
    private const uint CommandHigh = 0x310;
    private const uint LvtTimer = 0x320;
    private const uint LvtLint0 = 0x350;
    private const uint LvtError = 0x370;
    private const uint InitialCount = 0x380;
    private const uint CurrentCount = 0x390;
    private const uint Divide = 0x3E0;
    private const uint Self = 0x4_0000;

    private readonly VirtualClock _clock = new(100_000_000);  // an instruction a bus clock
    private readonly LocalApic _apic;
    private int _initializations;

    public LocalApicTests() => _apic = new LocalApic(_clock, () => _initializations++);

    [Theory]
    [InlineData(0x20, 0)]
    [InlineData(0x30, 0x0004_0014)]
    [InlineData(TaskPriority, 0)]
    [InlineData(0xD0, 0)]
    [InlineData(0xE0, 0xFFFF_FFFF)]
    [InlineData(Spurious, 0xFF)]
    [InlineData(LvtTimer, 0x1_0000)]
    [InlineData(0x340, 0x1_0000)]
    [InlineData(LvtLint0, 0x700)]
    [InlineData(0x360, 0x400)]
    [InlineData(LvtError, 0x1_0000)]
    public void TheResetState(uint register, uint value) => Assert.Equal(value, Read(register));

    [Theory]
    [InlineData(0x20, 0x0F00_0000)]
    [InlineData(0x30, 0x0004_0014)]
    [InlineData(TaskPriority, 0xFF)]
    [InlineData(0xD0, 0xFF00_0000)]
    [InlineData(0xE0, 0xFFFF_FFFF)]
    [InlineData(Spurious, 0x3FF)]
    [InlineData(CommandHigh, 0xFF00_0000)]
    [InlineData(LvtTimer, 0x3_00FF)]
    [InlineData(0x340, 0x1_07FF)]
    [InlineData(LvtLint0, 0x1_A7FF)]
    [InlineData(0x360, 0x1_A7FF)]
    [InlineData(LvtError, 0x1_00FF)]
    [InlineData(Divide, 0xB)]
    public void OnlyDefinedBitsAreStored(uint register, uint value)
    {
        Enable();
        Write(register, 0xFFFF_FFFF);
        Assert.Equal(value, Read(register));
    }

    [Fact]
    public void ADisabledApicMasksItsEntriesAndLetsThe8259Through()
    {
        Assert.True(_apic.PassesExternalInterrupts);
        Enable();
        Assert.True(_apic.PassesExternalInterrupts);
        Write(LvtLint0, 0x1_0700);
        Assert.False(_apic.PassesExternalInterrupts);
        Write(Spurious, 0xFF);
        Write(LvtTimer, 0x40);
        Assert.Equal(0x1_0040u, Read(LvtTimer));
        Assert.True(_apic.PassesExternalInterrupts);
        Receive(0x40);
        Assert.False(_apic.InterruptRequested);
    }

    [Fact]
    public void HigherClassesInterruptLowerOnes()
    {
        Enable();
        Receive(0x41);
        Receive(0x52);
        Receive(0x55);
        Assert.Equal(0x55, _apic.Acknowledge());
        Assert.Equal(0x50u, Read(ProcessorPriority));
        Assert.False(_apic.InterruptRequested);     // 0x52 is of the same class
        Receive(0x60);
        Assert.Equal(0x60, _apic.Acknowledge());
        Write(Eoi, 0);
        Assert.False(_apic.InterruptRequested);
        Write(Eoi, 0);
        Assert.Equal(0x52, _apic.Acknowledge());
        Write(Eoi, 0);
        Assert.Equal(0x41, _apic.Acknowledge());
        Assert.Equal(1u << 1, Read(0x100 + (0x10 * 2)));
        Write(Eoi, 0);
        Assert.Equal(0u, Read(ProcessorPriority));
    }

    [Fact]
    public void TheTaskPriorityHoldsBackAndARaisedOneMakesTheAcknowledgeSpurious()
    {
        Enable();
        Write(TaskPriority, 0x4F);
        Receive(0x4F);
        Assert.False(_apic.InterruptRequested);
        Write(TaskPriority, 0x3F);
        Assert.True(_apic.InterruptRequested);
        Write(TaskPriority, 0x40);
        Assert.Equal(0xFF, _apic.Acknowledge());
        Assert.Equal(0u, Read(0x120));
        Assert.Equal(1u << 15, Read(0x220));
        Assert.Equal(0x40u, Read(ProcessorPriority));
    }

    [Fact]
    public void OnlyLevelInterruptsReportTheirEnd()
    {
        List<byte> ended = [];
        _apic.LevelInterruptEnded = ended.Add;
        Enable();
        Receive(0x40);
        _apic.Receive(ApicDeliveryMode.Fixed, 0x50, levelTriggered: true);
        Assert.Equal(1u << 16, Read(0x180 + (0x10 * 2)));
        _ = _apic.Acknowledge();
        Write(Eoi, 0);
        _ = _apic.Acknowledge();
        Write(Eoi, 0);
        Write(Eoi, 0);
        Assert.Equal([0x50], ended);
    }

    [Theory]
    [InlineData(0u, Self | 0x40, true)]
    [InlineData(0u, 0x8_0000 | 0x40, true)]             // all including self
    [InlineData(0u, 0xC_0000 | 0x40, false)]            // all excluding self
    [InlineData(0u, 0x40, true)]                        // physical, identifier 0
    [InlineData(0xFF00_0000u, 0x40, true)]              // physical broadcast
    [InlineData(0x0100_0000u, 0x40, false)]
    [InlineData(0x0300_0000u, 0x840, true)]             // logical, flat: LDR is 2
    [InlineData(0x0500_0000u, 0x840, false)]
    public void InterprocessorInterruptsReachTheProcessorWhenAddressed(uint high, uint low, bool reached)
    {
        Enable();
        Write(0xD0, 0x0200_0000);
        Write(CommandHigh, high);
        Write(CommandLow, low);
        Assert.Equal(reached, _apic.InterruptRequested);
        Write(ErrorStatus, 0);
        Assert.Equal(reached ? 0u : 4u, Read(ErrorStatus));
    }

    [Fact]
    public void TheClusterModelComparesTheClusterFirst()
    {
        Write(0xE0, 0);
        Write(0xD0, 0x2100_0000);
        Assert.True(_apic.IsAddressedBy(0x23, logical: true));
        Assert.True(_apic.IsAddressedBy(0xF1, logical: true));
        Assert.False(_apic.IsAddressedBy(0x31, logical: true));
        Assert.False(_apic.IsAddressedBy(0x22, logical: true));
    }

    [Fact]
    public void OtherMessages()
    {
        Enable();
        Write(CommandLow, 0x4400);          // NMI to identifier 0
        Assert.True(_apic.TakeNmi());
        Assert.False(_apic.TakeNmi());
        Write(CommandLow, 0x8500);          // INIT level de-assert
        Assert.Equal(0, _initializations);
        Write(CommandLow, 0x4500);
        Assert.Equal(1, _initializations);
        Write(CommandLow, 0x4608);          // STARTUP finds a CPU that runs
        Assert.False(_apic.InterruptRequested);
        Assert.False(_apic.NmiRequested);
    }

    [Fact]
    public void ErrorsAreLatchedByAWriteAndInterrupt()
    {
        Enable();
        Write(LvtError, 0x70);
        Write(CommandLow, Self | 5);        // vectors below 16 are illegal
        Assert.Equal(0u, Read(ErrorStatus));
        Assert.Equal(0x70, _apic.Acknowledge());
        Write(ErrorStatus, 0);
        Assert.Equal(0x20u, Read(ErrorStatus));
        Receive(3);
        _ = Read(0x400);
        Write(ErrorStatus, 0);
        Assert.Equal(0xC0u, Read(ErrorStatus));
        Write(ErrorStatus, 0);
        Assert.Equal(0u, Read(ErrorStatus));
    }

    [Theory]
    [InlineData(0xB, 1)]
    [InlineData(0x0, 2)]
    [InlineData(0x1, 4)]
    [InlineData(0x3, 16)]
    [InlineData(0xA, 128)]
    public void TheTimerCountsTheDividedBusClock(uint configuration, ulong divisor)
    {
        Enable();
        Write(Divide, configuration);
        Write(LvtTimer, 0x40);
        Write(InitialCount, 1000);
        _clock.AdvanceTo(400 * divisor);
        Assert.Equal(600u, Read(CurrentCount));
        _clock.AdvanceTo((1000 * divisor) - 1);
        Assert.False(_apic.InterruptRequested);
        _clock.AdvanceTo(1000 * divisor);
        Assert.Equal(0x40, _apic.Acknowledge());
        Assert.Equal(0u, Read(CurrentCount));
        Assert.Equal(ulong.MaxValue, _clock.NextDeadline);
    }

    [Fact]
    public void APeriodicTimerKeepsItsPhase()
    {
        Enable();
        Write(Divide, 0xB);
        Write(LvtTimer, 0x2_0040);
        Write(InitialCount, 1000);
        for (ulong period = 1; period <= 5; period++)
        {
            Assert.Equal(1000 * period, _clock.NextDeadline);
            _clock.AdvanceTo((1000 * period) + 37);     // late, as a run loop may be
            Assert.Equal(963u, Read(CurrentCount));
            Assert.Equal(0x40, _apic.Acknowledge());
            Write(Eoi, 0);
        }

        Write(InitialCount, 0);
        Assert.Equal(ulong.MaxValue, _clock.NextDeadline);
        Assert.Equal(0u, Read(CurrentCount));
    }

    [Fact]
    public void AnExpiryThatNobodyWouldSeeWakesNobody()
    {
        Enable();
        Write(LvtTimer, 0x3_0040);
        Write(InitialCount, 1000);
        Assert.Equal(ulong.MaxValue, _clock.NextDeadline);      // masked
        _clock.AdvanceTo(500);
        Assert.Equal(750u, Read(CurrentCount));
        Write(LvtTimer, 0x2_0040);
        Assert.Equal(2000ul, _clock.NextDeadline);
        _clock.AdvanceTo(2000);
        Assert.Equal(ulong.MaxValue, _clock.NextDeadline);      // its vector is requested already
        _ = _apic.Acknowledge();
        Assert.Equal(4000ul, _clock.NextDeadline);
    }

    [Fact]
    public void ALocalPinInFixedLevelModeSendsAgainWhileItIsHigh()
    {
        Enable();
        Write(LvtLint0, 0x8040);
        _apic.Lint0.SetLevel(true);
        Assert.Equal(0xC040u, Read(LvtLint0));
        Assert.Equal(0x40, _apic.Acknowledge());
        Assert.False(_apic.InterruptRequested);
        Write(Eoi, 0);
        Assert.Equal(0x40, _apic.Acknowledge());
        _apic.Lint0.SetLevel(false);
        Write(Eoi, 0);
        Assert.False(_apic.InterruptRequested);
        Assert.Equal(0x8040u, Read(LvtLint0));
    }

    [Fact]
    public void AnApicThatIsSwitchedOffTakesNothing()
    {
        Enable();
        Receive(0x40);
        _apic.SetPresent(false);
        Receive(0x41);
        Assert.False(_apic.InterruptRequested);
        Assert.True(_apic.PassesExternalInterrupts);
        _apic.SetPresent(true);
        Assert.False(_apic.InterruptRequested);
        Assert.Equal(0xFFu, Read(Spurious));
    }

    [Fact]
    public void RandomAccessesKeepTheInvariants()
    {
        Random random = new(3);
        int[] widths = [1, 2, 4, 8];
        ulong now = 0;
        for (int access = 0; access < 100_000; access++)
        {
            now += (ulong)random.Next(1 << random.Next(20));
            _clock.AdvanceTo(now);
            int width = widths[random.Next(4)];
            uint offset = (uint)random.Next(4) == 0 ? (uint)random.Next(0x1000 - 8) : (uint)random.Next(0x40) << 4;
            switch (random.Next(5))
            {
                case 0:
                    _ = _apic.Read(offset, width);
                    break;
                case 1:
                    _apic.Lint0.SetLevel(random.Next(2) == 0);
                    break;
                case 2 when _apic.InterruptRequested:
                    uint before = Read(ProcessorPriority);
                    int vector = _apic.Acknowledge();
                    Assert.True((uint)vector >> 4 > before >> 4);
                    Assert.False(_apic.InterruptRequested && _apic.Acknowledge() >> 4 <= vector >> 4);
                    break;
                case 3:
                    Write(Eoi, 0);
                    break;
                default:
                    _apic.Write(offset, width, (ulong)random.NextInt64() & (ulong.MaxValue >> (64 - (8 * width))));
                    break;
            }

            Assert.True(Read(CurrentCount) <= Read(InitialCount) || Read(InitialCount) == 0);
            Assert.True(_clock.NextDeadline > now);
        }
    }

    private void Enable() => Write(Spurious, 0x1FF);

    private void Receive(byte vector) => _apic.Receive(ApicDeliveryMode.Fixed, vector, levelTriggered: false);

    private uint Read(uint register) => (uint)_apic.Read(register, 4);

    private void Write(uint register, uint value) => _apic.Write(register, 4, value);
}
