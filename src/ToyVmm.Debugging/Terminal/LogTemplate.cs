using System.Text;
using ToyVmm.Debugging.Expressions;

namespace ToyVmm.Debugging.Terminal;

/// <summary>The text of a log point: "n is {ecx}, from {dword [esp]:x}".</summary>
internal sealed class LogTemplate
{
    private readonly List<(string Text, Expression? Value, char Format)> _parts = [];

    /// <summary>Parses it.</summary>
    /// <param name="context">Parses the expressions.</param>
    /// <param name="text">The text: expressions stand in braces, with :x, :d, :c or :s behind them for a format; {{ is a brace.</param>
    /// <exception cref="CommandErrorException">A brace is missing, or an expression makes no sense.</exception>
    public LogTemplate(CommandContext context, string text)
    {
        StringBuilder plain = new();
        for (int n = 0; n < text.Length; n++)
        {
            if (text[n] is '{' or '}' && n + 1 < text.Length && text[n + 1] == text[n])
            {
                _ = plain.Append(text[n++]);
                continue;
            }

            if (text[n] != '{')
            {
                _ = plain.Append(text[n]);
                continue;
            }

            int end = text.IndexOf('}', n);
            if (end < 0)
            {
                throw new CommandErrorException($"{text}: a '}}' is missing; write {{{{ for a brace");
            }

            string inside = text[(n + 1)..end];
            char format = inside.Length > 2 && inside[^2] == ':' && inside[^1] is 'x' or 'd' or 'u' or 'c' or 's' or 'b' or 'o' ? inside[^1] : ' ';
            Expression value = context.Parse((format == ' ' ? inside : inside[..^2]).Trim());
            _parts.Add((plain.ToString(), value, format));
            _ = plain.Clear();
            n = end;
        }

        _parts.Add((plain.ToString(), null, ' '));
    }

    /// <summary>The line for the present moment.</summary>
    public string Line(DebugSession session, ulong hits)
    {
        ExpressionContext values = new(session.Machine, session.Point.Events, hits);
        StringBuilder line = new();
        foreach ((string text, Expression? value, char format) in _parts)
        {
            _ = line.Append(text).Append(value is null ? "" : ValueText.Of(session, value.Evaluate(values), format));
        }

        return line.ToString();
    }
}
