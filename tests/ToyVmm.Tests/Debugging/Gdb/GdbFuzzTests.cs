using System.Text;
using ToyVmm.Debugging.Gdb;
using ToyVmm.VirtualMachines;
using Xunit;

namespace ToyVmm.Tests.Debugging.Gdb;

/// <summary>Whatever a client sends: it is answered, nothing throws, and what is no order changes nothing.</summary>
public sealed class GdbFuzzTests
{
    private static readonly string[] s_seeds =
    [
        "qSupported:swbreak+", "?", "g", "p8", "P0=01020304", "G00000000", "m7c00,10", "x7c00,10", "M9000,2:0102", "X9000,2:ab", "Z0,7c0e,1", "Z2,9000,4", "z0,7c0e,1", "Z4,9000,1",
        "vCont?", "vCont;s:1", "vCont;r7c00,7c0e", "s", "S05;7c00", "Hg0", "T1", "qC", "qXfer:features:read:target.xml:0,ffb", "qXfer:memory-map:read::0,fff", "qXfer:threads:read::0,fff",
        "qfThreadInfo", "qThreadExtraInfo,1", "qCRC:7c00,100", "qSearch:memory:7c00;1000;\u00e8", "qRcmd,68656c70", "qRcmd,696e666f206d656d", "QStartNoAckMode", "D", "vKill;1", "!", "vMustReplyEmpty", "qSymbol::",
        "bs", "bc", "R00", "vRun;",
    ];

    private static readonly string[] s_pieces = ["0", "1", "ffffffff", "100000000", "ffffffffffffffff", "10000000000000000", "-1", ",", ";", ":", "=", "7c00", "9000", "\0", "\u00ff", "}", "x", "", "+", " "];

    [Fact]
    public void Random_bytes_change_nothing()
    {
        Random random = new(7);
        using GdbGuest guest = new(GdbGuest.Loop);
        (ulong, ulong, ExecutionPoint, int) before = guest.Fingerprint;
        for (int n = 0; n < 20_000; n++)
        {
            byte[] packet = new byte[random.Next(40)];
            random.NextBytes(packet);

            // Of letters alone these are complete orders.
            if (packet.Length > 0 && packet[0] is not ((byte)'c' or (byte)'s' or (byte)'C' or (byte)'S' or (byte)'k' or (byte)'D' or (byte)'G' or (byte)'R' or (byte)'b'))
            {
                _ = guest.Protocol.Answer(packet);
            }
        }

        Assert.Equal(before, guest.Fingerprint);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Damaged_packets_are_answered_and_those_that_only_ask_change_nothing(int seed)
    {
        Random random = new(seed);
        using GdbGuest guest = new(GdbGuest.Loop, realMode: seed == 2);

        // The guest loops for ever.
        using Timer timer = new(_ => guest.Gate.RequestStop(), null, 20, 20);
        for (int n = 0; n < 4000; n++)
        {
            string packet = Damage(s_seeds[random.Next(s_seeds.Length)], random);
            guest.Gate.Forget();
            bool asks = packet.Length == 0 || packet[0] is 'g' or 'p' or 'm' or 'x' or '?' or 'H' or 'T' or 'q' or '!';
            (ulong, ulong, ExecutionPoint, int) before = asks ? guest.Fingerprint : default;
            GdbReply? reply = guest.Protocol.Answer(Encoding.Latin1.GetBytes(packet));
            Assert.True(reply is null || reply.Value.Bytes.Length <= GdbProtocol.PacketSize + 1, packet);
            if (asks)
            {
                Assert.True(before == guest.Fingerprint, packet);
            }
        }

        guest.Protocol.Close();
        Assert.Empty(guest.Session.Breakpoints);
    }

    private static string Damage(string packet, Random random)
    {
        StringBuilder text = new(packet);
        for (int n = random.Next(4); n > 0; n--)
        {
            int at = random.Next(text.Length + 1);
            switch (random.Next(4))
            {
                case 0 when at < text.Length:
                    _ = text.Remove(at, random.Next(1, text.Length - at + 1));
                    break;
                case 1:
                    _ = text.Insert(at, s_pieces[random.Next(s_pieces.Length)]);
                    break;
                case 2 when at < text.Length:
                    text[at] = (char)random.Next(256);
                    break;
                default:
                    _ = text.Append(s_seeds[random.Next(s_seeds.Length)]);
                    break;
            }
        }

        return text.ToString();
    }
}
