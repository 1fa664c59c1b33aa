using ToyVmm.Debugging.Registers;
using ToyVmm.VirtualMachines.Symbols;

namespace ToyVmm.Debugging.Expressions;

/// <summary>Parses expressions: precedence climbing over C's operators, with NASM's memory operands. The first error ends it.</summary>
internal sealed class ExpressionParser
{
    private const int LongestText = 4096;
    private const int DeepestNesting = 64;
    private const string OperandExpected = "an operand was expected: a register, a number, a symbol, memory such as [ebx+4], or (";

    // C's precedence, the loosest first; all of them group from the left.
    private static readonly string[][] s_levels =
        [["||"], ["&&"], ["|"], ["^"], ["&"], ["==", "!="], ["<", ">", "<=", ">="], ["<<", ">>"], ["+", "-"], ["*", "/", "%"]];

    private readonly string _text;
    private readonly ExpressionLexer _lexer;
    private readonly SymbolTable _symbols;
    private Token _token;
    private ExpressionError? _error;
    private int _depth;

    public ExpressionParser(string text, SymbolTable symbols)
    {
        _text = text;
        _symbols = symbols;
        _lexer = new ExpressionLexer(text);
    }

    /// <summary>Parses the whole text.</summary>
    /// <param name="isAddress">True where segment:offset is allowed, and EIP means CS:EIP.</param>
    /// <param name="error">What is wrong.</param>
    /// <returns>The root; null with an error.</returns>
    public ExpressionNode? Parse(bool isAddress, out ExpressionError? error)
    {
        ExpressionNode? root = null;
        if (_text.Length > LongestText)
        {
            _ = Fail(LongestText, $"the expression is longer than {LongestText} characters");
        }
        else
        {
            Advance();
            root = isAddress ? Address() : Conditional();
            if (root is not null && _token.Kind != TokenKind.End)
            {
                root = Fail(_token.Column, _token.Is(":") ? "segment:offset stands in brackets: [ds:esi]" : $"an operator or the end was expected, not {Shown(_token)}");
            }
        }

        error = _error;
        return _error is null ? root : null;
    }

    private static string Shown(in Token token) => token.Kind == TokenKind.End ? "the end" : $"'{token.Text}'";

    private void Advance()
    {
        _token = _lexer.Next();
        if (_token.Kind == TokenKind.Error)
        {
            _ = Fail(_token.Column, _token.Text);
        }
    }

    // Only the first error is told: those behind it follow from it.
    private ExpressionNode? Fail(int column, string message)
    {
        _error ??= new ExpressionError(column, message);
        return null;
    }

    private bool Expect(string symbol, string what)
    {
        if (!_token.Is(symbol))
        {
            _ = Fail(_token.Column, $"{what} was expected, not {Shown(_token)}");
            return false;
        }

        Advance();
        return true;
    }

    // offset, or segment:offset. A register that is an offset in a segment of its own stands for the linear address.
    private ExpressionNode? Address()
    {
        ExpressionNode? first = Conditional();
        if (first is null)
        {
            return null;
        }

        if (!_token.Is(":"))
        {
            string? segment = (first as RegisterNode)?.Field.Name switch
            {
                "eip" or "ip" => "cs",
                "esp" or "sp" or "ebp" or "bp" => "ss",
                _ => null,
            };
            return segment is null ? first : new SegmentedNode(new RegisterNode(RegisterTable.Find(segment)!), first);
        }

        Advance();
        return Conditional() is { } offset ? new SegmentedNode(first, offset) : null;
    }

    private ExpressionNode? Conditional()
    {
        if (++_depth > DeepestNesting)
        {
            return Fail(_token.Column, $"nested more than {DeepestNesting} deep");
        }

        ExpressionNode? condition = Binary(0);
        if (condition is not null && _token.Is("?"))
        {
            Advance();
            ExpressionNode? yes = Conditional();
            condition = yes is not null && Expect(":", "':' of ?:") && Conditional() is { } no ? new ConditionalNode(condition, yes, no) : null;
        }

        _depth--;
        return condition;
    }

    private ExpressionNode? Binary(int level)
    {
        if (level == s_levels.Length)
        {
            return Unary();
        }

        ExpressionNode? left = Binary(level + 1);
        while (left is not null && _token.Kind == TokenKind.Symbol && Array.IndexOf(s_levels[level], _token.Text) >= 0)
        {
            string operation = _token.Text;
            Advance();
            ExpressionNode? right = Binary(level + 1);
            left = right is null ? null
                : operation is "&&" or "||" ? new LogicalNode(operation == "&&", left, right)
                : new BinaryNode(operation, left, right);
        }

        return left;
    }

    private ExpressionNode? Unary()
    {
        if (++_depth > DeepestNesting)
        {
            return Fail(_token.Column, $"nested more than {DeepestNesting} deep");
        }

        ExpressionNode? node;
        if (_token.Kind == TokenKind.Symbol && _token.Text is "-" or "~" or "!" or "+")
        {
            char operation = _token.Text[0];
            Advance();
            node = Unary() is { } operand ? new UnaryNode(operation, operand) : null;
        }
        else if (_token.Is("*"))
        {
            Advance();
            node = Dereference();
        }
        else
        {
            node = _token.Is("(") ? Parenthesis() : Primary();
        }

        _depth--;
        return node;
    }

    // *x is a dword; *(u16*)x what it says.
    private ExpressionNode? Dereference()
    {
        if (!_token.Is("("))
        {
            return Unary() is { } plain ? new MemoryNode(plain, ExpressionType.U32, isPhysical: false) : null;
        }

        Advance();
        if (_token.Kind == TokenKind.Name && ExpressionTypes.Find(_token.Text) is { } type)
        {
            int column = _token.Column;
            Advance();
            if (!_token.Is("*"))
            {
                return Fail(column, "to read memory the type needs a star: *(u32*)x");
            }

            Advance();
            return Expect(")", "')'") && Unary() is { } address ? new MemoryNode(address, type, isPhysical: false) : null;
        }

        return Conditional() is { } inner && Expect(")", "')'") ? new MemoryNode(inner, ExpressionType.U32, isPhysical: false) : null;
    }

    // (x), or a cast: (s32)x.
    private ExpressionNode? Parenthesis()
    {
        Advance();
        if (_token.Kind == TokenKind.Name && ExpressionTypes.Find(_token.Text) is { } type)
        {
            Advance();
            if (_token.Is("*"))
            {
                return Fail(_token.Column, "a pointer is only there to be followed: *(u32*)x");
            }

            return Expect(")", "')'") && Unary() is { } operand ? new CastNode(operand, type) : null;
        }

        return Conditional() is { } inner && Expect(")", "')'") ? inner : null;
    }

    private ExpressionNode? Primary()
    {
        Token token = _token;
        switch (token.Kind)
        {
            case TokenKind.Number:
                Advance();
                return new ConstantNode(Literal(token));
            case TokenKind.Quoted:
                Advance();
                return Symbol(token);
            case TokenKind.Symbol when token.Is("["):
                return Brackets(ExpressionType.U32, isPhysical: false, segment: null);
            case TokenKind.Name:
                Advance();
                return Name(token);
            default:
                return Fail(token.Column, $"{OperandExpected}{(token.Kind == TokenKind.End ? "" : $", not {Shown(token)}")}");
        }
    }

    // C's types of constants (C17 6.4.4.1).
    private static ExpressionValue Literal(in Token token)
    {
        ulong value = token.Number;
        ExpressionType type = value <= int.MaxValue ? ExpressionType.S32
            : !token.IsDecimal && value <= uint.MaxValue ? ExpressionType.U32
            : value <= long.MaxValue ? ExpressionType.S64
            : ExpressionType.U64;
        return new ExpressionValue(value, type);
    }

    private ExpressionNode? Name(in Token token)
    {
        string name = token.Text.ToLowerInvariant();
        ExpressionType? size = name switch
        {
            "byte" => ExpressionType.U8,
            "word" => ExpressionType.U16,
            "dword" => ExpressionType.U32,
            "qword" => ExpressionType.U64,
            "phys" => ExpressionType.U32,
            _ => null,
        };
        if (size is { } type)
        {
            return SizedMemory(type, name == "phys");
        }

        if (SegmentedNode.IsSegmentRegister(name) && _token.Is(":"))
        {
            // es:[di]; what else follows a colon is a segment's offset, and the caller's.
            Token colon = _token;
            ExpressionLexer ahead = new(_text[(colon.Column + 1)..]);
            if (ahead.Next().Is("["))
            {
                Advance();
                return Brackets(ExpressionType.U32, isPhysical: false, RegisterTable.Find(name));
            }
        }

        if (RegisterTable.Find(name) is { } field)
        {
            return field.Bits <= 64 ? new RegisterNode(field)
                : Fail(token.Column, $"{field.Name} has {field.Bits} bits, and numbers have 64: take a part, such as {(field.Name.StartsWith('x') ? field.Name + ".q0" : field.Name + ".significand")}");
        }

        // A guest may well have a variable called "ticks": with '$' it is the count whatever the guest has.
        if (!name.StartsWith('$') && _symbols.Find(token.Text) is { } symbol)
        {
            return new ConstantNode(new ExpressionValue(symbol.Address, ExpressionType.U32));
        }

        Count? count = (name.StartsWith('$') ? name[1..] : name) switch
        {
            "instructions" => Count.Instructions,
            "events" => Count.Events,
            "hits" => Count.Hits,
            "ticks" => Count.Ticks,
            "time" => Count.Time,
            "pc" => Count.ProgramCounter,
            _ => null,
        };
        return count is { } known ? new CountNode(known)
            : Fail(token.Column, token.Text.StartsWith('$') ? $"no register or count is called '{token.Text[1..]}'" : $"no register, symbol or count is called '{token.Text}'");
    }

    private ExpressionNode? Symbol(in Token token) =>
        _symbols.Find(token.Text) is { } symbol ? new ConstantNode(new ExpressionValue(symbol.Address, ExpressionType.U32)) : Fail(token.Column, $"no symbol is called \"{token.Text}\"");

    // Behind "byte" and its brothers: [..], es:[..], phys [..], phys x; "ptr" is tolerated.
    private ExpressionNode? SizedMemory(ExpressionType type, bool isPhysical)
    {
        if (IsWord("ptr"))
        {
            Advance();
        }

        if (!isPhysical && IsWord("phys"))
        {
            Advance();
            isPhysical = true;
        }

        if (_token.Is("["))
        {
            return Brackets(type, isPhysical, segment: null);
        }

        if (isPhysical)
        {
            return Unary() is { } address ? new MemoryNode(address, type, isPhysical: true) : null;
        }

        if (_token.Kind == TokenKind.Name && SegmentedNode.IsSegmentRegister(_token.Text))
        {
            RegisterField segment = RegisterTable.Find(_token.Text)!;
            Advance();
            return Expect(":", "':' behind the segment register") ? Brackets(type, isPhysical: false, segment) : null;
        }

        return Fail(_token.Column, $"'[' was expected, not {Shown(_token)}: a size stands before memory, byte [0x7c00]");
    }

    private bool IsWord(string word) => _token.Kind == TokenKind.Name && _token.Text.Equals(word, StringComparison.OrdinalIgnoreCase);

    private ExpressionNode? Brackets(ExpressionType type, bool isPhysical, RegisterField? segment)
    {
        if (!Expect("[", "'['"))
        {
            return null;
        }

        ExpressionNode? address = Conditional();
        if (address is not null && _token.Is(":"))
        {
            if (isPhysical || segment is not null)
            {
                return Fail(_token.Column, isPhysical ? "a physical address has no segment" : "there is a segment already");
            }

            Advance();
            address = Conditional() is { } offset ? new SegmentedNode(address, offset) : null;
        }

        if (address is not null && segment is not null)
        {
            address = new SegmentedNode(new RegisterNode(segment), address);
        }

        return address is not null && Expect("]", "']'") ? new MemoryNode(address, type, isPhysical) : null;
    }
}
