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

    [Fact]
    public void Cells_are_shared_until_they_are_written_to()
    {
        VgaCells origin = new();
        (origin[5], origin[5000]) = (1, 2);
        VgaCells first = new(origin);
        VgaCells second = new(origin);
        first[5] = 1;
        first[5001] = 3;
        second.Fill(4, new uint[VgaCells.PieceSize]);
        second.Empty(0);
        Assert.Equal((1u, 2u, 3u), (first[5], first[5000], first[5001]));
        Assert.Equal((0u, 0u, 0u), (second[5], second[5000], second[5001]));
        Assert.Equal((1u, 2u, 0u), (origin[5], origin[5000], origin[5001]));
        second[5] = 9;
        Assert.Equal((1u, 9u, 1u), (first[5], second[5], origin[5]));
        Assert.Equal([1u, 2u, 3u], first.ToArray().Where(cell => cell != 0));
        Assert.True(second.Used(4).IsEmpty);
        Assert.Equal(9u, second.Used(0)[5]);
    }

    /// <summary>A model: cells are what was stored there last.</summary>
    [Fact]
    public void Cells_hold_what_was_stored_last()
    {
        Random random = new(1);
        VgaCells origin = new();
        for (uint place = 0; place < 8192; place += 7)
        {
            origin[place] = place;
        }

        VgaCells cells = new(origin);
        uint[] model = origin.ToArray();
        for (int n = 0; n < 50_000; n++)
        {
            uint place = (uint)random.Next(VgaCells.Pieces * VgaCells.PieceSize);
            model[place] = cells[place] = random.Next(3) == 0 ? 0 : (uint)random.Next();
        }

        Assert.Equal(model, cells.ToArray());
        Assert.All(Enumerable.Range(0, 8192), place => Assert.Equal(place % 7 == 0 ? (uint)place : 0, origin[(uint)place]));
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
