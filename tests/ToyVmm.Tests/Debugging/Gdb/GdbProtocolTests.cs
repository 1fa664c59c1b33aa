using System.Globalization;
using System.Text;
using System.Xml.Linq;
using ToyVmm.Debugging;
using ToyVmm.Debugging.Gdb;
using ToyVmm.VirtualMachines;
using Xunit;

namespace ToyVmm.Tests.Debugging.Gdb;

/// <summary>Every packet, against a session and without gdb.</summary>
public sealed class GdbProtocolTests
{
    private const string At7c00 = "05:00000000;08:007c0000;";

    [Fact]
    public void The_server_says_what_it_can()
    {
        using GdbGuest guest = new(GdbGuest.Loop);
        string reply = guest.Send("qSupported:multiprocess+;swbreak+;hwbreak+;qRelocInsn+");
        Assert.StartsWith("PacketSize=4000;QStartNoAckMode+;qXfer:features:read+;qXfer:memory-map:read+;", reply, StringComparison.Ordinal);
        Assert.Equal("vCont;c;C;s;S;t;r", guest.Send("vCont?"));
        Assert.Equal("OK", guest.Send("QStartNoAckMode"));
        Assert.True(guest.Protocol.IsWithoutAcknowledgements);
    }

    [Theory]
    [InlineData("")]
    [InlineData("vMustReplyEmpty")]
    [InlineData("vFile:setfs:0")]
    [InlineData("qTStatus")]
    [InlineData("QNonStop:0")]
    [InlineData("vContX")]
    [InlineData("B1,2")]
    [InlineData("Z5,0,0")]
    [InlineData("R00")]
    [InlineData("vRun;")]
    [InlineData("\u00ff\u00ff")]
    public void What_is_not_known_is_answered_with_nothing(string packet)
    {
        using GdbGuest guest = new(GdbGuest.Loop);
        Assert.Equal("", guest.Send(packet));
    }

    [Fact]
    public void There_is_one_thread()
    {
        using GdbGuest guest = new(GdbGuest.Loop);
        Assert.Equal("QC1", guest.Send("qC"));
        Assert.Equal("m1", guest.Send("qfThreadInfo"));
        Assert.Equal("l", guest.Send("qsThreadInfo"));
        Assert.Equal("1", guest.Send("qAttached"));
        foreach (string packet in (string[])["Hg0", "Hg1", "Hc-1", "T1"])
        {
            Assert.Equal("OK", guest.Send(packet));
        }

        foreach (string packet in (string[])["Hg2", "H", "Hgx", "T2", "T"])
        {
            Assert.Equal("E16", guest.Send(packet));
        }

        Assert.Equal(GdbText.Hex("protected mode, ring 0"), guest.Send("qThreadExtraInfo,1"));
        Assert.Contains("id=\"1\"", guest.Send("qXfer:threads:read::0,1000"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false, "i386")]
    [InlineData(true, "i8086")]
    public void The_target_is_described(bool realMode, string architecture)
    {
        using GdbGuest guest = new(GdbGuest.Loop, realMode);
        StringBuilder xml = new();
        for (string piece = "m"; piece[0] == 'm';)
        {
            piece = guest.Send(string.Create(CultureInfo.InvariantCulture, $"qXfer:features:read:target.xml:{xml.Length:x},1f0"));
            Assert.InRange(piece.Length, 1, 0x1F1);
            _ = xml.Append(piece[1..]);
        }

        XElement target = XElement.Parse(xml.ToString().Split('\n', 3)[2]);
        Assert.Equal(architecture, target.Element("architecture")!.Value);
        Assert.Equal("none", target.Element("osabi")!.Value);
        List<XElement> registers = [.. target.Elements("feature").SelectMany(feature => feature.Elements("reg"))];
        Assert.Equal(["eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi", "eip", "eflags", "cs", "ss", "ds", "es", "fs", "gs", "st0"], registers.Take(17).Select(one => one.Attribute("name")!.Value));
        Assert.Equal(["org.gnu.gdb.i386.core", "org.gnu.gdb.i386.sse"], target.Elements("feature").Take(2).Select(feature => feature.Attribute("name")!.Value));
        foreach (string name in (string[])["fctrl", "fop", "xmm7", "mxcsr", "cr0", "cr2", "cr3", "cr4", "cs_base", "gs_base", "gdtr_base", "idtr_limit", "ldtr", "tr", "efer", "cpl"])
        {
            Assert.Contains(registers, one => one.Attribute("name")!.Value == name);
        }

        // As many bytes as it says, in that order; and every type is gdb's own or described.
        int bits = registers.Sum(one => int.Parse(one.Attribute("bitsize")!.Value, CultureInfo.InvariantCulture));
        Assert.Equal(bits / 4, guest.Send("g").Length);
        string[] types = ["int", "int32", "uint32", "uint64", "code_ptr", "data_ptr", "i387_ext", "vec128"];
        foreach (XElement register in registers)
        {
            string type = register.Attribute("type")!.Value;
            Assert.True(types.Contains(type) || register.Parent!.Elements("flags").Any(one => one.Attribute("id")!.Value == type), type);
        }
    }

    [Theory]
    [InlineData("qXfer:features:read:other.xml:0,10", "E00")]
    [InlineData("qXfer:features:read:target.xml:99999,10", "E16")]
    [InlineData("qXfer:features:write:target.xml:0,10", "E16")]
    [InlineData("qXfer:features:read:target.xml:0", "E16")]
    [InlineData("qXfer:features", "E16")]
    [InlineData("qXfer:auxv:read::0,10", "")]
    public void A_document_that_is_not_there_is_an_error(string packet, string reply)
    {
        using GdbGuest guest = new(GdbGuest.Loop);
        Assert.Equal(reply, guest.Send(packet));
    }

    [Fact]
    public void The_memory_map_names_every_linear_address_once()
    {
        using GdbGuest guest = new(GdbGuest.Loop);
        string xml = guest.Send("qXfer:memory-map:read::0,2000");
        Assert.Equal('l', xml[0]);
        ulong next = 0;
        foreach (XElement one in XElement.Parse(xml[1..].Split('\n', 3)[2]).Elements("memory"))
        {
            Assert.Equal(next, Convert.ToUInt64(one.Attribute("start")!.Value, 16));
            next += Convert.ToUInt64(one.Attribute("length")!.Value, 16);
        }

        Assert.Equal(1UL << 32, next);
    }

    [Fact]
    public void Registers_are_read_and_written()
    {
        using GdbGuest guest = new(GdbGuest.Loop);
        Assert.Equal("007c0000", guest.Send("p8"));
        Assert.Equal("OK", guest.Send("P0=78563412"));
        Assert.Equal(0x12345678u, guest.Machine.Cpu.Eax);
        string all = guest.Send("g");
        Assert.StartsWith("78563412", all, StringComparison.Ordinal);
        Assert.Equal("OK", guest.Send("G" + "efbeadde" + all[8..]));
        Assert.Equal(0xDEADBEEFu, guest.Machine.Cpu.Eax);
        Assert.Equal("efbeadde" + all[8..], guest.Send("g"));
        foreach (string packet in (string[])["pffff", "p", "px", "p-1", "P0", "P0=7856341", "Pffffffff=00", "Gabc"])
        {
            Assert.Matches("^E", guest.Send(packet));
        }

        Assert.StartsWith("E.", guest.Send("P0=78"), StringComparison.Ordinal);
        Assert.StartsWith("E.", guest.Send("P9=00000200"), StringComparison.Ordinal);    // EFLAGS.VM
        Assert.Equal("efbeadde" + all[8..], guest.Send("g"));
    }

    [Fact]
    public void Memory_is_read_and_written_in_both_ways()
    {
        using GdbGuest guest = new(GdbGuest.Loop);
        Assert.Equal("b878563412", guest.Send("m7c00,5"));
        Assert.Equal("b\u00b8xV4\u0012", guest.Send("x7c00,5"));
        Assert.Equal("OK", guest.Send("M9000,2:beef"));
        Assert.Equal("OK", guest.Send("X9002,3:}$#"));
        Assert.Equal("beef7d2423", guest.Send("m9000,5"));
        Assert.Equal("OK", guest.Send("X9000,0:"));
        Assert.Equal("", guest.Send("m9000,0"));
        Assert.Equal("b", guest.Send("x9000,0"));

        // Longer than a packet holds: the beginning, as the protocol allows.
        Assert.InRange(guest.Send("m0,ffffffff").Length, 1000, GdbProtocol.PacketSize);
        foreach (string packet in (string[])["m", "m9000", "mx,1", "mffffffff,2", "m9000,-1", "M9000,2:be", "M9000,2", "M9000,1:zz", "X9000,2:a", "x9000"])
        {
            Assert.Equal("E16", guest.Send(packet));
        }
    }

    [Fact]
    public void A_device_is_not_touched_and_ROM_is_not_written()
    {
        using GdbGuest guest = new(GdbGuest.Loop);
        Assert.Equal("E0e", guest.Send("mfee00000,4"));
        Assert.Equal("E0e", guest.Send("Mfee00000,1:00"));
        (ulong, ulong, ExecutionPoint, int) before = guest.Fingerprint;

        // From RAM into what is none: what can be read is, and nothing is written.
        Assert.Equal(0x10 * 2, guest.Send("m1ffff0,20").Length);
        Assert.Equal("E0e", guest.Send("M1ffff8,10:" + new string('1', 32)));
        Assert.Equal(before, guest.Fingerprint);
    }

    [Fact]
    public void Memory_is_searched_and_summed()
    {
        using GdbGuest guest = new(GdbGuest.Loop);
        Assert.Equal("1,7c0e", guest.Send("qSearch:memory:7c00;100;@\u00e8"));
        Assert.Equal("0", guest.Send("qSearch:memory:7c00;f;@\u00e8"));
        Assert.Equal("1,7c0e", guest.Send("qSearch:memory:7c00;10;@\u00e8"));
        Assert.Equal("1,10fffe", NearTheEdge(guest));
        Assert.Equal("0", guest.Send("qSearch:memory:c0000000;20000000;\u0000"));
        Assert.Equal("E16", guest.Send("qSearch:memory:7c00;10;"));
        Assert.Equal("E16", guest.Send("qSearch:memory:7c00"));
        Assert.Equal("", guest.Send("qSearch:else:0;1;x"));

        // "123456789" with gdb's CRC: CRC-32/MPEG-2's check value.
        Assert.Equal("OK", guest.Send("X9000,9:123456789"));
        Assert.Equal("C376e6e7", guest.Send("qCRC:9000,9"));
        Assert.Equal("Cffffffff", guest.Send("qCRC:9000,0"));
        Assert.Equal("E0e", guest.Send("qCRC:c0000000,1"));
        Assert.Equal("E16", guest.Send("qCRC:9000"));

        // A match across the border of the pieces in which memory is looked through.
        static string NearTheEdge(GdbGuest guest)
        {
            Assert.Equal("OK", guest.Send("X10fffe,4:abcd"));
            return guest.Send("qSearch:memory:100000;20000;abcd");
        }
    }

    [Theory]
    [InlineData("Z0,7c0e,1", "swbreak:;")]
    [InlineData("Z1,7c0e,1", "hwbreak:;")]
    [InlineData("Z2,9002,1", "watch:9002;")]
    [InlineData("Z3,9000,4", "rwatch:9000;")]
    [InlineData("Z4,8ffe,8", "awatch:9000;")]
    public void Breakpoints_stop_and_say_which(string packet, string reason)
    {
        using GdbGuest guest = new(GdbGuest.Loop);
        _ = guest.Send("qSupported:swbreak+;hwbreak+");
        Assert.Equal("OK", guest.Send(packet));
        Assert.Equal("OK", guest.Send(packet));
        _ = Assert.Single(guest.Session.Breakpoints);
        string stop = guest.Send("vCont;c");
        Assert.StartsWith("T05", stop, StringComparison.Ordinal);
        Assert.EndsWith("thread:1;" + reason, stop, StringComparison.Ordinal);
        Assert.Equal(stop, guest.Send("?"));
        Assert.Equal("OK", guest.Send("z" + packet[1..]));
        Assert.Equal("OK", guest.Send("z" + packet[1..]));
        Assert.Empty(guest.Session.Breakpoints);
    }

    [Fact]
    public void A_client_that_does_not_know_the_reasons_is_not_told()
    {
        using GdbGuest guest = new(GdbGuest.Loop);
        Assert.Equal("OK", guest.Send("Z0,7c05,1"));
        Assert.EndsWith("08:057c0000;thread:1;", guest.Send("c"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Z0")]
    [InlineData("Z0,")]
    [InlineData("Z0,7c00")]
    [InlineData("Z0,100000000,1")]
    [InlineData("Z2,9000,0")]
    [InlineData("Z2,ffffffff,2")]
    [InlineData("z1,x,1")]
    [InlineData("Z01,0,1")]
    public void A_breakpoint_that_makes_no_sense_is_an_error(string packet)
    {
        using GdbGuest guest = new(GdbGuest.Loop);
        Assert.Equal("E16", guest.Send(packet));
        Assert.Empty(guest.Session.Breakpoints);
    }

    [Fact]
    public void There_is_an_end_to_breakpoints()
    {
        using GdbGuest guest = new(GdbGuest.Loop);
        Assert.Equal("E1c", guest.Send("Z2,0,1001"));
        for (int n = 0; n < 4096; n++)
        {
            Assert.Equal("OK", guest.Send(string.Create(CultureInfo.InvariantCulture, $"Z0,{0x10000 + n:x},1")));
        }

        Assert.Equal("E1c", guest.Send("Z0,7c00,1"));
        guest.Protocol.Close();
        Assert.Empty(guest.Session.Breakpoints);
    }

    [Theory]
    [InlineData("vCont;s", 0x7C05u)]
    [InlineData("vCont;s:1;c", 0x7C05u)]
    [InlineData("vCont;S05:-1", 0x7C05u)]
    [InlineData("s", 0x7C05u)]
    [InlineData("s7c0a", 0x7C0Cu)]
    [InlineData("S05;7c0e", 0x7C0Fu)]
    [InlineData("vCont;r7c00,7c0c", 0x7C0Cu)]
    [InlineData("vCont;r7c00,7c01:1", 0x7C05u)]
    [InlineData("vCont;t", 0x7C00u)]
    public void Steps_go_as_far_as_they_should(string packet, uint place)
    {
        using GdbGuest guest = new(GdbGuest.Loop);
        guest.Machine.Cpu.Ebx = 0x9000;
        Assert.StartsWith("T05", guest.Send(packet), StringComparison.Ordinal);
        Assert.Equal(place, guest.Machine.Cpu.Eip);
    }

    [Fact]
    public void A_step_through_a_range_ends_at_a_breakpoint_in_it()
    {
        using GdbGuest guest = new(GdbGuest.Loop);
        _ = guest.Send("Z0,7c0c,1");
        _ = guest.Send("vCont;r7c00,7d00");
        Assert.Equal(0x7C0Cu, guest.Machine.Cpu.Eip);
        _ = guest.Send("Z2,9000,1");
        _ = guest.Send("P8=057c0000");
        Assert.Contains("watch:9000", guest.Send("vCont;r7c00,7d00"), StringComparison.Ordinal);
    }

    [Fact]
    public void Going_back_ends_where_history_begins()
    {
        using GdbGuest guest = new(GdbGuest.Loop);
        Assert.EndsWith(";ReverseStep+;ReverseContinue+", guest.Send("qSupported"), StringComparison.Ordinal);
        (ulong, ulong, ExecutionPoint, int) start = guest.Fingerprint;
        for (int n = 0; n < 4; n++)
        {
            _ = guest.Send("s");
        }

        (ulong, ulong, ExecutionPoint, int) behind = guest.Fingerprint;
        Assert.Contains("08:0c7c0000;", guest.Send("bs"), StringComparison.Ordinal);
        Assert.EndsWith("08:007c0000;thread:1;replaylog:begin;", guest.Send("bc"), StringComparison.Ordinal);
        Assert.Equal(start, guest.Fingerprint);
        Assert.EndsWith("replaylog:begin;", guest.Send("bs"), StringComparison.Ordinal);
        for (int n = 0; n < 4; n++)
        {
            _ = guest.Send("vCont;s");
        }

        Assert.Equal(behind, guest.Fingerprint);
        Assert.Equal("", guest.Send("bx"));
    }

    [Fact]
    public void Going_forward_ends_where_history_ends()
    {
        using GdbGuest guest = new(GdbGuest.Loop);
        guest.Session.History.StopsAtEnd = true;
        for (int n = 0; n < 4; n++)
        {
            _ = guest.Send("s");
        }

        (ulong, ulong, ExecutionPoint, int) end = guest.Fingerprint;
        Assert.EndsWith("replaylog:begin;", guest.Send("bc"), StringComparison.Ordinal);
        Assert.EndsWith("08:0e7c0000;thread:1;replaylog:end;", guest.Send("vCont;c"), StringComparison.Ordinal);
        Assert.Equal(end, guest.Fingerprint);
    }

    [Fact]
    public void Going_back_stops_at_breakpoints_and_before_what_is_watched()
    {
        using GdbGuest guest = new(GdbGuest.Loop);
        _ = guest.Send("qSupported:swbreak+");
        _ = guest.Send("Z0,7c1c,1");
        for (int n = 0; n < 3; n++)
        {
            _ = guest.Send("c");
        }

        ulong third = guest.Session.Point.Instructions;
        Assert.EndsWith("08:1c7c0000;thread:1;swbreak:;", guest.Send("bc"), StringComparison.Ordinal);
        Assert.True(guest.Session.Point.Instructions < third);
        _ = guest.Send("z0,7c1c,1");
        _ = guest.Send("Z2,9000,4");
        Assert.EndsWith("08:0a7c0000;thread:1;watch:9000;", guest.Send("bc"), StringComparison.Ordinal);
        Assert.EndsWith("08:0c7c0000;thread:1;watch:9000;", guest.Send("c"), StringComparison.Ordinal);

        // From right behind the store too, and not to one before it.
        Assert.EndsWith("08:0a7c0000;thread:1;watch:9000;", guest.Send("bc"), StringComparison.Ordinal);
        Assert.EndsWith("replaylog:begin;", guest.Send("bc"), StringComparison.Ordinal);
    }

    [Fact]
    public void The_guest_comes_back_from_its_end()
    {
        using GdbGuest guest = new(GdbGuest.TripleFault);
        Assert.StartsWith("T0b", guest.Send("c"), StringComparison.Ordinal);
        Assert.StartsWith("T05", guest.Send("bs"), StringComparison.Ordinal);
        Assert.StartsWith("T0b", guest.Send("c"), StringComparison.Ordinal);
        Assert.Equal("W47", guest.Send("c"));
    }

    [Theory]
    [InlineData("vCont;")]
    [InlineData("vCont;x")]
    [InlineData("vCont;c:2")]
    [InlineData("vCont;cc")]
    [InlineData("vCont;Czz")]
    [InlineData("vCont;r1")]
    [InlineData("vCont;r1,x")]
    [InlineData("C")]
    [InlineData("cz")]
    [InlineData("Szz;7c00")]
    public void What_makes_no_sense_does_not_let_the_guest_run(string packet)
    {
        using GdbGuest guest = new(GdbGuest.Loop);
        Assert.Equal("E16", guest.Send(packet));
        Assert.Equal(0u, guest.Session.Point.Instructions);
        Assert.Equal("T05" + "04:" + guest.Send("p4") + ";" + At7c00 + "thread:1;", guest.Send("?"));
    }

    [Fact]
    public void An_end_that_the_guest_asked_for_is_told()
    {
        using GdbGuest guest = new(GdbGuest.Exit);
        Assert.Equal("W21", guest.Send("c"));
        Assert.True(guest.Protocol.EndIsTold);
        Assert.Equal("W21", guest.Send("?"));
        Assert.Equal("OK", guest.Send("!"));
        Assert.StartsWith("T05", guest.Send("vRun;"), StringComparison.Ordinal);
        Assert.False(guest.Protocol.EndIsTold);
        Assert.Equal("W21", guest.Send("c"));
    }

    [Fact]
    public void A_guest_that_fails_can_be_looked_at_before_its_end_is_told()
    {
        using GdbGuest guest = new(GdbGuest.TripleFault);
        Assert.StartsWith("T0b", guest.Send("c"), StringComparison.Ordinal);
        Assert.Contains("triple fault", guest.Shown.ToString(), StringComparison.Ordinal);
        Assert.Equal("007c0000", guest.Send("p8"));
        Assert.Equal("W47", guest.Send("vCont;s"));
    }

    [Theory]
    [InlineData("failures", "W21")]
    [InlineData("always", "T06")]
    [InlineData("never", "W21")]
    public void The_end_is_shown_as_the_user_wants(string when, string reply)
    {
        using GdbGuest guest = new(GdbGuest.Exit);
        Assert.Equal($"stop-at-end is {when}\n", guest.Monitor($"set stop-at-end {when}"));
        Assert.StartsWith(reply, guest.Send("c"), StringComparison.Ordinal);
        Assert.Equal("W21", guest.Send("c"));
    }

    [Fact]
    public void Leaving_takes_the_breakpoints_away()
    {
        using GdbGuest guest = new(GdbGuest.Loop);
        _ = guest.Send("Z0,7c05,1");
        Assert.Equal("OK", guest.Send("D"));
        Assert.Equal(GdbWish.Detach, guest.Protocol.Wish);
        Assert.Empty(guest.Session.Breakpoints);
        Assert.Equal("OK", guest.Send("vKill;1"));
        Assert.Equal(GdbWish.Kill, guest.Protocol.Wish);
        Assert.Equal("(none)", guest.Send("k"));
        Assert.Equal(GdbWish.Kill, guest.Protocol.Wish);
    }

    [Fact]
    public void A_request_to_stop_is_neither_lost_nor_left_over()
    {
        using GdbGuest guest = new(GdbGuest.Loop);
        guest.Gate.RequestStop();
        Assert.StartsWith("T02", guest.Send("c"), StringComparison.Ordinal);
        Assert.Equal(0u, guest.Session.Point.Instructions);
        guest.Gate.Forget();

        // One that comes too late stops nothing later on.
        guest.Session.RequestPause();
        _ = guest.Send("Z0,7c1c,1");
        Assert.StartsWith("T05", guest.Send("c"), StringComparison.Ordinal);
        Assert.Equal(0x7C1Cu, guest.Machine.Cpu.Eip);
        _ = guest.Send("z0,7c1c,1");
        using Timer timer = new(_ => guest.Gate.RequestStop(), null, 50, Timeout.Infinite);
        Assert.StartsWith("T02", guest.Send("vCont;c"), StringComparison.Ordinal);
    }
}
