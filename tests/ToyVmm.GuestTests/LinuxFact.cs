using Xunit;

namespace ToyVmm.GuestTests;

/// <summary>A fact about memory that only Linux has; elsewhere it is skipped, with the reason.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class LinuxFactAttribute : FactAttribute
{
    internal const string Reason = "memory that goes back to the host needs Linux (memfd_create)";

    /// <summary>Looks where this is.</summary>
    public LinuxFactAttribute() => Skip = OperatingSystem.IsLinux() ? null! : Reason;
}

/// <summary>A theory about memory that only Linux has; elsewhere it is skipped, with the reason.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class LinuxTheoryAttribute : TheoryAttribute
{
    /// <summary>Looks where this is.</summary>
    public LinuxTheoryAttribute() => Skip = OperatingSystem.IsLinux() ? null! : LinuxFactAttribute.Reason;
}
