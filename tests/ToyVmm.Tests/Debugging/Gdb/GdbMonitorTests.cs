using Xunit;

namespace ToyVmm.Tests.Debugging.Gdb;

/// <summary>gdb's command "monitor".</summary>
public sealed class GdbMonitorTests
{
    [Fact]
    public void It_explains_itself()
    {
        using GdbGuest guest = new(GdbGuest.Loop);
        string help = guest.Monitor("help");
        foreach (string name in (string[])["where", "disassemble", "goto", "step", "info SUBJECT", "xp", "set pc"])
        {
            Assert.Contains("\n  " + name, "\n" + help, StringComparison.Ordinal);
        }

        Assert.Equal(help, guest.Monitor(""));
        Assert.DoesNotContain("snapshot", help, StringComparison.Ordinal);
    }

    [Fact]
    public void It_disassembles_in_the_right_mode()
    {
        using GdbGuest guest = new(GdbGuest.Segments, realMode: true);
        string text = guest.Monitor("disassemble 0x7c00 3");
        Assert.Equal(3, text.TrimEnd('\n').Split('\n').Length);
        Assert.StartsWith("=> 0x00007c00  ea0500c007 ", text, StringComparison.Ordinal);
        Assert.Contains("0x00007c05  40 ", text, StringComparison.Ordinal);
        Assert.Contains("no memory", guest.Monitor("disassemble 0xc0000000"), StringComparison.Ordinal);
        Assert.StartsWith("disassemble: ", guest.Monitor("disassemble x"), StringComparison.Ordinal);
        Assert.StartsWith("disassemble: ", guest.Monitor("disassemble 0 0"), StringComparison.Ordinal);
    }

    [Fact]
    public void It_moves_the_guest()
    {
        using GdbGuest guest = new(GdbGuest.Loop);
        Assert.Contains("5 instructions", guest.Monitor("goto 5"), StringComparison.Ordinal);
        Assert.Equal(5u, guest.Session.Point.Instructions);
        Assert.Contains("6 instructions", guest.Monitor("step instruction"), StringComparison.Ordinal);
        Assert.Contains("linear 0x00007c14", guest.Monitor("step out"), StringComparison.Ordinal);
        Assert.StartsWith("goto: ", guest.Monitor("goto"), StringComparison.Ordinal);
        Assert.StartsWith("step: ", guest.Monitor("step sideways"), StringComparison.Ordinal);
        Assert.Contains("linear 0x00007c00", guest.Monitor("reset"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("set pc 1")]
    [InlineData("set pc nowhere")]
    [InlineData("set pc auto linear")]
    [InlineData("set step-interrupts beside")]
    [InlineData("set")]
    [InlineData("snapshot /tmp/x")]
    [InlineData("cont")]
    [InlineData("nothing")]
    [InlineData("info nothing")]
    public void What_makes_no_sense_is_told_and_changes_nothing(string line)
    {
        using GdbGuest guest = new(GdbGuest.Loop);
        (ulong, ulong, ToyVmm.VirtualMachines.ExecutionPoint, int) before = guest.Fingerprint;
        Assert.NotEmpty(guest.Monitor(line));
        Assert.Equal(before, guest.Fingerprint);
        Assert.Equal("pc is auto\n", guest.Monitor("set pc"));
    }

    [Fact]
    public void A_line_that_is_no_text_is_answered()
    {
        using GdbGuest guest = new(GdbGuest.Loop);
        Assert.Equal("E16", guest.Send("qRcmd,xyz"));
        Assert.Equal("OK", guest.Send("qRcmd,fffe00"));
    }
}
