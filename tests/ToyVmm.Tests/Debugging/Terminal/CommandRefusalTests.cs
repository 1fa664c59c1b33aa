using ToyVmm.Debugging;
using Xunit;

namespace ToyVmm.Tests.Debugging.Terminal;

/// <summary>What the commands refuse, and what they say where they cannot do all of what was asked.</summary>
public sealed class CommandRefusalTests
{
    [Theory]
    [InlineData("break 12345:0", "a selector has 16 bits")]
    [InlineData("break 0x10000:0", "a selector has 16 bits")]
    [InlineData("break 11112222333344445:0", "a selector has 16 bits")]
    [InlineData("break 8:123456789", "an offset has 32 bits")]
    [InlineData("until 12345:0", "a selector has 16 bits")]
    [InlineData("watch 0,0", "a length is at least 1")]
    [InlineData("rwatch phys:0,0", "a length is at least 1")]
    [InlineData("lastwrite 0,0", "a length is at least 1")]
    [InlineData("who 0,0", "a length is at least 1")]
    [InlineData("watch 0,-1", "-1 is negative")]
    [InlineData("step -1", "-1 is negative")]
    [InlineData("next 2-3", "2-3 is negative")]
    [InlineData("at -1", "-1 is negative")]
    [InlineData("until at -1", "-1 is negative")]
    [InlineData("history x", "takes no arguments")]
    [InlineData("traps x", "takes no arguments")]
    [InlineData("log 0x7c00", "the text is missing")]
    [InlineData("log 0x7c00 {eax}", "the quote before the text is missing")]
    [InlineData("log 0x7c00 {eax}\"", "the quote before the text is missing")]
    [InlineData("log 0x7c00 \"{eax}", "the quote behind the text is missing")]
    [InlineData("log 0x7c00 \"", "the quote behind the text is missing")]
    [InlineData("log 0x7c00 \"a\\qb\"", "the text makes no sense")]
    public void Nonsense_is_refused_and_named(string line, string message)
    {
        using DebuggedGuest guest = new("hello/hello.bin");
        Assert.Contains(message, guest.Fail(line), StringComparison.Ordinal);
        Assert.Empty(guest.Session.Breakpoints);
        Assert.Equal(0ul, guest.Session.Point.Instructions);
    }

    [Fact]
    public void A_negative_count_in_a_breakpoints_number_is_refused()
    {
        using DebuggedGuest guest = new("hello/hello.bin");
        _ = guest.Do("break 0x7c00");
        Assert.Contains("-1 is negative", guest.Fail("ignore 1 -1"), StringComparison.Ordinal);
    }

    [Fact]
    public void One_goes_on_to_a_place_of_every_kind()
    {
        using DebuggedGuest guest = new("hello/hello.bin");
        _ = guest.Do("step 3");
        uint third = guest.Machine.Cpu.Eip;
        foreach (string place in new[] { $"0000:{third:x}", $"phys:0x{third:x}", $"0x{third:x}" })
        {
            _ = guest.Do("goto 0");
            Assert.Contains("instruction 3", guest.Do("until " + place), StringComparison.Ordinal);
            Assert.Equal(third, guest.Machine.Cpu.Eip);
        }

        Assert.Empty(guest.Session.Breakpoints);
        _ = guest.Do("goto 0");
        _ = guest.Do("break eip + 0");
        Assert.Contains("has ended", guest.Do("until 0000:1"), StringComparison.Ordinal);
        _ = Assert.Single(guest.Session.Breakpoints);
    }

    [Fact]
    public void A_point_that_there_is_not_is_told()
    {
        using DebuggedGuest guest = new("hello/hello.bin");
        Assert.Contains("the guest never was at 3:7: 4:0 is the first point behind it", guest.Do("goto 3:7"), StringComparison.Ordinal);
        Assert.DoesNotContain("never", guest.Do("goto 3:0"), StringComparison.Ordinal);
        Assert.DoesNotContain("never", guest.Do("goto 2"), StringComparison.Ordinal);
    }

    [Fact]
    public void Without_a_store_the_guest_stays_where_it_is()
    {
        using DebuggedGuest guest = new("traps/traps.elf");
        _ = guest.Do("step 50");
        string there = guest.Do("point");
        Assert.Contains("nothing has stored there since 0:0, the beginning of the history: the guest stays where it was", guest.Do("lastwrite 0x7ffff0"), StringComparison.Ordinal);
        Assert.Equal(there, guest.Do("point"));
        Assert.Contains("the beginning of what is kept", guest.Do("rcontinue"), StringComparison.Ordinal);
        Assert.Equal(0ul, guest.Session.Point.Instructions);
    }
}
