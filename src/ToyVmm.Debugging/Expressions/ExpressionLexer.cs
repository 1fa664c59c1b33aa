using System.Globalization;

namespace ToyVmm.Debugging.Expressions;

/// <summary>What a token is.</summary>
internal enum TokenKind
{
    /// <summary>The end of the text.</summary>
    End,

    /// <summary>A number; its value is in the token.</summary>
    Number,

    /// <summary>A name: a register, a symbol, a keyword.</summary>
    Name,

    /// <summary>A name in double quotes: always a symbol.</summary>
    Quoted,

    /// <summary>An operator or a bracket.</summary>
    Symbol,

    /// <summary>Something that no token begins with; the text says what is wrong.</summary>
    Error,
}

/// <summary>A token.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Column">Where it begins.</param>
/// <param name="Text">Its characters; of an error the message.</param>
/// <param name="Number">The value of a number.</param>
/// <param name="IsDecimal">True for a number in decimal digits, which is signed as long as it fits.</param>
internal readonly record struct Token(TokenKind Kind, int Column, string Text, ulong Number = 0, bool IsDecimal = false)
{
    /// <summary>True for an operator or a bracket.</summary>
    public bool Is(string symbol) => Kind == TokenKind.Symbol && Text == symbol;
}

/// <summary>Cuts the text of an expression into tokens.</summary>
internal sealed class ExpressionLexer(string text)
{
    // The longer ones first.
    private static readonly string[] s_symbols =
        ["&&", "||", "==", "!=", "<=", ">=", "<<", ">>", "+", "-", "*", "/", "%", "&", "|", "^", "~", "!", "<", ">", "?", ":", "(", ")", "[", "]"];

    private int _position;

    /// <summary>The next token; the end again and again once it is reached.</summary>
    public Token Next()
    {
        while (_position < text.Length && char.IsWhiteSpace(text[_position]))
        {
            _position++;
        }

        int start = _position;
        if (start == text.Length)
        {
            return new Token(TokenKind.End, start, "the end");
        }

        char first = text[start];
        return char.IsAsciiDigit(first) ? Number(start)
            : first == '\'' ? Character(start)
            : first == '"' ? Quoted(start)
            : IsNameStart(first) ? Name(start)
            : Operator(start);
    }

    private static bool IsNameStart(char c) => char.IsAsciiLetter(c) || c is '_' or '$' or '@' || c > 127;

    private static bool IsNamePart(char c) => char.IsAsciiLetterOrDigit(c) || c is '_' or '.' or '$' or '@' || c > 127;

    private Token Name(int start)
    {
        while (_position < text.Length && IsNamePart(text[_position]))
        {
            _position++;
        }

        return new Token(TokenKind.Name, start, text[start.._position]);
    }

    private Token Number(int start)
    {
        while (_position < text.Length && char.IsAsciiLetterOrDigit(text[_position]))
        {
            _position++;
        }

        string digits = text[start.._position];
        bool isHex = digits.StartsWith("0x", StringComparison.OrdinalIgnoreCase);
        bool isHexByEnd = !isHex && digits.Length > 1 && digits[^1] is 'h' or 'H';
        bool isBinary = !isHex && !isHexByEnd && digits.StartsWith("0b", StringComparison.OrdinalIgnoreCase);
        ulong value;
        bool valid = isHex ? ulong.TryParse(digits.AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out value)
            : isHexByEnd ? ulong.TryParse(digits.AsSpan(..^1), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out value)
            : isBinary ? ulong.TryParse(digits.AsSpan(2), NumberStyles.AllowBinarySpecifier, CultureInfo.InvariantCulture, out value)
            : ulong.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out value);
        return valid ? new Token(TokenKind.Number, start, digits, value, IsDecimal: !isHex && !isHexByEnd && !isBinary)
            : new Token(TokenKind.Error, start, $"'{digits}' is no number of at most 64 bits: write 28, 0x1c, 1ch or 0b11100");
    }

    private Token Character(int start)
    {
        if (start + 2 >= text.Length || text[start + 2] != '\'' || text[start + 1] > 255)
        {
            _position = text.Length;
            return new Token(TokenKind.Error, start, "a character stands alone between quotes: 'A'; a symbol takes double ones");
        }

        _position = start + 3;
        return new Token(TokenKind.Number, start, text[start.._position], text[start + 1], IsDecimal: true);
    }

    private Token Quoted(int start)
    {
        int end = text.IndexOf('"', start + 1);
        if (end < 0)
        {
            _position = text.Length;
            return new Token(TokenKind.Error, start, "the quotes are not closed");
        }

        _position = end + 1;
        return new Token(TokenKind.Quoted, start, text[(start + 1)..end]);
    }

    private Token Operator(int start)
    {
        foreach (string symbol in s_symbols)
        {
            if (string.CompareOrdinal(text, start, symbol, 0, symbol.Length) == 0)
            {
                _position += symbol.Length;
                return new Token(TokenKind.Symbol, start, symbol);
            }
        }

        _position = text.Length;
        return new Token(TokenKind.Error, start, text[start] == '=' ? "expressions do not assign: equality is ==" : $"'{Printable(text[start])}' means nothing here");
    }

    // What is wrong may be what would steer a terminal.
    private static string Printable(char c) => char.IsControl(c) || char.IsSurrogate(c) ? string.Create(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}") : c.ToString();
}
