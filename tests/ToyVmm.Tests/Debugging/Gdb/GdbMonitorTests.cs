using ToyVmm.Debugging.Gdb;
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
        foreach (string name in (string[])["set pc", "where", "disas", "goto", "trap", "info", "xp"])
        {
            Assert.Contains("\n  " + name, "\n" + help, StringComparison.Ordinal);
        }

        Assert.Equal(help, guest.Monitor(""));
        Assert.DoesNotContain("snapshot", help, StringComparison.Ordinal);
    }

    [Fact]
    public void It_has_the_commands_of_the_debuggers_own_prompt()
    {
        using GdbGuest guest = new(GdbGuest.Segments, realMode: true);
        string text = guest.Monitor("disas/3 0x7c00");
        Assert.Equal(3, text.TrimEnd('\n').Split('\n').Length);
        Assert.Contains("ea0500c007", text, StringComparison.Ordinal);
        Assert.Equal("OK", guest.Send("qRcmd," + GdbText.Hex("set eax = 7")));
        Assert.Equal("07000000", guest.Send("p0"));
    }

    [Fact]
    public void It_moves_the_guest()
    {
        using GdbGuest guest = new(GdbGuest.Loop);
        _ = guest.Monitor("goto 5");
        Assert.Equal(5u, guest.Session.Point.Instructions);
        Assert.Contains("08:0f7c0000", guest.Send("?"), StringComparison.Ordinal);
        _ = guest.Monitor("step");
        Assert.Equal(6u, guest.Session.Point.Instructions);
        Assert.Contains("0010:00007c00", guest.Monitor("reset"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("set pc 1")]
    [InlineData("set pc nowhere")]
    [InlineData("set pc auto linear")]
    [InlineData("set step-interrupts beside")]
    [InlineData("set")]
    [InlineData("snapshot /tmp/x")]
    [InlineData("quit")]
    [InlineData("snap /tmp/x")]
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
