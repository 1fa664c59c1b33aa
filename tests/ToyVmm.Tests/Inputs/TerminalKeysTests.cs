using System.Text;
using ToyVmm.Hardware.Devices;
using ToyVmm.VirtualMachines;
using Xunit;

namespace ToyVmm.Tests.Inputs;

/// <summary>What a terminal sends becomes presses and releases: "+A -A" is the A key, down and up.</summary>
public sealed class TerminalKeysTests
{
    [Theory]
    [InlineData("a", "+A -A")]
    [InlineData("A", "+LeftShift +A -A -LeftShift")]
    [InlineData("!", "+LeftShift +Digit1 -Digit1 -LeftShift")]
    [InlineData("\r", "+Enter -Enter")]
    [InlineData("\x7F", "+Backspace -Backspace")]
    [InlineData("\t", "+Tab -Tab")]
    [InlineData("\x03", "+LeftControl +C -C -LeftControl")]
    [InlineData("\x1C", "+LeftControl +Backslash -Backslash -LeftControl")]
    [InlineData("\0", "+LeftControl +Space -Space -LeftControl")]
    [InlineData("\x1B[A", "+Up -Up")]
    [InlineData("\x1BOD", "+Left -Left")]
    [InlineData("\x1B[1;5C", "+LeftControl +Right -Right -LeftControl")]
    [InlineData("\x1B[1;4B", "+LeftShift +LeftAlt +Down -Down -LeftAlt -LeftShift")]
    [InlineData("\x1BOP", "+F1 -F1")]
    [InlineData("\x1B[[E", "+F5 -F5")]
    [InlineData("\x1B[15~", "+F5 -F5")]
    [InlineData("\x1B[24;2~", "+LeftShift +F12 -F12 -LeftShift")]
    [InlineData("\x1B[3~", "+Delete -Delete")]
    [InlineData("\x1B[H\x1B[F\x1B[5~\x1B[6~", "+Home -Home +End -End +PageUp -PageUp +PageDown -PageDown")]
    [InlineData("\x1B[Z", "+LeftShift +Tab -Tab -LeftShift")]
    [InlineData("\x1Bx", "+LeftAlt +X -X -LeftAlt")]
    [InlineData("\x1B[99~a", "+A -A")]
    [InlineData("\xE9z", "+Z -Z")]
    public void Bytes_become_keys(string bytes, string keys)
    {
        TerminalKeys decoder = new();
        Assert.Equal(keys, Text(decoder.Decode(Encoding.Latin1.GetBytes(bytes))));
        Assert.False(decoder.IsPending);
    }

    [Theory]
    [InlineData("\x1B", "+Escape -Escape")]
    [InlineData("\x1B[", "+LeftAlt +LeftBracket -LeftBracket -LeftAlt")]
    [InlineData("\x1BO", "+LeftAlt +LeftShift +O -O -LeftShift -LeftAlt")]
    public void What_nothing_follows_was_typed_as_it_stands(string bytes, string keys)
    {
        TerminalKeys decoder = new();
        Assert.Empty(decoder.Decode(Encoding.Latin1.GetBytes(bytes)));
        Assert.True(decoder.IsPending);
        Assert.Equal(keys.Split(' ').Order(), Text(decoder.Flush()).Split(' ').Order());
        Assert.False(decoder.IsPending);
    }

    [Fact]
    public void A_sequence_may_come_in_pieces()
    {
        TerminalKeys decoder = new();
        List<KeyInput> keys = [];
        foreach (byte value in "\x1B[1;5A"u8.ToArray())
        {
            keys.AddRange(decoder.Decode([value]));
        }

        Assert.Equal("+LeftControl +Up -Up -LeftControl", Text(keys));
    }

    [Fact]
    public void Every_key_that_goes_down_comes_up_whatever_the_bytes()
    {
        Random random = new(1);
        TerminalKeys decoder = new();
        for (int round = 0; round < 2000; round++)
        {
            byte[] bytes = new byte[random.Next(1, 24)];
            random.NextBytes(bytes);
            for (int n = 0; n < bytes.Length; n++)
            {
                bytes[n] = random.Next(3) switch { 0 => 0x1B, 1 => (byte)"[O1;5~AZ$"[random.Next(9)], _ => bytes[n] };
            }

            HashSet<Ps2Key> down = [];
            foreach (KeyInput key in decoder.Decode(bytes).Concat(decoder.Flush()))
            {
                Assert.True(key.Pressed ? down.Add(key.Key) : down.Remove(key.Key));
            }

            Assert.Empty(down);
        }
    }

    private static string Text(IEnumerable<KeyInput> keys) => string.Join(' ', keys.Select(key => (key.Pressed ? "+" : "-") + key.Key));
}
