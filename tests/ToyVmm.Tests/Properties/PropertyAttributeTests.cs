using System.Text.RegularExpressions;
using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using Xunit;
using Xunit.Abstractions;
using Xunit.Sdk;

namespace ToyVmm.Tests.Properties;

/// <summary>
/// The adapter itself: it must be able to fail. The sample properties below stand in an internal class, which xunit does not
/// discover; each test runs one of them through the whole xunit pipeline and looks at the messages that come out.
/// </summary>
public sealed class PropertyAttributeTests
{
    [Fact]
    public async Task A_failing_property_reports_the_shrunk_case_and_the_seed()
    {
        TestFailed failure = Assert.IsType<TestFailed>(await Run(nameof(Samples.Below100)));
        string message = string.Concat(failure.Messages);
        Assert.Contains("Falsifiable", message, StringComparison.Ordinal);
        Assert.Contains("Shrunk:", message, StringComparison.Ordinal);
        // The shrinker of the sample halves and decrements, so the smallest counterexample is exactly 100.
        Assert.Matches(@"Shrunk:\s*100\b", message);
        Assert.Matches(@"\(\d+,\d+", message);
        Assert.Contains(typeof(PropertyFailedException).FullName, failure.ExceptionTypes);
    }

    [Fact]
    public async Task A_replay_seed_reproduces_the_very_case()
    {
        string first = string.Concat(Assert.IsType<TestFailed>(await Run(nameof(Samples.Replayed))).Messages);
        string second = string.Concat(Assert.IsType<TestFailed>(await Run(nameof(Samples.Replayed))).Messages);
        Assert.Equal(first, second);
        Assert.Contains("123456789", first, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_seed_without_replay_differs_from_run_to_run()
    {
        string first = Seed(await Run(nameof(Samples.Below100)));
        string second = Seed(await Run(nameof(Samples.Below100)));
        Assert.NotEqual(first, second);

        static string Seed(IMessageSinkMessage result) => Regex.Match(string.Concat(((TestFailed)result).Messages), @"\(\d+,\d+").Value;
    }

    [Theory]
    [InlineData(nameof(Samples.Throws), "the sample threw")]
    [InlineData(nameof(Samples.ThrowsAsync), "the sample threw later")]
    public async Task A_property_that_throws_fails_with_what_it_threw(string property, string text)
    {
        TestFailed failure = Assert.IsType<TestFailed>(await Run(property));
        Assert.Contains(failure.Messages, message => message.Contains(text, StringComparison.Ordinal));
        Assert.Contains(typeof(InvalidOperationException).FullName, failure.ExceptionTypes);
    }

    [Theory]
    [InlineData(nameof(Samples.ReturnsFalse))]
    [InlineData(nameof(Samples.ReturnsFalseProperty))]
    [InlineData(nameof(Samples.ReturnsFalseTask))]
    [InlineData(nameof(Samples.AssertsInVoid))]
    [InlineData(nameof(Samples.RejectsEverything))]
    [InlineData(nameof(Samples.MalformedReplay))]
    [InlineData(nameof(Samples.FailsStatically))]
    public async Task A_property_that_does_not_hold_fails(string property) => Assert.IsType<TestFailed>(await Run(property));

    [Theory]
    [InlineData(nameof(Samples.ReturnsTrue))]
    [InlineData(nameof(Samples.ReturnsTrueProperty))]
    [InlineData(nameof(Samples.ReturnsTrueTask))]
    [InlineData(nameof(Samples.ReturnsTask))]
    [InlineData(nameof(Samples.ReturnsVoid))]
    [InlineData(nameof(Samples.HoldsStatically))]
    [InlineData(nameof(Samples.NoParameters))]
    public async Task A_property_that_holds_passes(string property) => Assert.IsType<TestPassed>(await Run(property));

    [Fact]
    public async Task Skip_and_display_name_are_those_of_a_fact()
    {
        TestSkipped skipped = Assert.IsType<TestSkipped>(await Run(nameof(Samples.Skipped)));
        Assert.Equal("a reason", skipped.Reason);
        Assert.Equal("a name of its own", skipped.Test.DisplayName);
    }

    [Fact]
    public async Task MaxTest_is_the_number_of_cases_and_success_can_be_quiet()
    {
        TestPassed counted = Assert.IsType<TestPassed>(await Run(nameof(Samples.Counted)));
        Assert.Contains("passed 37 tests", counted.Output, StringComparison.Ordinal);
        TestPassed quiet = Assert.IsType<TestPassed>(await Run(nameof(Samples.Quiet)));
        Assert.Empty(quiet.Output);
        TestPassed verbose = Assert.IsType<TestPassed>(await Run(nameof(Samples.Talkative)));
        Assert.Contains("4:", verbose.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Sizes_reach_the_generators()
    {
        TestPassed sized = Assert.IsType<TestPassed>(await Run(nameof(Samples.Sized)));
        Assert.Contains("passed", sized.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_attribute_of_the_class_is_the_default()
    {
        TestPassed inherited = Assert.IsType<TestPassed>(await Run(nameof(Samples.UsesTheClassesDefaults)));
        Assert.Contains("passed 12 tests", inherited.Output, StringComparison.Ordinal);
    }

    // The attribute on a real, discovered test: if the discoverer's assembly name is wrong, this test is not run at all and
    // the number of tests falls; if the pipeline is wrong, it fails.
    [Property(MaxTest = 200)]
    public bool Addition_commutes(int a, int b) => unchecked(a + b) == unchecked(b + a);

    private static async Task<IMessageSinkMessage> Run(string property)
    {
        var assembly = new TestAssembly(Reflector.Wrap(typeof(Samples).Assembly));
        var testClass = new TestClass(new TestCollection(assembly, null, "samples"), Reflector.Wrap(typeof(Samples)));
        var method = new TestMethod(testClass, Reflector.Wrap(typeof(Samples).GetMethod(property)!));
        var sink = new NullMessageSink();
        IXunitTestCase testCase = new PropertyDiscoverer(sink).Discover(new DefaultOptions(), method, null!).Single();
        using var bus = new SpyBus();
        using var cancellation = new CancellationTokenSource();
        RunSummary summary = await testCase.RunAsync(sink, bus, [], new ExceptionAggregator(), cancellation);
        IMessageSinkMessage result = bus.Messages.Single(message => message is TestPassed or TestFailed or TestSkipped);
        Assert.Equal(1, summary.Total);
        Assert.Equal(result is TestFailed ? 1 : 0, summary.Failed);
        Assert.Equal(result is TestSkipped ? 1 : 0, summary.Skipped);
        return result;
    }

    private sealed class DefaultOptions : ITestFrameworkDiscoveryOptions
    {
        public TValue GetValue<TValue>(string name) => default!;

        public void SetValue<TValue>(string name, TValue value)
        {
        }
    }

    private sealed class SpyBus : IMessageBus
    {
        public List<IMessageSinkMessage> Messages { get; } = [];

        public bool QueueMessage(IMessageSinkMessage message)
        {
            Messages.Add(message);
            return true;
        }

        public void Dispose()
        {
        }
    }

#pragma warning disable xUnit1000, CA1812, CA1822 // Not discovered on purpose; created by the runner; instance methods on purpose.
    [Properties(MaxTest = 12)]
    internal sealed class Samples
    {
        [Property(MaxTest = 1000, Arbitrary = [typeof(WideInt32)])]
        public bool Below100(int number) => number < 100;

        [Property(MaxTest = 1000, Arbitrary = [typeof(WideInt32)], Replay = "(123456789,987654321)")]
        public bool Replayed(int number) => number % 7 != 3;

        [Property]
        public void Throws(int number) => throw new InvalidOperationException($"the sample threw {number}");

        [Property]
        public async Task ThrowsAsync(int number)
        {
            await Task.Yield();
            throw new InvalidOperationException($"the sample threw later {number}");
        }

        [Property]
        public bool ReturnsFalse(int number) => number == int.MaxValue - 1;

        [Property]
        public Property ReturnsFalseProperty(int number) => (number == int.MaxValue - 1).ToProperty();

        [Property]
        public async Task<bool> ReturnsFalseTask(int number)
        {
            await Task.Delay(1);
            return number == int.MaxValue - 1;
        }

        [Property]
        public void AssertsInVoid(int number) => Assert.Equal(int.MaxValue - 1, number);

        [Property]
        public Property RejectsEverything(int number) => true.When(number == int.MaxValue - 1);

        [Property(Replay = "nonsense")]
        public bool MalformedReplay(int number) => number == number + 0;

        [Property]
        public static bool FailsStatically(int number) => number == int.MaxValue - 1;

        [Property]
        public bool ReturnsTrue(int number) => number + 0 == number;

        [Property]
        public Property ReturnsTrueProperty(int number) => (number + 0 == number).Label("trivial");

        [Property]
        public async Task<bool> ReturnsTrueTask(int number)
        {
            await Task.Delay(1);
            return number + 0 == number;
        }

        [Property]
        public Task ReturnsTask(int number) => Task.Delay(number & 1);

        [Property]
        public void ReturnsVoid(int number) => Assert.Equal(number, number + 0);

        [Property]
        public static bool HoldsStatically(int number) => number + 0 == number;

        [Property]
        public bool NoParameters() => true;

        [Property(Skip = "a reason", DisplayName = "a name of its own")]
        public bool Skipped(int number) => number == int.MaxValue - 1;

        [Property(MaxTest = 37)]
        public bool Counted(int number) => number + 0 == number;

        [Property(QuietOnSuccess = true)]
        public bool Quiet(int number) => number + 0 == number;

        [Property(MaxTest = 5, Verbose = true)]
        public bool Talkative(int number) => number + 0 == number;

        [Property(StartSize = 5, EndSize = 5, Arbitrary = [typeof(SizeItself)])]
        public bool Sized(int number) => number == 5;

        [Property]
        public bool UsesTheClassesDefaults(int number) => number + 0 == number;
    }
#pragma warning restore xUnit1000, CA1812, CA1822

    internal static class WideInt32
    {
        public static Arbitrary<int> Int32() => Arb.From(Gen.Choose(0, 1_000_000), value => value == 0 ? [] : [value / 2, value - 1]);
    }

    internal static class SizeItself
    {
        public static Arbitrary<int> Int32() => Arb.From(Gen.Sized(Gen.Constant));
    }
}
