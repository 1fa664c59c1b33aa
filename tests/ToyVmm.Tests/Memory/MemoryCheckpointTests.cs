using System.Globalization;
using ToyVmm.Hardware.Memory;
using Xunit;

namespace ToyVmm.Tests.Memory;

/// <summary>Memory that goes back in place: every kind of change, against arrays.</summary>
public sealed unsafe class MemoryCheckpointTests
{
    private const int Page = 4096;
    private const uint First = 16;
    private const uint Most = 24;

    [Fact]
    public void OnlyPagesThatChangeAreKept()
    {
        using GuestMemory memory = new(1 << 20, shared: true);
        Put(memory, 3, 7);
        memory.AddCheckpoint();
        Assert.Equal(0ul, memory.CheckpointBytes(0));
        Assert.False(memory.IsPlainRam(At(3)));
        Put(memory, 3, 8);
        Put(memory, 3, 9);
        Put(memory, 4, 1);
        Assert.True(memory.IsPlainRam(At(3)));

        // A page of zeros is no more than a note.
        Assert.Equal(Page + (2ul * 8), memory.CheckpointBytes(0));
        memory.AddCheckpoint();
        Assert.False(memory.IsPlainRam(At(3)));
        Put(memory, 3, 10);
        memory.ReturnTo(1);
        Assert.Equal((9, 1), (Get(memory, 3), Get(memory, 4)));
        memory.ReturnTo(0);
        Assert.Equal((7, 0, 1), (Get(memory, 3), Get(memory, 4), memory.Checkpoints));
        memory.RemoveCheckpoint(0);
        Assert.True(memory.IsPlainRam(At(3)) && memory.IsPlainRam(At(200)));
        Assert.Equal(2ul, memory.PagesKept - 1);
    }

    [Fact]
    public void ACheckpointThatIsForgottenLeavesWhatItHasToTheOneBefore()
    {
        using GuestMemory memory = new(1 << 20, shared: true);
        memory.AddCheckpoint();
        Put(memory, 1, 1);
        memory.AddCheckpoint();
        Put(memory, 1, 2);
        Put(memory, 2, 2);
        memory.AddCheckpoint();
        Put(memory, 3, 3);
        memory.RemoveCheckpoint(1);
        memory.RemoveCheckpoint(1);
        Put(memory, 1, 4);
        Put(memory, 4, 4);
        memory.ReturnTo(0);
        Assert.Equal((0, 0, 0, 0), (Get(memory, 1), Get(memory, 2), Get(memory, 3), Get(memory, 4)));
    }

    [LinuxFact]
    public void WhoSharesPagesCannotGoBack()
    {
        using GuestMemory memory = new(1 << 20, shared: true);
        using GuestMemory other = new(1 << 20, shared: true);
        SharedPage page = memory.Lend(At(3))!;
        Assert.Contains("another guest", Assert.Throws<NotSupportedException>(memory.AddCheckpoint).Message, StringComparison.Ordinal);
        other.AddCheckpoint();
        Assert.False(other.TryAccept(At(3), page, writable: true));
        Assert.Null(other.Lend(At(4)));
        page.Release();
    }

    [LinuxFact]
    public void RandomHistoriesAgreeWithArrays() => Wander(limited: false);

    [LinuxFact]
    public void SoDoThoseOfMemoryThatHasALimit() => Wander(limited: true);

    private static void Wander(bool limited)
    {
        int seed = Environment.GetEnvironmentVariable("TOYVMM_SEED") is { } text ? int.Parse(text, CultureInfo.InvariantCulture) : Random.Shared.Next();
        Random random = new(seed);
        for (int history = 0; history < 60; history++)
        {
            using Wanderer wanderer = new(random, limited);
            for (int step = 0; step < 300; step++)
            {
                string what = wanderer.Step();
                Assert.True(wanderer.Difference() is not { } wrong, $"seed {seed}, history {history}, step {step} ({what}): {wanderer.Difference()}");
            }
        }
    }

    private static GuestPhysicalAddress At(uint page) => new((ulong)page * Page);

    private static int Get(GuestMemory memory, uint page) => memory.RamBase[(page * Page) + 100];

    private static void Put(GuestMemory memory, uint page, byte value) => Assert.True(memory.TryWrite(At(page) + 100, [value]));

    // A memory beside what it should hold: a byte of each page, whether it is given away, how many there are and how many are its own.
    private sealed class Wanderer : IDisposable
    {
        private readonly Random _random;
        private readonly bool _limited;
        private readonly List<Model> _checkpoints = [];
        private readonly List<MemoryImage> _images = [];
        private readonly GuestMemory _memory;
        private Model _model = new(new byte[Most], new bool[Most], First, 0);

        public Wanderer(Random random, bool limited)
        {
            _random = random;
            _limited = limited;
            _memory = new GuestMemory(First * Page, shared: true, capacity: Most * Page, pageLimit: limited ? Most : null);
        }

        public string Step()
        {
            uint page = (uint)_random.Next((int)_model.Pages);
            int kind = _random.Next(16);
            switch (kind)
            {
                case 0 when _checkpoints.Count < 8:
                    _memory.AddCheckpoint();
                    _checkpoints.Add(Copy());
                    return "checkpoint";
                case 1 or 2 when _checkpoints.Count > 0:
                    int target = _random.Next(_checkpoints.Count);
                    _memory.ReturnTo(target);
                    _model = _checkpoints[target];
                    _checkpoints.RemoveRange(target + 1, _checkpoints.Count - target - 1);
                    _checkpoints[target] = Copy();
                    return $"back to {target}";
                case 3 when _checkpoints.Count > 0:
                    int forgotten = _random.Next(_checkpoints.Count);
                    _memory.RemoveCheckpoint(forgotten);
                    _checkpoints.RemoveAt(forgotten);
                    return $"forget {forgotten}";
                case 4 when !_model.Away[page]:
                    _memory.GiveAway(At(page));
                    _model.Away[page] = true;
                    return $"give {page}";
                case 5 or 6 when _model.Away[page]:
                    Assert.True(_memory.TryTakeBack(At(page)));
                    (_model.Away[page], _model.Bytes[page]) = (false, 0);
                    return $"take {page}";
                case 7 when _model.Pages < Most && _random.Next(4) == 0:
                    _memory.Grow(Page);
                    _model = _model with { Pages = _model.Pages + 1 };
                    return "grow";
                case 8 when _random.Next(8) == 0 && !_limited:
                    _images.Add(_memory.Freeze());
                    return "freeze";
                case 9 when !_limited:
                    _ = _memory.MergePages();
                    return "merge";
                default:
                    byte value = (byte)_random.Next(4);
                    Assert.Equal(!_model.Away[page], _memory.TryWrite(At(page) + 100, [value]));
                    _model.Bytes[page] = _model.Away[page] ? _model.Bytes[page] : value;
                    return $"write {page}";
            }
        }

        public string? Difference()
        {
            // How many pages are its own only a memory with a limit counts, where nothing was frozen or merged.
            uint owned = 0;
            for (uint page = 0; page < Most; page++)
            {
                PageKind kind = page < _model.Pages && !_model.Away[page] ? PageKind.Ram : PageKind.Hole;
                if (_memory.KindAt(At(page)) != kind)
                {
                    return $"page {page} is {_memory.KindAt(At(page))}";
                }

                if (kind == PageKind.Ram && Get(_memory, page) != _model.Bytes[page])
                {
                    return $"page {page} holds {Get(_memory, page)}, not {_model.Bytes[page]}";
                }

                owned += kind == PageKind.Ram && (_memory.Marks[page] & PageMarks.Borrowed) == 0 ? 1u : 0;
            }

            return _memory.RamSize != _model.Pages * Page ? "its size"
                : _memory.BalloonPages != _model.Away.Count(away => away) ? $"{_memory.BalloonPages} pages given away"
                : _limited && _memory.OwnedPages != owned ? $"{_memory.OwnedPages} pages are its own, not {owned}"
                : _memory.IsIntact ? null : "the canary";
        }

        public void Dispose()
        {
            _memory.Dispose();
            _images.ForEach(image => image.Dispose());
        }

        private Model Copy() => _model with { Bytes = [.. _model.Bytes], Away = [.. _model.Away] };

        private sealed record Model(byte[] Bytes, bool[] Away, uint Pages, uint Owned);
    }
}
