using System.Text;
using static System.FormattableString;

namespace ToyVmm.Debugging.Terminal;

/// <summary>The reference of the commands in docs/debug.md, made from their table.</summary>
public static class CommandReference
{
    /// <summary>The chapters, in Markdown.</summary>
    public static string ToMarkdown()
    {
        StringBuilder text = new();
        foreach (IGrouping<CommandGroup, CommandDefinition> group in CommandTable.All.GroupBy(command => command.Group).OrderBy(group => group.Key))
        {
            _ = text.Append(Invariant($"### {CommandTable.Title(group.Key)}\n\n"));
            foreach (CommandDefinition command in group)
            {
                string names = string.Join(", ", command.Aliases.Select(alias => $"`{alias}`"));
                _ = text.Append(Invariant($"**`{command.Name}{(command.Arguments.Length > 0 ? " " : "")}{command.Arguments}`**{(names.Length > 0 ? $" ({names})" : "")}: {command.Summary}.{(command.Help.Length > 0 ? " " : "")}{command.Help}\n\n"));
                foreach (CommandExample example in command.Examples)
                {
                    _ = text.Append(Invariant($"    {example.Line,-34} {example.Meaning}\n"));
                }

                _ = command.Examples.Count > 0 ? text.Append('\n') : text;
            }
        }

        return text.ToString();
    }
}
