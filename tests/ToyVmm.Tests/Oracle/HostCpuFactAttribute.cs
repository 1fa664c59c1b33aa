using Xunit;

namespace ToyVmm.Tests.Oracle;

/// <summary>A fact that needs the host-CPU oracle; skipped, with the reason, where there is none.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class HostCpuFactAttribute : FactAttribute
{
    /// <summary>Asks the host once a test.</summary>
    public HostCpuFactAttribute() => Skip = HostCpu.Unavailable();
}

/// <summary>A theory that needs the host-CPU oracle; skipped, with the reason, where there is none.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class HostCpuTheoryAttribute : TheoryAttribute
{
    /// <summary>Asks the host once a test.</summary>
    public HostCpuTheoryAttribute() => Skip = HostCpu.Unavailable();
}

/// <summary>A fact about AMD's rules for undefined flags; skipped on other vendors and where there is no oracle.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class AmdHostFactAttribute : FactAttribute
{
    /// <summary>Asks the host once a test.</summary>
    public AmdHostFactAttribute() =>
        Skip = HostCpu.Unavailable()
            ?? (HostCpu.Vendor() == "AuthenticAMD" ? null : $"The table of undefined flags was probed on AMD; this host says {HostCpu.Vendor()}.");
}
