using Xunit;

namespace ToyVmm.Tests.Debugging.Gdb;

/// <summary>gdb knows no segments: what it is shown in real mode, and what interrupts do to its steps.</summary>
public sealed class GdbRealModeTests
{
    [Fact]
    public void The_place_is_a_linear_address_where_CS_has_a_base()
    {
        using GdbGuest guest = new(GdbGuest.Segments, realMode: true);
        _ = guest.Send("qSupported:swbreak+");
        _ = guest.Send("Z0,7c06,1");
        Assert.EndsWith("08:067c0000;thread:1;swbreak:;", guest.Send("c"), StringComparison.Ordinal);
        Assert.Equal((0x07C0, 6u), (guest.Machine.Cpu.Cs.Selector, guest.Machine.Cpu.Eip));

        // And is written as one.
        Assert.Equal("OK", guest.Send("P8=057c0000"));
        Assert.Equal(5u, guest.Machine.Cpu.Eip);
        Assert.Equal("OK", guest.Send("G" + guest.Send("g")));
        Assert.Equal(5u, guest.Machine.Cpu.Eip);
        Assert.Contains("07c0:0005 (linear 0x00007c05)", guest.Monitor("where"), StringComparison.Ordinal);
    }

    [Fact]
    public void Or_EIP_where_the_user_wants()
    {
        using GdbGuest guest = new(GdbGuest.Segments, realMode: true);
        _ = guest.Send("qSupported:swbreak+");
        Assert.Equal("pc is offset\n", guest.Monitor("set pc offset"));
        _ = guest.Send("Z0,7c06,1");
        guest.Shown.Clear();

        // gdb would take a breakpoint that it does not find at EIP for none, and silently go on.
        Assert.EndsWith("08:06000000;thread:1;", guest.Send("c"), StringComparison.Ordinal);
        Assert.Contains("breakpoint 1: at 0x00007c06", guest.Shown.ToString(), StringComparison.Ordinal);
        Assert.Equal("pc is linear\n", guest.Monitor("set pc linear"));
        Assert.Equal("067c0000", guest.Send("p8"));
    }

    [Fact]
    public void A_step_over_HLT_ends_behind_it_and_not_in_the_handler()
    {
        using GdbGuest guest = new(GdbGuest.Idler, realMode: true);
        _ = guest.Send("Z0,7c2e,1");
        _ = guest.Send("c");
        _ = guest.Send("z0,7c2e,1");
        for (int n = 0; n < 5; n++)
        {
            _ = guest.Send("s");
            Assert.Equal(0x7C2Fu, guest.Machine.Cpu.Eip);
            _ = guest.Send("s");
            Assert.Equal(0x7C2Eu, guest.Machine.Cpu.Eip);
        }

        Assert.Equal("step-interrupts is into\n", guest.Monitor("set step-interrupts into"));
        foreach (uint place in (uint[])[0x7C2F, 0x7C31, 0x7C2F, 0x7C2E])
        {
            _ = guest.Send("s");
            Assert.Equal(place, guest.Machine.Cpu.Eip);
        }
    }

    [Fact]
    public void A_breakpoint_in_the_handler_stops_a_step()
    {
        using GdbGuest guest = new(GdbGuest.Idler, realMode: true);
        _ = guest.Send("Z0,7c2e,1");
        _ = guest.Send("c");
        _ = guest.Send("Z0,7c31,1");
        _ = guest.Send("s");
        Assert.Equal(0x7C2Fu, guest.Machine.Cpu.Eip);
        _ = guest.Send("s");
        Assert.Equal(0x7C31u, guest.Machine.Cpu.Eip);
    }
}
