using ToyVmm.Hardware.Devices;
using Xunit;

namespace ToyVmm.Tests.Devices;

public sealed class VgaRegisterTests
{
    [Fact]
    public void TheScreenIsEightyByTwentyFive()
    {
        VgaFixture f = new();
        f.Print(0, "Hello");
        f.Print(2 * 80 * 2, "third row");
        TextScreen screen = f.Vga.ReadScreen();
        Assert.Equal((25, 80), (screen.Rows, screen.Columns));
        Assert.Equal("Hello\n\nthird row", screen.ToText());
        Assert.Equal(new TextCell((byte)'H', 0x07), screen[0, 0]);
        Assert.True(f.Vga.IsTextMode);
    }

    [Fact]
    public void TheStartAddressAndTheOffsetRegisterScroll()
    {
        VgaFixture f = new();
        f.Print(80 * 2, "second");
        f.Set(VgaFixture.Crtc, 0x0D, 80);
        Assert.Equal("second", f.Vga.ReadScreen().ToText());
        f.Set(VgaFixture.Crtc, 0x0D, 0);
        f.Set(VgaFixture.Crtc, 0x13, 20); // 40 cells from row to row
        Assert.Equal("second", f.Vga.ReadScreen().RowText(2));
    }

    [Fact]
    public void TheCursorFollowsItsRegisters()
    {
        VgaFixture f = new();
        Assert.Equal(new TextCursor(0, 0, 13, 14, true), f.Vga.ReadScreen().Cursor);
        int position = (12 * 80) + 34;
        f.Set(VgaFixture.Crtc, 0x0E, (byte)(position >> 8));
        f.Set(VgaFixture.Crtc, 0x0F, (byte)position);
        f.Set(VgaFixture.Crtc, 0x0A, 0x00);
        f.Set(VgaFixture.Crtc, 0x0B, 0x0F);
        Assert.Equal(new TextCursor(12, 34, 0, 15, true), f.Vga.ReadScreen().Cursor);
        f.Set(VgaFixture.Crtc, 0x0A, 0x20);
        Assert.False(f.Vga.ReadScreen().Cursor.Visible);
        f.Set(VgaFixture.Crtc, 0x0A, 0x00);
        f.Set(VgaFixture.Crtc, 0x0E, 0xFF);
        Assert.False(f.Vga.ReadScreen().Cursor.Visible);
    }

    [Fact]
    public void FiftyRowsWithAnEightLineFontAndFortyColumns()
    {
        VgaFixture f = new();
        f.Set(VgaFixture.Crtc, 0x09, 0x47);
        f.Set(VgaFixture.Crtc, 0x11, 0x0E); // protection off
        f.Set(VgaFixture.Crtc, 0x01, 39);
        TextScreen screen = f.Vga.ReadScreen();
        Assert.Equal((50, 40), (screen.Rows, screen.Columns));
    }

    [Fact]
    public void TheMonochromeWindowAndItsPorts()
    {
        VgaFixture f = new();
        f.Set(VgaFixture.Graphics, 6, 0x0A);
        f.Vga.Write(0x1_0000, 1, 'm');
        Assert.Equal("m", f.Vga.ReadScreen().ToText());
        f.Vga.WritePort(0x12, 1, 0x66); // colour bit off: the CRTC moves to 0x3B4
        f.Vga.WritePort(0x04, 1, 0x0F);
        f.Vga.WritePort(0x05, 1, 0x55);
        Assert.Equal(0x55u, f.Vga.ReadPort(0x05, 1));
        Assert.Equal(0xFFu, f.Vga.ReadPort(VgaFixture.Crtc, 1));
        Assert.Equal(0x66u, f.Vga.ReadPort(0x1C, 1));
    }

    [Fact]
    public void RegistersReadBackAndMissingOnesAreZero()
    {
        VgaFixture f = new();
        f.Set(VgaFixture.Crtc, 0x11, 0x00);
        foreach ((uint port, int count) in new[] { (VgaFixture.Crtc, 25), (VgaFixture.Sequencer, 5), (VgaFixture.Graphics, 9) })
        {
            for (int index = 0; index < count; index++)
            {
                f.Set(port, (byte)index, (byte)(index * 3));
                Assert.Equal((uint)(byte)(index * 3), f.Get(port, (byte)index));
                if (port == VgaFixture.Crtc)
                {
                    f.Set(VgaFixture.Crtc, 0x11, 0x00);
                }
            }
        }

        Assert.Equal(0u, f.Get(VgaFixture.Crtc, 0x1F));
        Assert.Equal(0u, f.Get(VgaFixture.Graphics, 0x0F));
    }

    [Fact]
    public void CrtcRegistersZeroToSevenAreProtected()
    {
        VgaFixture f = new();
        f.Set(VgaFixture.Crtc, 0x00, 0x11);
        f.Set(VgaFixture.Crtc, 0x07, 0xEF);
        Assert.Equal(0x5Fu, f.Get(VgaFixture.Crtc, 0x00));
        Assert.Equal(0x0Fu, f.Get(VgaFixture.Crtc, 0x07));
    }

    [Fact]
    public void TheAttributeControllerHasOnePortAndAFlipFlop()
    {
        VgaFixture f = new();
        _ = f.Vga.ReadPort(VgaFixture.Status1, 1);
        f.Vga.WritePort(VgaFixture.Attribute, 1, 0x10);    // index; display off, palette open
        f.Vga.WritePort(VgaFixture.Attribute, 1, 0x04);
        Assert.False(f.Vga.BlinkEnabled);
        f.Vga.WritePort(VgaFixture.Attribute, 1, 0x03);
        _ = f.Vga.ReadPort(VgaFixture.Status1, 1);         // back to the index
        f.Vga.WritePort(VgaFixture.Attribute, 1, 0x05);
        f.Vga.WritePort(VgaFixture.Attribute, 1, 0x2A);
        f.Vga.WritePort(VgaFixture.Attribute, 1, 0x25);    // display on: the palette is locked
        f.Vga.WritePort(VgaFixture.Attribute, 1, 0x3F);
        Assert.Equal(0x2Au, f.Vga.ReadPort(0x11, 1));
        Assert.Equal(0x25u, f.Vga.ReadPort(VgaFixture.Attribute, 1));
    }

    [Fact]
    public void TheDacCountsThroughItsComponents()
    {
        VgaFixture f = new();
        f.Vga.WritePort(0x18, 1, 255);
        foreach (byte component in (byte[])[1, 2, 3, 4, 5, 6])
        {
            f.Vga.WritePort(0x19, 1, component);
        }

        Assert.Equal(0u, f.Vga.ReadPort(0x17, 1));
        f.Vga.WritePort(0x17, 1, 255);
        Assert.Equal(3u, f.Vga.ReadPort(0x17, 1));
        Assert.Equal([1u, 2, 3, 4, 5, 6], Enumerable.Range(0, 6).Select(_ => f.Vga.ReadPort(0x19, 1)));
    }

    [Theory]
    [InlineData(0, 0, 0, 0)]
    [InlineData(1, 0, 0, 0xAA)]
    [InlineData(4, 0xAA, 0, 0)]
    [InlineData(6, 0xAA, 0x55, 0)] // brown, not dark yellow
    [InlineData(7, 0xAA, 0xAA, 0xAA)]
    [InlineData(15, 0xFF, 0xFF, 0xFF)]
    public void TheSixteenColours(int index, byte red, byte green, byte blue) =>
        Assert.Equal((red, green, blue), new VgaFixture().Vga.Colour(index));

    [Fact]
    public void RetraceIsSeventyTimesASecond()
    {
        VgaFixture f = new();
        int retraces = 0;
        bool inside = false;
        for (ulong microsecond = 0; microsecond < 1_000_000; microsecond += 20)
        {
            f.Clock.AdvanceTo(microsecond);
            uint status = f.Vga.ReadPort(VgaFixture.Status1, 1);
            bool retrace = (status & 8) != 0;
            Assert.True(!retrace || (status & 1) != 0);
            retraces += retrace && !inside ? 1 : 0;
            inside = retrace;
        }

        Assert.Equal(70, retraces);
    }

    [Fact]
    public void EveryCodeHasItsOwnGlyph()
    {
        Assert.Equal(256, Enumerable.Range(0, 256).Select(code => CodePage437.ToUnicode((byte)code)).Skip(1).Append('\0').Distinct().Count());
        Assert.Equal("☺⌂Ç█αß■", string.Concat(new byte[] { 1, 127, 128, 219, 224, 225, 254 }.Select(CodePage437.ToUnicode)));
        for (int code = 0x20; code < 0x7F; code++)
        {
            Assert.Equal((char)code, CodePage437.ToUnicode((byte)code));
        }
    }
}
