using ToyVmm.Tests.Fuzz;
using ToyVmm.VirtualMachines.Comparing;
using ToyVmm.VirtualMachines.Loading;
using Xunit;
using Xunit.Abstractions;

namespace ToyVmm.Tests.Loading;

/// <summary>No bytes make the loader throw, and a refusal leaves memory alone (pitfalls 24 and 25).</summary>
public sealed class LoaderFuzzTests(ITestOutputHelper output) : LoaderFixture
{
    private const int CasesEach = 12_500;  // 8 kinds: 100,000 in all
    private const int LooksAtMemoryEvery = 500;

    public static TheoryData<string> Kinds => ["noise", "elf", "multiboot-elf", "multiboot-flat", "bzimage", "bzimage-relocatable", "disk", "mixed"];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Nothing_throws(string kind)
    {
        // A case is too cheap for a generator of its own: they share one, and a failure shows its image.
        ulong first = FuzzSettings.FirstSeed();
        int cases = Math.Min(FuzzSettings.Cases(CasesEach), 1000 * CasesEach);
        var random = new Random((int)(first ^ (first >> 32)) ^ (kind.Length * 7919));
        byte[] seed = Seed(kind);
        int loaded = 0;
        for (int i = 0; i < cases; i++)
        {
            bool looks = i % LooksAtMemoryEvery == 0;
            ulong before = looks ? StateHash.OfMemory(Memory) : 0;
            byte[] image = kind == "noise" ? Noise(random) : Mutate(random, kind == "mixed" ? Seed(Mutated[random.Next(Mutated.Length)]) : seed);
            LoadOptions options = Options(random);
            try
            {
                _ = ImageLoader.Detect(image);
                LoadResult result = ImageLoader.Load(image, Memory, options);
                Assert.True(result.Succeeded != (result.Error is not null));
                if (result.Succeeded)
                {
                    loaded++;
                    Assert.False(result.Image.Entry is { ProtectedMode: true, ProtectedModeSegments: null });
                }
                else
                {
                    Assert.NotEmpty(result.Error.ToString());
                    Assert.True(!looks || StateHash.OfMemory(Memory) == before, $"a refused image has changed guest memory: {result.Error}");
                    Assert.True(result.Error.Offset is null or >= 0 && (result.Error.Offset ?? 0) <= Math.Max(image.Length, 1 << 16));
                }
            }
            catch (Exception e) when (e is not Xunit.Sdk.XunitException)
            {
                Assert.Fail($"TOYVMM_SEED=0x{first:X}, case {i} of {kind} threw {e.GetType().Name}: {e.Message}\noptions {options}\nimage {Convert.ToHexString(image.AsSpan(0, Math.Min(image.Length, 2048)))}\n{e.StackTrace}");
            }
        }

        // A fuzzer that never gets past the first check tests nothing.
        output.WriteLine($"seed 0x{first:X}: {cases} images, {loaded} of them loaded");
        Assert.True(Memory.IsIntact);
        Assert.InRange(loaded, cases < CasesEach ? 0 : cases / 100, cases);
    }

    private static readonly string[] Mutated = ["elf", "multiboot-elf", "multiboot-flat", "bzimage", "bzimage-relocatable", "disk"];

    private static byte[] Seed(string kind) => kind switch
    {
        "elf" => TestImages.Elf(0xC010_0000, (TestImages.Code(64), 0xC010_0000, 0x10_0000, 0x1000), (TestImages.Code(8), 0xC020_0000, 0x20_0000, 8)),
        "multiboot-elf" => TestImages.MultibootElf(7),
        "multiboot-flat" => TestImages.MultibootFlat(loadEnd: 0x10_0050, bssEnd: 0x10_2000),
        "bzimage" => TestImages.BzImage(payload: 256),
        "bzimage-relocatable" => TestImages.BzImage(f => f[0x234] = 1, payload: 256),
        _ => TestImages.Disk(1024),
    };

    private static byte[] Noise(Random random)
    {
        byte[] image = new byte[random.Next(0, 2000)];
        random.NextBytes(image);
        return image;
    }

    // One to four header fields become edge values, or the file is cut.
    private static byte[] Mutate(Random random, byte[] seed)
    {
        byte[] image = (byte[])seed.Clone();
        for (int n = random.Next(1, 5); n > 0; n--)
        {
            int width = 1 << random.Next(0, 3);
            int at = random.Next(0, Math.Min(image.Length, 0x280) - width + 1) & ~(width - 1);
            uint value = Edge(random);
            for (int i = 0; i < width; i++)
            {
                image[at + i] = (byte)(value >> (8 * i));
            }
        }

        if (seed.Length > 0x202 && random.Next(4) != 0)
        {
            // Keep the marks that lead past detection most of the time.
            seed.AsSpan(0x1FE, 8).CopyTo(image.AsSpan(0x1FE));
        }

        return random.Next(8) == 0 ? image[..random.Next(0, image.Length + 1)] : image;
    }

    private static uint Edge(Random random)
    {
        uint[] edges = [0, 1, 2, 3, 0x7F, 0x80, 0xFF, 0x1000, 0x7FFF, 0xFFFF, 0x9_FC00, 0xA_0000, 0xF_FFFF, 0x10_0000, 0x20_0000, 0x1FF_FFFF, 0x200_0000, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_F000, 0xFFFF_FFFF];
        return random.Next(3) == 0 ? (uint)random.NextInt64(1L << 32) : edges[random.Next(edges.Length)] + (uint)random.Next(-1, 2);
    }

    private static LoadOptions Options(Random random) => new()
    {
        Format = random.Next(4) == 0 ? (ImageFormat)random.Next(5) : null,
        RealModeEntry = random.Next(10) switch { 0 => true, 1 => false, _ => null },
        LoadAddress = random.Next(8) == 0 ? Edge(random) : null,
        CommandLine = random.Next(4) == 0 ? "quiet" : null,
        InitialRamDisk = random.Next(8) == 0 ? new byte[random.Next(5000)] : null,
        Modules = random.Next(8) == 0 ? [new BootModule("m", new byte[random.Next(5000)])] : [],
    };
}
