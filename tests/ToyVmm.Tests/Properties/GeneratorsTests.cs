using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using Xunit;

namespace ToyVmm.Tests.Properties;

/// <summary>The generators hit what they promise to hit: counts with wide margins, from fixed seeds.</summary>
public sealed class GeneratorsTests
{
    [Fact]
    public void The_same_seed_gives_the_same_values_on_every_machine()
    {
        var random = new EdgeRandom(0);
        // SplitMix64's published first outputs for seed 0.
        Assert.Equal(0xE220_A839_7B1D_CDAFUL, random.Bits64());
        Assert.Equal(0x6E78_9E6A_A1B9_65F4UL, random.Bits64());
        Assert.Equal(0x06C4_5D18_8009_454FUL, random.Bits64());
    }

    [Fact]
    public void Values_cover_the_edges_and_the_full_width()
    {
        var random = new EdgeRandom(1);
        var seen = new HashSet<uint>();
        int high = 0;
        const int Count = 100_000;
        for (int i = 0; i < Count; i++)
        {
            uint value = random.UInt32();
            seen.Add(value);
            high += value >= 0x8000_0000 ? 1 : 0;
        }

        Assert.All(EdgeRandom.Edges.ToArray(), edge => Assert.Contains(edge, seen));
        Assert.InRange(high, Count / 4, Count * 3 / 4);
        Assert.True(seen.Count > Count / 4, "too few different values");
    }

    [Theory]
    [InlineData(0xFFu)]
    [InlineData(0xFFFFu)]
    [InlineData(0xFFFF_FFFFu)]
    public void Pairs_are_correlated_and_within_their_width(uint mask)
    {
        var random = new EdgeRandom(2);
        int zero = 0;
        int equal = 0;
        int carry = 0;
        const int Count = 10_000;
        for (int i = 0; i < Count; i++)
        {
            (uint a, uint b) = random.Pair(mask);
            Assert.Equal(0u, (a | b) & ~mask);
            zero += ((a + b) & mask) == 0 ? 1 : 0;
            equal += a == b ? 1 : 0;
            carry += (ulong)a + b > mask ? 1 : 0;
        }

        Assert.True(zero > Count / 20, $"sum zero only {zero} times");
        Assert.True(equal > Count / 20, $"equal only {equal} times");
        Assert.InRange(carry, Count / 10, Count * 9 / 10);
    }

    [Fact]
    public void Flags_take_every_combination()
    {
        var random = new EdgeRandom(3);
        var seen = new HashSet<uint>();
        for (int i = 0; i < 20_000; i++)
        {
            uint flags = random.ArithmeticFlags();
            Assert.Equal(ArithmeticFlags.Fixed, flags & ~0xCD5u);
            seen.Add(flags);
        }

        Assert.Equal(128, seen.Count); // six arithmetic flags and DF
    }

    [Fact]
    public void FsChecks_sizes_do_not_narrow_them()
    {
        uint[] small = Generators.UInt32().Generator.Sample(2000, 1);
        Assert.Contains(small, value => value > 0x1000_0000);
        Assert.Contains(small, value => value == 0);
    }

    [Property(Arbitrary = [typeof(Generators)], MaxTest = 500)]
    public bool Shrinking_makes_smaller_and_offers_zero_first(uint value)
    {
        uint[] candidates = Generators.Shrink(value).ToArray();
        return value == 0 ? candidates.Length == 0 : candidates[0] == 0 && candidates.All(candidate => candidate < value);
    }

    [Property(Arbitrary = [typeof(Generators)], MaxTest = 500)]
    public bool Flags_shrink_to_none(ArithmeticFlags flags)
    {
        while (Generators.Flags().Shrinker(flags).ToArray() is [var smaller, ..])
        {
            flags = smaller;
        }

        return flags.Value == ArithmeticFlags.Fixed;
    }

    [Property(Arbitrary = [typeof(Generators)], MaxTest = 200)]
    public bool Every_type_has_its_generator(ushort a, byte b, ulong c, int d, OperandPair32 e, OperandPair16 f, OperandPair8 g, EdgeRandom source) =>
        a + b >= 0 && c + (ulong)(uint)d >= 0 && e.A >= 0 && f.B >= 0 && g.A >= 0 && source.Below(10) is >= 0 and < 10;
}
