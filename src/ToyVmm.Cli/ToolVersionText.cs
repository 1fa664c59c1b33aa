using System.Reflection;

namespace ToyVmm.Cli;

/// <summary>The version of the tool, as --version prints it.</summary>
internal static class ToolVersionText
{
    /// <summary>The version, without the build's commit.</summary>
    public static string Value => typeof(ToolVersionText).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()
        ?.InformationalVersion.Split('+')[0] ?? "unknown";
}
