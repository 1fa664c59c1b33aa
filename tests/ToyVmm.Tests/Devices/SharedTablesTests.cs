using ToyVmm.Hardware.Buses;
using ToyVmm.Hardware.Devices;
using ToyVmm.Hardware.Memory;
using Xunit;

namespace ToyVmm.Tests.Devices;

/// <summary>What machines have together until one of them changes it: tables of latches, the font in display memory; and memory that is not there until it is used.</summary>
public sealed class SharedTablesTests
{
    [Fact]
    public unsafe void Latches_of_two_buses_have_nothing_to_do_with_each_other()
    {
        PortBus first = new();
        PortBus second = new();
        first.MapLatch(0x80);
        first.Write(0x80, 1, 0x5A);
        Assert.Equal((0x5Au, 0xFFu), (first.Read(0x80, 1), second.Read(0x80, 1)));
        second.MapLatch(0x80);
        Assert.Equal((0x5Au, 0u), (first.Read(0x80, 1), second.Read(0x80, 1)));
        for (int port = 0; port < 0x1_0000; port++)
        {
            Assert.Equal(port == 0x80 ? 0 : 1, first.Latches[port]);
            Assert.Equal(port == 0x80 ? 0x5A : 0, first.Latches[0x1_0000 + port]);
        }

        first.Unmap(0x80, 1);
        Assert.Equal((0xFFu, 1, 0), (first.Read(0x80, 1), first.Latches[0x80], second.Latches[0x80]));
    }

    /// <summary>Mode 12h, plane 2, where the letter A of the font is.</summary>
    [Fact]
    public void A_machine_that_changes_its_font_leaves_that_of_others()
    {
        const uint LetterA = 'A' * 32u;
        VgaFixture first = new();
        VgaFixture second = new();
        Assert.All((VgaFixture[])[first, second], display =>
        {
            display.SetMode12();
            display.Set(VgaFixture.Sequencer, 2, 4);
            display.Set(VgaFixture.Graphics, 4, 2);
        });
        byte whole = second.Load(LetterA + 3);
        first.Store(LetterA + 3, (byte)~whole);
        Assert.Equal(((byte)~whole, whole, second.Load(LetterA + 4)), (first.Load(LetterA + 3), second.Load(LetterA + 3), first.Load(LetterA + 4)));
        second.Store(LetterA + 4, 0x11);
        Assert.NotEqual(0x11, first.Load(LetterA + 4));

        VgaFixture third = new();
        third.SetMode12();
        third.Set(VgaFixture.Graphics, 4, 2);
        Assert.Equal((whole, first.Load(LetterA + 4)), (third.Load(LetterA + 3), third.Load(LetterA + 4)));
        first.Vga.Reset();
        first.SetMode12();
        first.Set(VgaFixture.Graphics, 4, 2);
        Assert.Equal(whole, first.Load(LetterA + 3));
    }

    [Fact]
    public unsafe void Sparse_memory_is_zero_each_time()
    {
        const int Bytes = 1 << 20;
        for (int n = 0; n < 3; n++)
        {
            byte* memory = SparseMemory.Allocate(Bytes);
            Assert.False(new ReadOnlySpan<byte>(memory, Bytes).ContainsAnyExcept((byte)0));
            new Span<byte>(memory, Bytes).Fill(0xAA);
            SparseMemory.Free(memory, Bytes);
        }

        SparseMemory.Free(null, Bytes);
    }
}
