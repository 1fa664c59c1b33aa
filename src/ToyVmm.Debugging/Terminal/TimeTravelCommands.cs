using System.Collections.Immutable;

namespace ToyVmm.Debugging.Terminal;

/// <summary>The commands that go back.</summary>
internal static class TimeTravelCommands
{
    public static ImmutableArray<CommandDefinition> All { get; } = [];
}
