using Xunit;

namespace ToyVmm.Tests;

/// <summary>A test of what only Linux has; elsewhere it is skipped, and says so.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class LinuxFactAttribute : FactAttribute
{
    public LinuxFactAttribute() => Skip = OperatingSystem.IsLinux() ? null! : "memory that several machines can have needs Linux (memfd_create)";
}
