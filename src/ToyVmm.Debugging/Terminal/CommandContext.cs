using ToyVmm.Debugging.Expressions;
using ToyVmm.Debugging.Traps;
using ToyVmm.VirtualMachines;

namespace ToyVmm.Debugging.Terminal;

/// <summary>What commands work with, and what they remember for the next one.</summary>
internal sealed class CommandContext
{
    public CommandContext(DebugSession session, CommandInterpreterOptions options)
    {
        (Session, Options) = (session, options);
        Registers = new RegisterChanges(session.Machine);
    }

    public DebugSession Session { get; }

    public CommandInterpreterOptions Options { get; }

    /// <summary>What the registers were at the last stop.</summary>
    public RegisterChanges Registers { get; }

    /// <summary>What Enter does behind the present command.</summary>
    public string RepeatLine { get; set; } = "";

    /// <summary>The traps that were stepped through.</summary>
    public List<Trap> Traps { get; } = [];

    /// <summary>Where the guest stood behind the last of them.</summary>
    public ExecutionPoint? TrapsSeenAt { get; private set; }

    /// <summary>Remembers traps.</summary>
    public void Note(IReadOnlyList<Trap> traps)
    {
        const int Most = 500;
        Traps.AddRange(traps);
        if (Traps.Count > Most)
        {
            Traps.RemoveRange(0, Traps.Count - Most);
        }

        TrapsSeenAt = traps.Count > 0 ? Session.Point : null;
    }

    /// <summary>Where x goes on.</summary>
    public uint NextDump { get; set; }

    /// <summary>Where disas goes on; null for the next instruction.</summary>
    public uint? NextCode { get; set; }

    /// <summary>Against what expressions are evaluated.</summary>
    public ExpressionContext Values => new(Session.Machine, Session.Point.Events);

    /// <summary>Parses an expression.</summary>
    /// <exception cref="CommandErrorException">It is none: the message points at the place.</exception>
    public Expression Parse(string text)
    {
        if (text.Length == 0)
        {
            throw new CommandErrorException("an expression is missing");
        }

        return Expression.TryParse(text, Session.Symbols, out Expression? expression, out ExpressionError? error)
            ? expression
            : throw new CommandErrorException($"{error}\n{Pointer(text, error.Column)}");
    }

    /// <summary>The value of an expression.</summary>
    /// <exception cref="CommandErrorException">It is none, or has no value at the moment.</exception>
    public ulong Value(string text) => Available(text, Parse(text)).Bits;

    /// <summary>The linear address that a text names.</summary>
    /// <exception cref="CommandErrorException">It names none.</exception>
    public uint Address(string text)
    {
        if (text.Length == 0)
        {
            throw new CommandErrorException("an address is missing");
        }

        if (SourcePlace.Find(Session, text) is { } line)
        {
            return line;
        }

        return Expression.TryParseAddress(text, Session.Symbols, out Expression? expression, out ExpressionError? error)
            ? Available(text, expression).Address
            : throw new CommandErrorException($"{error}\n{Pointer(text, error.Column)}");
    }

    /// <summary>A count: a number, or an expression.</summary>
    /// <exception cref="CommandErrorException">It is none, or 0.</exception>
    public ulong Count(string text, ulong otherwise)
    {
        ulong count = text.Length == 0 ? otherwise : Value(text.Replace("_", "", StringComparison.Ordinal));
        return count > 0 ? count : throw new CommandErrorException("a count is at least 1");
    }

    /// <summary>The memory that a text names: "dword [x]", "*x".</summary>
    /// <returns>Null where it is something else.</returns>
    public ExpressionPlace? TryPlace(string text) =>
        Expression.TryParse(text, Session.Symbols, out Expression? expression, out _) && expression.TryGetPlace(Values, out ExpressionPlace place, out _) && place.Register is null ? place : null;

    /// <summary>A file as the user names it.</summary>
    public string File(string name) => Path.Combine(Options.Directory, name);

    private ExpressionValue Available(string text, Expression expression)
    {
        ExpressionValue value = expression.Evaluate(Values);
        return value.IsAvailable ? value : throw new CommandErrorException($"{text} is unavailable: {value.Problem}");
    }

    private static string Pointer(string text, int column) => $"  {text}\n  {new string(' ', column)}^";
}
