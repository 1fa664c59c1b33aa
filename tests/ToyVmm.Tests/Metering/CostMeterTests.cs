using ToyVmm.Engines;
using ToyVmm.Engines.Metering;
using Xunit;

namespace ToyVmm.Tests.Metering;

/// <summary>Which part host time goes to.</summary>
public sealed class CostMeterTests
{
    private static readonly TimeSpan s_long = TimeSpan.FromMilliseconds(30);
    private static readonly TimeSpan s_short = TimeSpan.FromMilliseconds(10);

    private readonly CostMeter _meter = new();

    [Fact]
    public void Nothing_measured_is_nothing_spent()
    {
        CostReport report = _meter.Report();
        Assert.Equal((TimeSpan.Zero, TimeSpan.Zero), (report.Total, report.MeterTime));
        Assert.Empty(report.Parts);
        Assert.Empty(report.Exits);
    }

    [Fact]
    public void A_part_within_another_is_counted_there_alone()
    {
        _meter.Start();
        _meter.Begin(CostKind.CallOut);
        Thread.Sleep(s_short);
        _meter.Enter(ExitReason.PortIo);
        Thread.Sleep(s_long);
        _meter.Leave();
        _meter.Stop();
        CostReport report = _meter.Report();
        Assert.Equal((1u, 1u), (report.Parts[CostKind.CallOut].Count, report.Exits[ExitReason.PortIo].Count));
        Assert.True(report.Exits[ExitReason.PortIo].Time >= s_long - TimeSpan.FromMilliseconds(1));
        Assert.InRange(report.Parts[CostKind.CallOut].Time, s_short - TimeSpan.FromMilliseconds(1), report.Total - report.Exits[ExitReason.PortIo].Time);
    }

    /// <summary>A fault is known for what it was when it has been dealt with: all of it goes there, what came before it stays.</summary>
    [Fact]
    public void What_a_part_turns_out_to_be_has_it_from_its_begin_on()
    {
        _meter.Start();
        _meter.Begin(CostKind.OtherFault);
        Thread.Sleep(s_long);
        _meter.Begin(CostKind.GuestCode);
        _meter.Begin(CostKind.OtherFault);
        Thread.Sleep(s_short);
        _meter.Enter(CostKind.Translation);
        _meter.Leave();
        _meter.BecomeHidden();
        _meter.Stop();
        CostReport report = _meter.Report();
        Assert.Equal((1u, 1u), (report.Parts[CostKind.OtherFault].Count, report.Parts[CostKind.HiddenFault].Count));
        Assert.True(report.Parts[CostKind.OtherFault].Time >= s_long - TimeSpan.FromMilliseconds(1));
        Assert.True(report.Parts[CostKind.HiddenFault].Time >= s_short - TimeSpan.FromMilliseconds(1));
        Assert.True(report.Parts[CostKind.HiddenFault].Time <= report.Total - report.Parts[CostKind.OtherFault].Time);
    }

    [Fact]
    public void Nothing_but_a_fault_of_unknown_kind_becomes_a_hidden_one()
    {
        _meter.Start();
        _meter.Interpret();
        _meter.BecomeHidden();
        _meter.Begin(CostKind.OtherFault);
        _meter.Become(CostKind.TrueFault);
        _meter.BecomeHidden();
        _meter.Stop();
        CostReport report = _meter.Report();
        Assert.Equal([CostKind.Interpretation, CostKind.TrueFault, CostKind.Monitor], report.Parts.Keys);
    }

    [Fact]
    public void An_access_that_was_performed_goes_on_without_counting_again()
    {
        _meter.Start();
        _meter.Interpret();
        _meter.Interpret();
        _meter.Enter(ExitReason.PortIo);
        _meter.Leave();
        _meter.Begin(ExitReason.PortIoPerformed);
        _meter.Stop();
        CostReport report = _meter.Report();
        Assert.Equal(2u, report.Parts[CostKind.Interpretation].Count);
        Assert.Equal(new Dictionary<ExitReason, ulong> { [ExitReason.PortIo] = 1 }, report.Exits.ToDictionary(exit => exit.Key, exit => exit.Value.Count));
    }
}
