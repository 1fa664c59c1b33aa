using ToyVmm.Hardware.Devices;
using Xunit;

namespace ToyVmm.Tests.Devices;

public sealed class VgaPictureTests
{
    private const uint Grey = 0xAAAAAA;

    [Fact]
    public void TextIsDrawnInCellsOfNineBySixteen()
    {
        VgaFixture f = new();
        f.Set(VgaFixture.Crtc, 0x0A, 0x20);     // no cursor
        f.Print(0, " A", attribute: 0x1E);      // yellow on blue
        VgaFrame frame = f.Vga.ReadFrame();
        Assert.Equal((720, 400), (frame.Width, frame.Height));
        Assert.Equal("...#.....", Dots(frame, 9, 2, 9, 0xFFFF55));
        Assert.Equal("##...##..", Dots(frame, 9, 5, 9, 0xFFFF55));
        Assert.Equal(0x0000AAu, frame[0, 0]);
        Assert.Equal(0u, frame[18, 0]);
    }

    [Fact]
    public void TheNinthDotJoinsBoxDrawing()
    {
        VgaFixture f = new();
        f.Set(VgaFixture.Crtc, 0x0A, 0x20);
        f.Print(0, "\u00C4\u00DB");             // a line, a full block
        Assert.Equal("##################", Dots(f.Vga.ReadFrame(), 0, 7, 18, Grey));
        f.Set(VgaFixture.Attribute, 0x10, 0x08);
        Assert.Equal("########.########.", Dots(f.Vga.ReadFrame(), 0, 7, 18, Grey));
    }

    [Fact]
    public void TheCursorIsDrawn()
    {
        VgaFixture f = new();
        f.Print(0, "   ");
        f.Set(VgaFixture.Crtc, 0x0F, 1);
        VgaFrame frame = f.Vga.ReadFrame();
        Assert.Equal("........." + "#########" + ".........", Dots(frame, 0, 13, 27, Grey));
        Assert.Equal("...........................", Dots(frame, 0, 12, 27, Grey));
        Assert.Equal("...........................", Dots(frame, 0, 15, 27, Grey));
    }

    [Fact]
    public void ABackgroundIsBrightWhereNothingBlinks()
    {
        VgaFixture f = new();
        f.Print(160, " ", attribute: 0x90);
        Assert.Equal(0x0000AAu, f.Vga.ReadFrame()[0, 16]);
        f.Set(VgaFixture.Attribute, 0x10, 0x04);
        Assert.Equal(0x5555FFu, f.Vga.ReadFrame()[0, 16]);
    }

    [Fact]
    public void ASecondFontIsChosenByAttributeBitThree()
    {
        VgaFixture f = new();
        f.Set(VgaFixture.Crtc, 0x0A, 0x20);
        f.Set(VgaFixture.Sequencer, 3, 0x04);   // set A is font 1, set B font 0
        f.Print(0, "A", attribute: 0x0F);
        Assert.DoesNotContain('#', Dots(f.Vga.ReadFrame(), 0, 5, 9, 0xFFFFFF));
        f.Set(VgaFixture.Sequencer, 4, 0x06);
        f.Set(VgaFixture.Sequencer, 2, 0x04);
        f.Set(VgaFixture.Graphics, 5, 0);
        f.Set(VgaFixture.Graphics, 6, 0);
        f.Store(0x4000 + ('A' * 32) + 5, 0xA5);
        Assert.Equal("#.#..#.#.", Dots(f.Vga.ReadFrame(), 0, 5, 9, 0xFFFFFF));
    }

    [Fact]
    public void Mode13ShowsEveryPixelAsFourDots()
    {
        VgaFixture f = new();
        f.SetMode13();
        f.Vga.WritePort(0x18, 1, 0xC8);
        foreach (byte component in (byte[])[63, 0, 21])
        {
            f.Vga.WritePort(0x19, 1, component);
        }

        f.Store((100 * 320) + 7, 0xC8);
        VgaFrame frame = f.Vga.ReadFrame();
        Assert.Equal((640, 400, "graphics, 320 x 200, 256 colours"), (frame.Width, frame.Height, f.Vga.Mode));
        for (int y = 198; y < 204; y++)
        {
            for (int x = 12; x < 18; x++)
            {
                Assert.Equal(x / 2 == 7 && y / 2 == 100 ? 0xFF0055u : 0u, frame[x, y]);
            }
        }

        f.Vga.WritePort(0x16, 1, 0x37);         // the pixel mask: C8 becomes 00
        Assert.Equal(0u, f.Vga.ReadFrame()[14, 200]);
    }

    [Fact]
    public void ModeXScrollsPansAndSplits()
    {
        VgaFixture f = new();
        f.SetMode13();
        f.Set(VgaFixture.Sequencer, 4, 0x06);
        f.Set(VgaFixture.Crtc, 0x14, 0x00);     // byte mode
        f.Set(VgaFixture.Crtc, 0x17, 0xE3);
        f.Set(VgaFixture.Crtc, 0x13, 40);
        f.Set(VgaFixture.Sequencer, 2, 0x02);
        f.Store(80, 63);                        // pixel 1 of the second row
        Assert.Equal(0xFFFFFFu, f.Vga.ReadFrame()[2, 2]);
        f.Set(VgaFixture.Crtc, 0x0D, 80);
        Assert.Equal(0xFFFFFFu, f.Vga.ReadFrame()[2, 0]);
        f.Set(VgaFixture.Attribute, 0x13, 2);   // one pixel to the left
        Assert.Equal(0xFFFFFFu, f.Vga.ReadFrame()[0, 0]);
        f.Set(VgaFixture.Crtc, 0x18, 99);       // below line 99, address 0 again
        f.Set(VgaFixture.Crtc, 0x07, 0x0F);
        f.Set(VgaFixture.Crtc, 0x09, 0x01);
        Assert.Equal((0xFFFFFFu, 0u, 0xFFFFFFu), (f.Vga.ReadFrame()[0, 0], f.Vga.ReadFrame()[0, 100], f.Vga.ReadFrame()[0, 102]));
        f.Set(VgaFixture.Attribute, 0x10, 0x61);
        Assert.Equal((0u, 0xFFFFFFu), (f.Vga.ReadFrame()[0, 102], f.Vga.ReadFrame()[2, 102]));
    }

    [Fact]
    public void PlanarModes()
    {
        VgaFixture f = new();
        f.SetMode12();
        f.Set(VgaFixture.Graphics, 5, 2);
        f.Set(VgaFixture.Graphics, 8, 0x20);
        f.Store((479 * 80) + 79, 0x0C);
        VgaFrame frame = f.Vga.ReadFrame();
        Assert.Equal((640, 480, "graphics, 640 x 480, 16 colours"), (frame.Width, frame.Height, f.Vga.Mode));
        Assert.Equal((0u, 0u), (frame[633, 479], frame[635, 479]));
        Assert.Equal(Rgb(f.Vga.Colour(12)), frame[634, 479]);
        f.SetMode0D();
        frame = f.Vga.ReadFrame();
        Assert.Equal((640, 400, "graphics, 320 x 200, 16 colours"), (frame.Width, frame.Height, f.Vga.Mode));
    }

    [Fact]
    public void TheColourGraphicsAdaptersModeHasTwoBanks()
    {
        VgaFixture f = new();
        f.SetMode4();
        f.Store(VgaFixture.TextMemory, 0b00_01_10_11);
        f.Store(VgaFixture.TextMemory + 0x2000 + 1, 0b11_00_00_00);
        VgaFrame frame = f.Vga.ReadFrame();
        Assert.Equal((640, 400, "graphics, 320 x 200, 4 colours"), (frame.Width, frame.Height, f.Vga.Mode));
        Assert.Equal([Rgb(f.Vga.Colour(0)), Rgb(f.Vga.Colour(1)), Rgb(f.Vga.Colour(2)), Rgb(f.Vga.Colour(3))], [frame[0, 0], frame[2, 0], frame[4, 1], frame[6, 1]]);
        Assert.Equal((0u, Rgb(f.Vga.Colour(3))), (frame[8, 0], frame[8, 2]));
    }

    [Fact]
    public void ABlankedScreenIsBlack()
    {
        VgaFixture f = new();
        f.Print(0, "A");
        f.Set(VgaFixture.Sequencer, 1, 0x20);
        Assert.All(f.Vga.ReadFrame().Pixels.ToArray(), dot => Assert.Equal(0u, dot));
    }

    private static uint Rgb((byte Red, byte Green, byte Blue) colour) => (uint)((colour.Red << 16) | (colour.Green << 8) | colour.Blue);

    private static string Dots(VgaFrame frame, int x, int y, int count, uint lit) =>
        string.Concat(Enumerable.Range(x, count).Select(at => frame[at, y] == lit ? '#' : '.'));
}
