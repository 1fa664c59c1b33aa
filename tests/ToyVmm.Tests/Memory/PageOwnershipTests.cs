using ToyVmm.Hardware.Memory;
using Xunit;

namespace ToyVmm.Tests.Memory;

/// <summary>Whose the pages of RAM are: images, copies on write, pages given away, limits, growth, pages of two machines.</summary>
public sealed unsafe class PageOwnershipTests
{
    private const uint Size = 1 << 20;
    private const int Page = 4096;

    /// <summary>What a machine writes, neither its image nor another machine sees; what nobody wrote costs nobody anything.</summary>
    [LinuxFact]
    public void CopiesAreMadeOnWrite()
    {
        using GuestMemory first = new(Size, shared: true);
        Put(first, 0, 1);
        Put(first, 5, 1);
        ulong before = first.ResidentBytes;
        Assert.Equal(2ul * Page, before);
        using MemoryImage image = first.Freeze();
        Assert.Equal(0ul, first.ResidentBytes);
        using GuestMemory second = new(image);
        using GuestMemory third = new(image);
        Put(first, 5, 2);
        Put(second, 5, 3);
        Put(second, 6, 3);
        Assert.Equal((2, 3, 1), (Get(first, 5), Get(second, 5), Get(third, 5)));
        Assert.Equal((0, 3, 0), (Get(first, 6), Get(second, 6), Get(third, 6)));
        Assert.Equal((1, 1, 1), (Get(first, 0), Get(second, 0), Get(third, 0)));
        Assert.Equal((1ul * Page, 2ul * Page, 0ul), (first.ResidentBytes, second.ResidentBytes, third.ResidentBytes));
        Assert.Equal((1u, 2u, 0u), (first.OwnedPages, second.OwnedPages, third.OwnedPages));
        Assert.Equal(PageMarks.None, first.Marks[5]);
        Assert.Equal(PageMarks.Borrowed, third.Marks[5]);
        Assert.True(first.IsIntact && second.IsIntact && third.IsIntact);
    }

    /// <summary>Random histories of writes, images, new machines and machines that go, against arrays.</summary>
    [LinuxFact]
    public void RandomFamiliesAgreeWithArrays()
    {
        int seed = Environment.GetEnvironmentVariable("TOYVMM_SEED") is { } text ? int.Parse(text, System.Globalization.CultureInfo.InvariantCulture) : Random.Shared.Next();
        Random random = new(seed);
        const int Pages = 16;
        for (int history = 0; history < 30; history++)
        {
            List<(GuestMemory Memory, byte[] Model)> machines = [(new GuestMemory(Pages * Page, shared: true), new byte[Pages])];
            List<(MemoryImage Image, byte[] Model)> images = [];
            for (int step = 0; step < 200; step++)
            {
                (GuestMemory memory, byte[] model) = machines[random.Next(machines.Count)];
                int page = random.Next(Pages);
                switch (random.Next(10))
                {
                    case 0 when images.Count < 12:
                        images.Add((memory.Freeze(), [.. model]));
                        break;
                    case 1 when images.Count > 0 && machines.Count < 10:
                        (MemoryImage image, byte[] kept) = images[random.Next(images.Count)];
                        machines.Add((new GuestMemory(image), [.. kept]));
                        break;
                    case 2 when machines.Count > 1:
                        memory.Dispose();
                        machines.RemoveAll(machine => machine.Memory == memory);
                        break;
                    case 3 when images.Count > 2:
                        images[0].Image.Dispose();
                        images.RemoveAt(0);
                        break;
                    default:
                        model[page] = (byte)random.Next(256);
                        Put(memory, page, model[page]);
                        break;
                }

                foreach ((GuestMemory one, byte[] expected) in machines)
                {
                    Assert.True(expected.AsSpan().SequenceEqual(Contents(one, Pages)), $"seed {seed}, history {history}, step {step}");
                }
            }

            machines.ForEach(machine => machine.Memory.Dispose());
            images.ForEach(image => image.Image.Dispose());
        }
    }

    /// <summary>A page that is given away is a hole; its memory is the host's at once, and zeros when it comes back. Stores meanwhile are lost.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void PagesAreGivenAway(bool shared)
    {
        using GuestMemory memory = new(Size, shared);
        for (int page = 0; page < 64; page++)
        {
            Put(memory, page, 7);
        }

        ulong before = memory.ResidentBytes;
        for (uint page = 8; page < 40; page++)
        {
            memory.GiveAway(Address((int)page));
            Assert.True(memory.IsGivenAway(page));
        }

        Assert.Equal(32u, memory.BalloonPages);
        if (memory.IsShared)
        {
            Assert.Equal(before - (32 * Page), memory.ResidentBytes);
        }

        Assert.Equal(0xFF, memory.ReadByte(Address(8)));
        Assert.False(memory.TryWrite(Address(8), [1]));
        Assert.False(memory.TryWrite(Address(7), new byte[2 * Page]));
        Assert.Equal(7, Get(memory, 7));
        Assert.True(memory.TryTakeBack(Address(8)));
        Assert.Equal((0, 31u, PageKind.Ram), (Get(memory, 8), memory.BalloonPages, memory.KindAt(Address(8))));
        Put(memory, 8, 9);
        Assert.Equal(9, Get(memory, 8));
    }

    /// <summary>An image remembers what was given away.</summary>
    [LinuxFact]
    public void ImagesKeepHoles()
    {
        using GuestMemory memory = new(Size, shared: true);
        Put(memory, 3, 1);
        memory.GiveAway(Address(3));
        using MemoryImage image = memory.Freeze();
        using GuestMemory other = new(image);
        Assert.Equal((true, 1u), (other.IsGivenAway(3), other.BalloonPages));
        Assert.True(other.TryTakeBack(Address(3)));
        Assert.Equal(0, Get(other, 3));
        Put(other, 3, 4);
        Assert.Equal((4, true), (Get(other, 3), memory.IsGivenAway(3)));
    }

    /// <summary>A limit is a limit: the page beyond it is not there, whoever writes; what there is can be written to on.</summary>
    [LinuxFact]
    public void LimitsHold()
    {
        int told = 0;
        using GuestMemory memory = new(Size, shared: true, pageLimit: 10) { LimitReached = () => told++ };
        for (int page = 0; page < 10; page++)
        {
            Put(memory, page, 1);
        }

        Assert.Equal((0, 10u, false), (told, memory.OwnedPages, memory.IsOverLimit));
        Put(memory, 10, 1);
        Put(memory, 0, 2);
        Assert.Equal((1, 10u, true), (told, memory.OwnedPages, memory.IsOverLimit));
        Assert.Equal((0, 2), (Get(memory, 10), Get(memory, 0)));
        Assert.Equal(10ul * Page, memory.ResidentBytes);
        memory.GiveAway(Address(1));
        Put(memory, 10, 1);
        Assert.Equal((1, 10u), (Get(memory, 10), memory.OwnedPages));
    }

    /// <summary>RAM grows at its end, into zeros, as far as it was said to.</summary>
    [Fact]
    public void RamGrows()
    {
        using GuestMemory memory = new(Size, shared: true, capacity: 2 * Size);
        Assert.Equal(PageKind.Hole, memory.KindAt(new GuestPhysicalAddress(Size)));
        Assert.False(memory.TryWrite(new GuestPhysicalAddress(Size), [1]));
        memory.Grow(Page);
        Assert.Equal((Size + Page, PageKind.Ram), (memory.RamSize, memory.KindAt(new GuestPhysicalAddress(Size))));
        Assert.True(memory.TryWrite(new GuestPhysicalAddress(Size), [1]));
        _ = Assert.Throws<ArgumentOutOfRangeException>(() => memory.Grow(Size));
        _ = Assert.Throws<ArgumentOutOfRangeException>(() => memory.Grow(1));
        memory.Grow(Size - Page);
        Assert.Equal(2 * Size, memory.RamSize);
    }

    /// <summary>Pages of zeros, and those that are as in the template again, go back to the host; whoever writes has a copy.</summary>
    [LinuxFact]
    public void PagesThatNeedNotBeOnesOwnAreMerged()
    {
        using GuestMemory first = new(Size, shared: true);
        Put(first, 3, 9);
        Put(first, 4, 9);
        using MemoryImage image = first.Freeze();
        using GuestMemory second = new(image);
        using GuestMemory stranger = new(Size, shared: true);
        GuestMemory[] all = [first, second, stranger];
        foreach (GuestMemory memory in all)
        {
            Put(memory, 7, 5);
            Put(memory, 9, 6);
            Clear(memory, 9);               // zeros
        }

        Put(second, 3, 1);
        Clear(second, 3);
        Put(second, 3, 9);                  // as in the template
        Put(second, 4, 1);                  // not
        Assert.Equal([2ul * Page, 4 * Page, 2 * Page], all.Select(memory => memory.ResidentBytes));
        Assert.Equal([1ul, 2, 1], all.Select(memory => memory.MergePages()));
        Assert.Equal([1ul * Page, 2 * Page, 1 * Page], all.Select(memory => memory.ResidentBytes));
        Assert.Equal([0ul, 0, 0], all.Select(memory => memory.MergePages()));
        Assert.All(all, memory => Assert.Equal((5, 0), (Get(memory, 7), Get(memory, 9))));
        Assert.Equal((9, 9, 9, 1), (Get(first, 3), Get(second, 3), Get(first, 4), Get(second, 4)));
        Put(second, 3, 8);
        Put(second, 9, 4);
        Assert.Equal((9, 8, 0, 4), (Get(first, 3), Get(second, 3), Get(first, 9), Get(second, 9)));
    }

    /// <summary>Writing here and there, and giving away here and there, takes no more mappings than a process has: a page each would be 65,536 of them.</summary>
    [LinuxFact]
    public void MappingsAreBounded()
    {
        using GuestMemory memory = new(512u << 20, shared: true, pageLimit: 1u << 17);
        int before = File.ReadLines("/proc/self/maps").Count();
        for (int page = 0; page < 1 << 17; page += 2)
        {
            Assert.True(memory.TryWrite(Address(page), [1]));
            Assert.False(memory.HostRefuses);
        }

        Assert.InRange(File.ReadLines("/proc/self/maps").Count() - before, 0, 4096);
        for (int page = 0; page < 1 << 17; page += 2)
        {
            memory.GiveAway(Address(page));
        }

        Assert.InRange(File.ReadLines("/proc/self/maps").Count() - before, 0, 4096);
        Assert.Equal(1u << 16, memory.BalloonPages);
    }

    /// <summary>Who lends a page and goes leaves nothing behind but the page.</summary>
    [LinuxFact]
    public void ALentPageKeepsNothingElseAlive()
    {
        GuestMemory owner = new(Size, shared: true);
        using GuestMemory other = new(Size, shared: true);
        for (int page = 0; page < 100; page++)
        {
            Put(owner, page, 3);
        }

        SharedPage lent = owner.Lend(Address(50))!;
        Assert.True(other.TryAccept(Address(1), lent, writable: true));
        owner.Dispose();
        Assert.Equal(1ul * Page, lent.File.AllocatedBytes);
        Assert.Equal(3, Get(other, 1));
        lent.Release();
        other.MakeWhole();
        Assert.Equal((0, false), (Get(other, 1), other.IsForeign(Address(1))));
    }

    /// <summary>A page of two machines: each sees the other's stores; for reading only, the borrower's are lost. It outlives either.</summary>
    [LinuxFact]
    public void PagesAreShared()
    {
        GuestMemory owner = new(Size, shared: true);
        using GuestMemory reader = new(Size, shared: true);
        using GuestMemory writer = new(Size, shared: true);
        Put(owner, 2, 5);
        SharedPage lent = owner.Lend(Address(2))!;
        Assert.True(reader.TryAccept(Address(9), lent, writable: false));
        Assert.True(writer.TryAccept(Address(4), lent, writable: true));
        lent.Release();
        Assert.Equal((5, 5, PageKind.Rom, PageKind.Ram), (Get(reader, 9), Get(writer, 4), reader.KindAt(Address(9)), writer.KindAt(Address(4))));
        Put(writer, 4, 6);
        Assert.Equal((6, 6), (Get(owner, 2), Get(reader, 9)));
        _ = Assert.Throws<NotSupportedException>(owner.Freeze);
        _ = Assert.Throws<NotSupportedException>(writer.Freeze);
        Assert.True(owner.IsSharedWithGuest(Address(2)) && writer.IsSharedWithGuest(Address(4)) && !writer.IsSharedWithGuest(Address(2)));
        owner.Dispose();
        Put(writer, 4, 8);
        Assert.Equal(8, Get(reader, 9));
    }

    private static GuestPhysicalAddress Address(int page) => new((ulong)page * Page);

    private static void Put(GuestMemory memory, int page, byte value) => Assert.True(memory.TryWrite(Address(page) + (ulong)(value % 16), Enumerable.Repeat(value, Page - 16).ToArray()));

    private static void Clear(GuestMemory memory, int page) => Assert.True(memory.TryWrite(Address(page), new byte[Page]));

    private static int Get(GuestMemory memory, int page) => memory.ReadByte(Address(page) + 100);

    private static byte[] Contents(GuestMemory memory, int pages) => [.. Enumerable.Range(0, pages).Select(page => (byte)Get(memory, page))];
}
