using System.Text;
using ToyVmm.Debugging.Gdb;
using Xunit;

namespace ToyVmm.Tests.Debugging.Gdb;

/// <summary>Packets on the line (gdb manual, E.1).</summary>
public sealed class GdbTextTests
{
    [Theory]
    [InlineData("OK", "$OK#9a")]
    [InlineData("", "$#00")]
    [InlineData("a#b$c}d*e", "$a}\u0003b}\u0004c}]d}\ne#8f")]
    public void A_packet_has_a_frame_and_no_mark_inside(string data, string frame) =>
        Assert.Equal(frame[..^2], Encoding.Latin1.GetString(GdbText.Frame(Encoding.Latin1.GetBytes(data)))[..^2]);

    [Fact]
    public void What_is_framed_is_read()
    {
        Random random = new(1);
        GdbPacketReader reader = new(GdbProtocol.PacketSize);
        for (int n = 0; n < 500; n++)
        {
            byte[] data = new byte[random.Next(300)];
            random.NextBytes(data);
            byte[] frame = GdbText.Frame(data);
            GdbInput last = GdbInput.None;
            foreach (byte value in frame)
            {
                Assert.Equal(GdbInput.None, last);
                last = reader.Take(value);
            }

            Assert.Equal(GdbInput.Packet, last);
            Assert.Equal(data, reader.Packet);
        }
    }

    [Theory]
    [InlineData("+", GdbInput.Acknowledged)]
    [InlineData("-", GdbInput.Refused)]
    [InlineData("\u0003", GdbInput.Interrupt)]
    [InlineData("G", GdbInput.Noise)]
    [InlineData("$g#67", GdbInput.Packet)]
    [InlineData("$g#68", GdbInput.Damaged)]
    [InlineData("$g#zz", GdbInput.Damaged)]
    [InlineData("$g$", GdbInput.Damaged)]
    [InlineData("$\u0003#03", GdbInput.Packet)]
    [InlineData("$123456789#dd", GdbInput.TooLong)]
    [InlineData("$123456789#de", GdbInput.Damaged)]
    public void Each_input_is_told_apart(string line, GdbInput expected)
    {
        GdbPacketReader reader = new(8);
        GdbInput last = GdbInput.None;
        foreach (char c in line)
        {
            last = reader.Take((byte)c);
        }

        Assert.Equal(expected, last);
    }

    [Fact]
    public void Without_acknowledgements_checksums_are_not_looked_at()
    {
        GdbPacketReader reader = new(64) { ChecksSums = false };
        Assert.Equal(GdbInput.Packet, TakeAll(reader, "$g#00"u8));
    }

    [Fact]
    public void Whatever_comes_little_is_kept_and_the_next_packet_is_read()
    {
        Random random = new(2);
        GdbPacketReader reader = new(GdbProtocol.PacketSize);
        for (int n = 0; n < 200_000; n++)
        {
            _ = reader.Take(random.Next(4) == 0 ? (byte)"$#+}"[random.Next(4)] : (byte)random.Next(256));
        }

        // Whatever was being read ends here at the latest.
        _ = TakeAll(reader, "#00"u8);

        Assert.Equal(GdbInput.Packet, TakeAll(reader, "$g#67"u8));
    }

    private static GdbInput TakeAll(GdbPacketReader reader, ReadOnlySpan<byte> line)
    {
        GdbInput last = GdbInput.None;
        foreach (byte value in line)
        {
            last = reader.Take(value);
        }

        return last;
    }

    [Theory]
    [InlineData("7c00", true, 0x7C00u)]
    [InlineData("FFFFFFFF", true, uint.MaxValue)]
    [InlineData("ffffffffc0100000", true, 0xC0100000u)]
    [InlineData("100000000", false, 0u)]
    [InlineData("", false, 0u)]
    [InlineData("-1", false, 0u)]
    [InlineData(" 1", false, 0u)]
    [InlineData("0x1", false, 0u)]
    public void Addresses_are_linear(string text, bool good, uint value)
    {
        Assert.Equal(good, GdbText.TryParseAddress(text, out uint read));
        if (good)
        {
            Assert.Equal(value, read);
        }
    }
}
