// A stand-in for the package FsCheck.Xunit, which cannot be restored on the machines we build on. It has that package's
// namespace, names and meanings, so that deleting this file and adding the package is the whole migration. The work is
// done by FsCheck itself (Check.Method); here is only what xunit 2 asks for: a discoverer that turns a method with
// parameters into a test case, and an invoker that lets FsCheck call the method instead of xunit. The life cycle of the
// test class (construction, IAsyncLifetime, IDisposable, before/after attributes, output, time-outs) stays xunit's own.
using System.ComponentModel;
using System.Globalization;
using System.Reflection;
using Microsoft.FSharp.Collections;
using Microsoft.FSharp.Core;
using Xunit;
using Xunit.Abstractions;
using Xunit.Sdk;

namespace FsCheck.Xunit;

/// <summary>
/// Runs a method as an FsCheck property: every parameter is generated. The method may return void, bool, <see cref="Property"/>,
/// <see cref="Task"/>, a task of bool or of property, or F#'s async of those; it fails when the result is false, or when it throws.
/// </summary>
[AttributeUsage(AttributeTargets.Method | AttributeTargets.Property)]
[XunitTestCaseDiscoverer("FsCheck.Xunit.PropertyDiscoverer", "ToyVmm.Tests")]
public class PropertyAttribute : FactAttribute
{
    // Attribute arguments cannot be nullable, so -1 and null stand for "not given here: ask the class, then FsCheck's default".
    internal const int NotGiven = -1;

    private bool? verbose;
    private bool? quietOnSuccess;

    /// <summary>The seed to start from, as a failure prints it: "(seed,gamma)" for the whole run, or "(seed,gamma,size)" for its last case.</summary>
    public string? Replay { get; set; }

    /// <summary>How many cases run at the same time; not given: one.</summary>
    public int Parallelism { get; set; } = NotGiven;

    /// <summary>How many cases must pass.</summary>
    public int MaxTest { get; set; } = NotGiven;

    /// <summary>How many cases a precondition may reject before the property counts as failed (exhausted).</summary>
    public int MaxRejected { get; set; } = NotGiven;

    /// <summary>The size of the first case.</summary>
    public int StartSize { get; set; } = NotGiven;

    /// <summary>The size of the last case.</summary>
    public int EndSize { get; set; } = NotGiven;

    /// <summary>Whether every generated and shrunk case is written to the test's output.</summary>
    public bool Verbose
    {
        get => verbose ?? false;
        set => verbose = value;
    }

    /// <summary>Whether a passing property writes nothing to the test's output.</summary>
    public bool QuietOnSuccess
    {
        get => quietOnSuccess ?? false;
        set => quietOnSuccess = value;
    }

    /// <summary>Types with static members that return <see cref="Arbitrary{T}"/>; the first one that knows a type wins.</summary>
    public Type[] Arbitrary { get; set; } = [];

    /// <summary>FsCheck's configuration for a property with these attributes, the outermost (assembly) first, the method's own last.</summary>
    /// <exception cref="FormatException">A <see cref="Replay"/> is not of the form that failures print.</exception>
    internal static Config Combine(IReadOnlyList<PropertyAttribute> outerToInner, IRunner runner, Action<string> write)
    {
        int Pick(Func<PropertyAttribute, int> value, int fallback) =>
            outerToInner.Select(value).LastOrDefault(number => number != NotGiven, fallback);
        bool Flag(Func<PropertyAttribute, bool?> value, bool fallback) =>
            outerToInner.Select(value).LastOrDefault(flag => flag.HasValue) ?? fallback;

        Config standard = Config.Default;
        string? replay = outerToInner.Select(attribute => attribute.Replay).LastOrDefault(text => !string.IsNullOrEmpty(text));
        int parallelism = Pick(attribute => attribute.Parallelism, NotGiven);
        bool isVerbose = Flag(attribute => attribute.verbose, fallback: false);
        return standard
            .WithReplay(replay is null ? standard.Replay : FSharpOption<Replay>.Some(ParseReplay(replay)))
            .WithParallelRunConfig(parallelism == NotGiven ? standard.ParallelRunConfig : FSharpOption<ParallelRunConfig>.Some(new ParallelRunConfig(parallelism)))
            .WithMaxTest(Pick(attribute => attribute.MaxTest, standard.MaxTest))
            .WithMaxRejected(Pick(attribute => attribute.MaxRejected, standard.MaxRejected))
            .WithStartSize(Pick(attribute => attribute.StartSize, standard.StartSize))
            .WithEndSize(Pick(attribute => attribute.EndSize, standard.EndSize))
            .WithQuietOnSuccess(Flag(attribute => attribute.quietOnSuccess, standard.QuietOnSuccess))
            .WithArbitrary(outerToInner.Reverse().SelectMany(attribute => attribute.Arbitrary).ToList())
            .WithRunner(runner)
            .WithEvery(FuncConvert.FromFunc((int number, FSharpList<object> arguments) =>
                Report(isVerbose, Config.Verbose.Every.Invoke(number).Invoke(arguments), write)))
            .WithEveryShrink(FuncConvert.FromFunc((FSharpList<object> arguments) =>
                Report(isVerbose, Config.Verbose.EveryShrink.Invoke(arguments), write)));
    }

    /// <summary>Reads "(seed,gamma)" or "(seed,gamma,size)", with or without parentheses.</summary>
    internal static Replay ParseReplay(string text)
    {
        string[] parts = text.Trim().Trim('(', ')').Split(',', StringSplitOptions.TrimEntries);
        if (parts.Length is not (2 or 3)
            || !ulong.TryParse(parts[0], CultureInfo.InvariantCulture, out ulong seed)
            || !ulong.TryParse(parts[1], CultureInfo.InvariantCulture, out ulong gamma))
        {
            throw new FormatException($"Replay = \"{text}\" is not \"(seed,gamma)\" or \"(seed,gamma,size)\" as a failing property prints it.");
        }

        if (parts.Length == 2)
        {
            return new Replay(new Rnd(seed, gamma), FSharpOption<int>.None);
        }

        return int.TryParse(parts[2], CultureInfo.InvariantCulture, out int size)
            ? new Replay(new Rnd(seed, gamma), FSharpOption<int>.Some(size))
            : throw new FormatException($"Replay = \"{text}\": the size \"{parts[2]}\" is not a number.");
    }

    private static string Report(bool isVerbose, string text, Action<string> write)
    {
        if (isVerbose)
        {
            write(text);
        }

        return string.Empty;
    }
}

/// <summary>Defaults for all the properties of a class or an assembly; what the method itself says goes before.</summary>
[AttributeUsage(AttributeTargets.Class | AttributeTargets.Assembly)]
public sealed class PropertiesAttribute : PropertyAttribute;

/// <summary>The failure of a property: FsCheck's report (original case, shrunk case, replay seed), and what the property threw, if it did.</summary>
public sealed class PropertyFailedException : Exception
{
    /// <summary>An empty failure.</summary>
    public PropertyFailedException()
    {
    }

    /// <summary>A failure with FsCheck's report.</summary>
    public PropertyFailedException(string message)
        : base(message)
    {
    }

    /// <summary>A failure with FsCheck's report and the exception that the shrunk case threw.</summary>
    public PropertyFailedException(string message, Exception? innerException)
        : base(message, innerException)
    {
    }
}

/// <summary>Tells xunit that a method with <see cref="PropertyAttribute"/> is one test case, although it has parameters and no data.</summary>
public sealed class PropertyDiscoverer(IMessageSink diagnosticMessageSink) : IXunitTestCaseDiscoverer
{
    /// <inheritdoc/>
    public IEnumerable<IXunitTestCase> Discover(ITestFrameworkDiscoveryOptions discoveryOptions, ITestMethod testMethod, IAttributeInfo factAttribute) =>
        [new PropertyTestCase(diagnosticMessageSink, discoveryOptions.MethodDisplayOrDefault(), discoveryOptions.MethodDisplayOptionsOrDefault(), testMethod)];
}

/// <summary>One property as xunit's test case.</summary>
public sealed class PropertyTestCase : XunitTestCase
{
    /// <summary>For xunit's deserializer only.</summary>
    [EditorBrowsable(EditorBrowsableState.Never)]
    [Obsolete("Called by the deserializer; should only be called by deriving classes for de-serialization purposes")]
    public PropertyTestCase()
    {
    }

    /// <summary>A test case for a method.</summary>
    public PropertyTestCase(IMessageSink diagnosticMessageSink, TestMethodDisplay display, TestMethodDisplayOptions displayOptions, ITestMethod testMethod)
        : base(diagnosticMessageSink, display, displayOptions, testMethod)
    {
    }

    /// <inheritdoc/>
    public override Task<RunSummary> RunAsync(
        IMessageSink diagnosticMessageSink,
        IMessageBus messageBus,
        object[] constructorArguments,
        ExceptionAggregator aggregator,
        CancellationTokenSource cancellationTokenSource) =>
        new CaseRunner(this, constructorArguments, messageBus, aggregator, cancellationTokenSource).RunAsync();

    private sealed class CaseRunner(IXunitTestCase testCase, object[] constructorArguments, IMessageBus bus, ExceptionAggregator aggregator, CancellationTokenSource source)
        // xunit insists on as many arguments as there are parameters; FsCheck will replace these placeholders.
        : XunitTestCaseRunner(testCase, testCase.DisplayName, testCase.SkipReason, constructorArguments, new object[testCase.TestMethod.Method.GetParameters().Count()], bus, aggregator, source)
    {
        protected override XunitTestRunner CreateTestRunner(
            ITest test,
            IMessageBus messageBus,
            Type testClass,
            object[] constructorArguments,
            MethodInfo testMethod,
            object[] testMethodArguments,
            string skipReason,
            IReadOnlyList<BeforeAfterTestAttribute> beforeAfterAttributes,
            ExceptionAggregator aggregator,
            CancellationTokenSource cancellationTokenSource) =>
            new TestRunner(test, messageBus, testClass, constructorArguments, testMethod, testMethodArguments, skipReason, beforeAfterAttributes, aggregator, cancellationTokenSource);
    }

    private sealed class TestRunner(
        ITest test, IMessageBus messageBus, Type testClass, object[] constructorArguments, MethodInfo testMethod, object[] testMethodArguments, string skipReason,
        IReadOnlyList<BeforeAfterTestAttribute> beforeAfterAttributes, ExceptionAggregator aggregator, CancellationTokenSource cancellationTokenSource)
        : XunitTestRunner(test, messageBus, testClass, constructorArguments, testMethod, testMethodArguments, skipReason, beforeAfterAttributes, aggregator, cancellationTokenSource)
    {
        protected override async Task<Tuple<decimal, string>> InvokeTestAsync(ExceptionAggregator aggregator)
        {
            // A class that asks for an output helper shares it with us; any other property gets one of its own, so that
            // statistics (Classify, Collect) are never lost.
            TestOutputHelper? shared = ConstructorArguments.OfType<TestOutputHelper>().FirstOrDefault();
            TestOutputHelper output = shared ?? new TestOutputHelper();
            output.Initialize(MessageBus, Test);
            var invoker = new Invoker(Test, MessageBus, TestClass, ConstructorArguments, TestMethod, TestMethodArguments, BeforeAfterAttributes, aggregator, CancellationTokenSource, output);
            decimal seconds = await invoker.RunAsync();
            string text = output.Output;
            output.Uninitialize();
            return Tuple.Create(seconds, text);
        }
    }

    private sealed class Invoker(
        ITest test, IMessageBus messageBus, Type testClass, object[] constructorArguments, MethodInfo testMethod, object[] testMethodArguments,
        IReadOnlyList<BeforeAfterTestAttribute> beforeAfterAttributes, ExceptionAggregator aggregator, CancellationTokenSource cancellationTokenSource, TestOutputHelper output)
        : XunitTestInvoker(test, messageBus, testClass, constructorArguments, testMethod, testMethodArguments, beforeAfterAttributes, aggregator, cancellationTokenSource)
    {
        // FsCheck waits for asynchronous properties by blocking; on a thread of xunit's own synchronization context that
        // could wait for itself, hence a pool thread, which has none.
        protected override object CallTestMethod(object testClassInstance) => Task.Run(() => CheckProperty(testClassInstance));

        private void CheckProperty(object? instance)
        {
            var runner = new ResultRunner();
            Config config = PropertyAttribute.Combine(Attributes(), runner, output.WriteLine);
            Check.Method(config, TestMethod, instance is null ? FSharpOption<object>.None : FSharpOption<object>.Some(instance));
            TestResult result = runner.Result ?? throw new InvalidOperationException($"FsCheck gave no result for {TestMethod.Name}.");
            string report = Environment.NewLine + Runner.onFinishedToString(string.Empty, result);
            switch (result)
            {
                case TestResult.Passed passed:
                    if (!passed.Item2)
                    {
                        output.WriteLine(report.Trim());
                    }

                    return;
                case TestResult.Failed { Item4: Outcome.Failed outcome }:
                    throw new PropertyFailedException(report, outcome.Item is TargetInvocationException { InnerException: { } thrown } ? thrown : outcome.Item);
                default:
                    throw new PropertyFailedException(report);
            }
        }

        private List<PropertyAttribute> Attributes()
        {
            var innerToOuter = new List<PropertyAttribute> { TestMethod.GetCustomAttribute<PropertyAttribute>()! };
            for (Type? type = TestClass; type is not null; type = type.DeclaringType)
            {
                innerToOuter.AddRange(type.GetCustomAttributes<PropertiesAttribute>());
            }

            innerToOuter.AddRange(TestClass.Assembly.GetCustomAttributes<PropertiesAttribute>());
            innerToOuter.Reverse();
            return innerToOuter;
        }
    }

    private sealed class ResultRunner : IRunner
    {
        public TestResult? Result { get; private set; }

        public void OnStartFixture(Type fixture)
        {
        }

        public void OnArguments(int number, FSharpList<object> arguments, FSharpFunc<int, FSharpFunc<FSharpList<object>, string>> every) =>
            _ = every.Invoke(number).Invoke(arguments);

        public void OnShrink(FSharpList<object> arguments, FSharpFunc<FSharpList<object>, string> everyShrink) =>
            _ = everyShrink.Invoke(arguments);

        public void OnFinished(string name, TestResult testResult) => Result = testResult;
    }
}
