using Xunit.Abstractions;

namespace ToyVmm.Tests.Oracle;

/// <summary>The interpreter's blocks against the host CPU.</summary>
public sealed class InterpreterSequenceTests(ITestOutputHelper output) : HostSequenceTests<InterpreterUnderTest>(output);
