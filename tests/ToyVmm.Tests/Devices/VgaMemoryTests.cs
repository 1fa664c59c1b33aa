using ToyVmm.Hardware.Devices;
using ToyVmm.Tests.Properties;
using Xunit;

namespace ToyVmm.Tests.Devices;

public sealed class VgaMemoryTests
{
    private static readonly (uint Port, int Count)[] s_files = [(VgaFixture.Sequencer, 5), (VgaFixture.Graphics, 9)];

    [Fact]
    public void TextModeStoresInterleaveTwoPlanes()
    {
        VgaFixture f = new();
        f.Print(0, "Az", attribute: 0x1E);
        Assert.Equal([(byte)'A', (byte)'z'], [ReadPlane(f, 0, 0), ReadPlane(f, 0, 2)]);
        Assert.Equal([0x1E, 0x1E], [ReadPlane(f, 1, 0), ReadPlane(f, 1, 2)]);
    }

    [Fact]
    public void TheFontIsInPlaneTwo()
    {
        VgaFixture f = new();
        byte[] letter = [.. Enumerable.Range(0, 16).Select(row => ReadPlane(f, 2, ('A' * 32u) + (uint)row))];
        Assert.Equal([0x00, 0x00, 0x10, 0x38, 0x6C, 0xC6, 0xC6, 0xFE, 0xC6, 0xC6, 0xC6, 0xC6, 0, 0, 0, 0], letter);
    }

    [Fact]
    public void SettingAModeMovesTheWindowOnce()
    {
        VgaFixture f = new();
        Assert.Equal(1, f.Aperture!.Openings);
        f.SetMode13();
        Assert.False(f.Aperture.IsOpen(VgaFixture.TextMemory));
        Assert.Equal(1, f.Aperture.Openings);
        f.Store(5, 0x77);
        Assert.True(f.Aperture.IsOpen(0) && f.Aperture.IsOpen(0xFFFF) && !f.Aperture.IsOpen(VgaFixture.TextMemory));
        Assert.Equal((2, 0x77), (f.Aperture.Openings, f.Load(5)));
        f.Vga.Reset();
        Assert.True(f.Aperture.IsOpen(VgaFixture.TextMemory) && !f.Aperture.IsOpen(0));
    }

    [Fact]
    public void ModeXSeesThePlanesOfMode13()
    {
        VgaFixture f = new();
        f.SetMode13();
        for (uint at = 0; at < 8; at++)
        {
            f.Store(at, (byte)(0x10 + at));
        }

        f.Set(VgaFixture.Sequencer, 4, 0x06);       // unchained
        for (byte plane = 0; plane < 4; plane++)
        {
            f.Set(VgaFixture.Graphics, 4, plane);
            Assert.Equal((0x10 + plane, 0x14 + plane), (f.Load(0), f.Load(4)));
        }

        f.Set(VgaFixture.Sequencer, 2, 0x0F);
        f.Store(1, 0x99);                           // one store, four pixels
        Assert.Equal([0x99, 0x99, 0x99, 0x99], Enumerable.Range(0, 4).Select(plane => (int)ReadPlane(f, (byte)plane, 1)));
    }

    [Fact]
    public void WriteModesOfThePlanarModes()
    {
        VgaFixture f = new();
        f.SetMode12();
        f.Set(VgaFixture.Graphics, 5, 2);           // mode 2: a colour, where the bit mask lets it
        f.Set(VgaFixture.Graphics, 8, 0xF0);
        f.Store(0, 0x0A);
        Assert.Equal([0x00, 0xF0, 0x00, 0xF0], Planes(f, 0));
        f.Set(VgaFixture.Graphics, 8, 0xFF);
        f.Set(VgaFixture.Graphics, 5, 1);           // mode 1: the latches
        _ = f.Load(0);
        f.Store(100, 0x55);
        Assert.Equal([0x00, 0xF0, 0x00, 0xF0], Planes(f, 100));
        f.Set(VgaFixture.Graphics, 5, 3);           // mode 3: the colour in set/reset, the data is the mask
        f.Set(VgaFixture.Graphics, 0, 0x05);
        _ = f.Load(0);
        f.Store(0, 0x81);
        Assert.Equal([0x81, 0x70, 0x81, 0x70], Planes(f, 0));
        f.Set(VgaFixture.Graphics, 5, 0x08);        // read mode 1: where is colour 5?
        f.Set(VgaFixture.Graphics, 2, 0x05);
        f.Set(VgaFixture.Graphics, 7, 0x0F);
        Assert.Equal(0x81, f.Load(0));
    }

    [Fact]
    public void NothingAnswersOutsideTheWindowOrWithMemoryOff()
    {
        VgaFixture f = new();
        Assert.Equal(0xFFFF_FFFFul, f.Vga.Read(0, 4));
        f.Vga.Write(0, 4, 0);
        f.Print(0, "x");
        f.Vga.WritePort(VgaFixture.Miscellaneous, 1, 0x65);
        Assert.Equal(0xFFul, f.Vga.Read(VgaFixture.TextMemory, 1));
        f.Vga.WritePort(VgaFixture.Miscellaneous, 1, 0x67);
        Assert.Equal((byte)'x', f.Load(VgaFixture.TextMemory));
    }

    /// <summary>Random registers, stores and loads against the model: every load and, at the end, every byte of the planes.</summary>
    [Fact]
    public void RandomAccessesDoWhatTheModelDoes()
    {
        for (int seed = 0; seed < 20; seed++)
        {
            EdgeRandom random = new((ulong)seed);
            VgaFixture f = new(withAperture: false);
            VgaMemoryModel model = new();
            ClearFont(f);
            Synchronize(f, model);
            for (int step = 0; step < 4000; step++)
            {
                uint offset = Place(random);
                switch (random.Below(6))
                {
                    case 0:
                        SetRandomRegister(random, f, model);
                        break;
                    case 1 or 2:
                        Assert.Equal(model.Read(offset), (byte)f.Vga.Read(offset, 1));
                        break;
                    default:
                        byte value = (byte)random.Below(256);
                        model.Write(offset, value);
                        f.Vga.Write(offset, 1, value);
                        break;
                }
            }

            AssertSamePlanes(f, plane => model.Planes[plane]);
        }
    }

    /// <summary>Memory that answers for the VGA, opened and closed at random, makes no difference to what is in the planes.</summary>
    [Fact]
    public void TheApertureIsInvisible()
    {
        int openings = 0;
        for (int seed = 0; seed < 20; seed++)
        {
            EdgeRandom random = new((ulong)seed);
            VgaFixture with = new();
            VgaFixture without = new(withAperture: false);
            for (int step = 0; step < 2000; step++)
            {
                uint offset = Place(random);
                byte value = (byte)random.Below(256);
                switch (random.Below(40))
                {
                    case 0:
                        (uint port, byte index, byte data) = RandomRegister(random);
                        with.Set(port, index, data);
                        without.Set(port, index, data);
                        break;
                    case 1:
                        Action<VgaFixture> mode = random.Below(4) switch { 0 => f => f.SetMode13(), 1 => f => f.SetMode12(), 2 => f => f.SetMode4(), _ => f => f.Vga.Reset() };
                        mode(with);
                        mode(without);
                        break;
                    default:
                        Assert.Equal(without.Load(offset), with.Load(offset)); // and the latches are the same
                        with.Store(offset, value);
                        without.Store(offset, value);
                        break;
                }

                if (random.Below(200) == 0)
                {
                    Assert.Equal(without.Vga.ReadFrame().Pixels.ToArray(), with.Vga.ReadFrame().Pixels.ToArray());
                }
            }

            openings += with.Aperture!.Openings;
            AssertSamePlanes(with, plane => Dump(without, plane));
        }

        Assert.True(openings > 200, $"{openings} openings");
    }

    /// <summary>Any ports and addresses, any widths and values: nothing throws, also not the ways to look at the screen.</summary>
    [Fact]
    public void NothingThrows()
    {
        for (int seed = 0; seed < 40; seed++)
        {
            EdgeRandom random = new((ulong)seed);
            VgaFixture f = new(withAperture: seed % 2 == 0);
            for (int step = 0; step < 3000; step++)
            {
                f.Clock.AdvanceTo(f.Clock.Now + (ulong)random.Below(100_000));
                switch (random.Below(4))
                {
                    case 0:
                        f.Vga.Write((uint)random.Below(0x2_0000 - 8), 1 << random.Below(4), random.Bits64());
                        break;
                    case 1:
                        _ = f.Vga.Read((uint)random.Below(0x2_0000 - 8), 1 << random.Below(4));
                        break;
                    case 2:
                        _ = f.Vga.ReadPort((uint)random.Below(0x30), 1);
                        break;
                    default:
                        f.Vga.WritePort((uint)random.Below(0x30), 1, (uint)random.Below(256));
                        break;
                }

                if (step % 200 == 0)
                {
                    _ = f.Vga.ReadFrame();
                    _ = f.Vga.ReadScreen().ToText();
                    _ = f.Vga.Mode;
                    _ = f.Vga.Colour((int)random.Bits32());
                }
            }
        }
    }

    private static uint Place(EdgeRandom random) => (uint)(random.Below(4) * 0x8000) + (uint)random.Below(random.Below(2) == 0 ? 16 : 0x8000);

    private static (uint Port, byte Index, byte Data) RandomRegister(EdgeRandom random)
    {
        (uint port, int count) = s_files[random.Below(s_files.Length)];
        return (port, (byte)random.Below(count), random.Below(3) switch { 0 => 0, 1 => 0xFF, _ => (byte)random.Below(256) });
    }

    private static void SetRandomRegister(EdgeRandom random, VgaFixture f, VgaMemoryModel model)
    {
        if (random.Below(20) == 0)
        {
            byte miscellaneous = (byte)(random.Below(256) | (random.Below(4) != 0 ? 2 : 0));
            f.Vga.WritePort(VgaFixture.Miscellaneous, 1, miscellaneous);
            model.Miscellaneous = miscellaneous;
            return;
        }

        (uint port, byte index, byte data) = RandomRegister(random);
        f.Set(port, index, data);
        (port == VgaFixture.Sequencer ? model.Sequencer : model.Graphics)[index] = data;
    }

    private static void Synchronize(VgaFixture f, VgaMemoryModel model)
    {
        for (byte index = 0; index < 9; index++)
        {
            model.Graphics[index] = (byte)f.Get(VgaFixture.Graphics, index);
            if (index < 5)
            {
                model.Sequencer[index] = (byte)f.Get(VgaFixture.Sequencer, index);
            }
        }

        model.Miscellaneous = (byte)f.Vga.ReadPort(0x1C, 1);
    }

    private static void ClearFont(VgaFixture f)
    {
        Flatten(f);
        f.Set(VgaFixture.Sequencer, 2, 0x0F);
        for (uint at = 0; at < 0x1_0000; at++)
        {
            f.Vga.Write(at, 1, 0);
        }

        _ = f.Vga.Read(0, 1);
    }

    // A0000-AFFFF shows one plane, place by place.
    private static void Flatten(VgaFixture f)
    {
        f.Vga.WritePort(VgaFixture.Miscellaneous, 1, 0x67);
        (uint, byte, byte)[] values =
        [
            (VgaFixture.Sequencer, 4, 0x06), (VgaFixture.Graphics, 1, 0), (VgaFixture.Graphics, 3, 0), (VgaFixture.Graphics, 5, 0),
            (VgaFixture.Graphics, 6, 0x05), (VgaFixture.Graphics, 8, 0xFF),
        ];
        foreach ((uint port, byte index, byte data) in values)
        {
            f.Set(port, index, data);
        }
    }

    private static byte[] Dump(VgaFixture f, int plane)
    {
        Flatten(f);
        f.Set(VgaFixture.Graphics, 4, (byte)plane);
        byte[] bytes = new byte[0x1_0000];
        for (uint at = 0; at < bytes.Length; at++)
        {
            bytes[at] = (byte)f.Vga.Read(at, 1);
        }

        return bytes;
    }

    private static void AssertSamePlanes(VgaFixture f, Func<int, byte[]> expected)
    {
        for (int plane = 0; plane < 4; plane++)
        {
            Assert.True(expected(plane).AsSpan().SequenceEqual(Dump(f, plane)), $"plane {plane}");
        }
    }

    private static byte ReadPlane(VgaFixture f, byte plane, uint place)
    {
        (byte mode, byte control, byte map) = ((byte)f.Get(VgaFixture.Sequencer, 4), (byte)f.Get(VgaFixture.Graphics, 5), (byte)f.Get(VgaFixture.Graphics, 6));
        f.Set(VgaFixture.Sequencer, 4, 0x06);
        f.Set(VgaFixture.Graphics, 5, 0);
        f.Set(VgaFixture.Graphics, 6, 0x05);
        f.Set(VgaFixture.Graphics, 4, plane);
        byte value = f.Load(place);
        f.Set(VgaFixture.Sequencer, 4, mode);
        f.Set(VgaFixture.Graphics, 5, control);
        f.Set(VgaFixture.Graphics, 6, map);
        return value;
    }

    private static int[] Planes(VgaFixture f, uint place) => [.. Enumerable.Range(0, 4).Select(plane => (int)ReadPlane(f, (byte)plane, place))];
}
