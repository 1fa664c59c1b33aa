using System.Globalization;
using ToyVmm.Debugging.Expressions;
using ToyVmm.Debugging.Registers;
using ToyVmm.Hardware.Memory;
using ToyVmm.Tests.Symbols;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Symbols;
using Xunit;

namespace ToyVmm.Tests.Debugging;

/// <summary>The language of conditions and addresses: what things mean, and what is said about what means nothing.</summary>
public sealed class ExpressionTests
{
    private static readonly SymbolTable s_symbols = SymbolFile.Read(new ElfBuilder()
        .Add("kernel_main", 0x1000, type: 2, global: true).Add("print.loop", 0x1010, type: 0, global: true).Add("eax", 0x1020, type: 2, global: true).Add("ticks", 0x1030, type: 1, global: true).Build());

    [Theory]

    // numbers, and C's types of them
    [InlineData("28", "0x1c (28)")]
    [InlineData("0x1C", "0x1c (28)")]
    [InlineData("1ch", "0x1c (28)")]
    [InlineData("0FFh", "0xff (255)")]
    [InlineData("0b11100", "0x1c (28)")]
    [InlineData("'A'", "0x41 (65)")]
    [InlineData("-1", "0xffffffff (-1)")]
    [InlineData("0xffffffff", "0xffffffff (4294967295)")]
    [InlineData("18446744073709551615", "0xffffffffffffffff (18446744073709551615)")]

    // precedence and grouping
    [InlineData("1+2*3", "0x7 (7)")]
    [InlineData("(1+2)*3", "0x9 (9)")]
    [InlineData("10-4-3", "0x3 (3)")]
    [InlineData("1 << 2 + 1", "0x8 (8)")]
    [InlineData("1 | 2 ^ 3 & 2", "0x1 (1)")]
    [InlineData("1 ? 2 : 0 ? 3 : 4", "0x2 (2)")]
    [InlineData("0 ? 2 : 0 ? 3 : 4", "0x4 (4)")]
    [InlineData("!0 + ~0", "0x0 (0)")]
    [InlineData("- -3", "0x3 (3)")]
    [InlineData("5 & 3 == 3", "0x1 (1)")]

    // signed and unsigned
    [InlineData("ebx == -1", "0x1 (1)")]
    [InlineData("ebx < 0", "0x0 (0)")]
    [InlineData("(s32)ebx < 0", "0x1 (1)")]
    [InlineData("(s8)0x80", "0x80 (-128)")]
    [InlineData("(u8)-1", "0xff (255)")]
    [InlineData("-1 < 1u", null)]
    [InlineData("-1 < (u32)1", "0x0 (0)")]
    [InlineData("ebx + 1", "0x0 (0)")]
    [InlineData("(u64)ebx + 1", "0x100000000 (4294967296)")]
    [InlineData("-7 / 2", "0xfffffffd (-3)")]
    [InlineData("-7 % 2", "0xffffffff (-1)")]
    [InlineData("(s32)0x80000000 / -1", "0x80000000 (-2147483648)")]
    [InlineData("(s64)0x8000000000000000 / -1", "0x8000000000000000 (-9223372036854775808)")]
    [InlineData("1 << 32", "0x0 (0)")]
    [InlineData("(u64)1 << 32", "0x100000000 (4294967296)")]
    [InlineData("-8 >> 1", "0xfffffffc (-4)")]
    [InlineData("-8 >> 99", "0xffffffff (-1)")]
    [InlineData("ebx >> 31", "0x1 (1)")]

    // registers
    [InlineData("$eax", "0x12345678 (305419896)")]
    [InlineData("EAX", "0x12345678 (305419896)")]
    [InlineData("al", "0x78 (120)")]
    [InlineData("ah", "0x56 (86)")]
    [InlineData("$ax", "0x5678 (22136)")]
    [InlineData("eflags.zf", "0x1 (1)")]
    [InlineData("xmm1.d1", "0x11223344 (287454020)")]
    [InlineData("es.base", "0xb8000 (753664)")]
    [InlineData("pc", "0x7c00 (31744)")]
    [InlineData("cr0.pe || cpl", "0x0 (0)")]

    // symbols
    [InlineData("kernel_main+0x10", "0x1010 (4112)")]
    [InlineData("\"print.loop\"", "0x1010 (4112)")]
    [InlineData("print.loop", "0x1010 (4112)")]
    [InlineData("\"eax\"", "0x1020 (4128)")]
    [InlineData("ticks", "0x1030 (4144)")]
    [InlineData("$ticks", "0x0 (0)")]

    // counts
    [InlineData("hits", "0x3 (3)")]
    [InlineData("$events % 5 == 2", "0x1 (1)")]
    [InlineData("instructions", "0x0 (0)")]
    [InlineData("time", "0x0 (0)")]

    // memory: 1000: 01 02 03 84 05 06 07 88
    [InlineData("[0x1000]", "0x84030201 (2214789633)")]
    [InlineData("byte [0x1003]", "0x84 (132)")]
    [InlineData("(s8)byte [0x1003]", "0x84 (-124)")]
    [InlineData("word [kernel_main + 2]", "0x8403 (33795)")]
    [InlineData("qword [0x1000]", "0x8807060584030201 (9801809734754566657)")]
    [InlineData("dword ptr [0x1000]", "0x84030201 (2214789633)")]
    [InlineData("*0x1000", "0x84030201 (2214789633)")]
    [InlineData("*(u16*)(0x1000 + 2)", "0x8403 (33795)")]
    [InlineData("*(s8*)0x1003", "0x84 (-124)")]
    [InlineData("*(kernel_main)", "0x84030201 (2214789633)")]
    [InlineData("byte phys 0x1003", "0x84 (132)")]
    [InlineData("byte phys [0x1003] + 1", "0x85 (133)")]
    [InlineData("word [fs:si]", "0x201 (513)")]
    [InlineData("byte fs:[si+3]", "0x84 (132)")]
    [InlineData("fs:[si]", "0x84030201 (2214789633)")]
    [InlineData("byte [0x100:3]", "0x84 (132)")]
    [InlineData("byte [1 ? 0x100 : 0 : 3]", "0x84 (132)")]

    // what is not there
    [InlineData("1 / 0", "unavailable: a division by zero")]
    [InlineData("1 + 5 % (eax - eax)", "unavailable: a division by zero")]
    [InlineData("[0xfee00000]", "unavailable: the memory at fee00000 cannot be read: it is not mapped, or a device's")]
    [InlineData("1 || 1 / 0", "0x1 (1)")]
    [InlineData("0 && 1 / 0", "0x0 (0)")]
    [InlineData("1 && 1 / 0", "unavailable: a division by zero")]
    [InlineData("1 ? 2 : 1 / 0", "0x2 (2)")]
    public void An_expression_has_a_value(string text, string? expected)
    {
        using VirtualMachine vm = Machine();
        bool parsed = Expression.TryParse(text, s_symbols, out Expression? expression, out ExpressionError? error);
        Assert.True(parsed == expected is not null, error?.Point(text));
        if (parsed)
        {
            byte[] before = vm.SaveState();
            Assert.Equal(expected, expression!.Evaluate(new ExpressionContext(vm, Events: 7, Hits: 3)).ToString());
            Assert.Equal(before, vm.SaveState());
        }
    }

    [Theory]
    [InlineData("eip", 0x7C00u)]
    [InlineData("$eip", 0x7C00u)]
    [InlineData("eip+1", 1u)]
    [InlineData("esp", 0x2_0100u)]
    [InlineData("0x7c0:0x10", 0x7C10u)]
    [InlineData("es:0x10", 0xB_8010u)]
    [InlineData("cs:eip", 0x7C00u)]
    [InlineData("kernel_main", 0x1000u)]
    [InlineData("0xffff:0x10", 0x10_0000u)]
    [InlineData("fs:[si]", 0x8403_0201u)]
    public void An_address_is_linear(string text, uint expected)
    {
        using VirtualMachine vm = Machine();
        Assert.True(Expression.TryParseAddress(text, s_symbols, out Expression? expression, out ExpressionError? error), error?.Point(text));
        Assert.Equal(expected, expression.Evaluate(new ExpressionContext(vm)).Address);
    }

    [Theory]
    [InlineData("", 0, "an operand was expected")]
    [InlineData("1 +", 3, "an operand was expected")]
    [InlineData("1 2", 2, "an operator or the end was expected, not '2'")]
    [InlineData("(1", 2, "')' was expected, not the end")]
    [InlineData("[ebx", 4, "']' was expected, not the end")]
    [InlineData("eax = 1", 4, "equality is ==")]
    [InlineData("1 ? 2", 5, "':' of ?: was expected")]
    [InlineData("kernel_mian", 0, "no register, symbol or count is called 'kernel_mian'")]
    [InlineData("1 + $eix", 4, "no register or count is called 'eix'")]
    [InlineData("\"main", 0, "not closed")]
    [InlineData("\"main\"", 0, "no symbol is called")]
    [InlineData("0x", 0, "is no number")]
    [InlineData("12ab", 0, "is no number")]
    [InlineData("99999999999999999999", 0, "is no number")]
    [InlineData("byte 5", 5, "'[' was expected")]
    [InlineData("(u32*)5", 4, "only there to be followed")]
    [InlineData("*(u32)5", 2, "needs a star")]
    [InlineData("xmm0", 0, "xmm0.q0")]
    [InlineData("st0 + 1", 0, "st0.significand")]
    [InlineData("ds:esi", 2, "in brackets")]
    [InlineData("phys [ds:esi]", 8, "no segment")]
    [InlineData("es:[ds:esi]", 6, "a segment already")]
    [InlineData("'AB'", 0, "'A'")]
    [InlineData("1 @ 2", 2, "not '@'")]
    [InlineData("1 ; 2", 2, "means nothing here")]
    [InlineData("1 \u0007 2", 2, "\\u0007")]
    public void What_is_wrong_is_told_with_its_place(string text, int column, string message)
    {
        Assert.False(Expression.TryParse(text, s_symbols, out _, out ExpressionError? error));
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
        Assert.Equal(column, error.Column);
    }

    [Fact]
    public void Hostile_lengths_and_depths_are_refused()
    {
        foreach (string text in (string[])[new string('(', 3000) + "1", new string('-', 3000) + "1", string.Concat(Enumerable.Repeat("1?", 1500)) + "1", string.Concat(Enumerable.Repeat("[", 4000)), string.Concat(Enumerable.Repeat("*(", 1500))])
        {
            Assert.False(Expression.TryParse(text, null, out _, out ExpressionError? error));
            Assert.Contains("nested more than", error.Message, StringComparison.Ordinal);
        }

        Assert.False(Expression.TryParse(new string('1', 5000), null, out _, out ExpressionError? tooLong));
        Assert.Contains("longer than", tooLong.Message, StringComparison.Ordinal);

        // A long chain is none: it is as deep as it is long, and still evaluated.
        using VirtualMachine vm = Machine();
        Assert.True(Expression.TryParse(string.Concat(Enumerable.Repeat("1+", 2000)) + "1", null, out Expression? chain, out _));
        Assert.Equal(2001u, chain.Evaluate(new ExpressionContext(vm)).Address);
    }

    [Fact]
    public void Evaluating_allocates_nothing()
    {
        using VirtualMachine vm = Machine();
        Assert.True(Expression.TryParse("$eax == 0x12345678 && byte [fs:si+3] > 5 && (s32)ebx < 0 && eflags.zf && hits % 3 == 0 && [0xfee00000] || xmm1.d1 >> 3 != kernel_main", s_symbols, out Expression? expression, out _));
        ExpressionContext context = new(vm, 1, 3);
        for (int n = 0; n < 100; n++)
        {
            _ = expression.Evaluate(context);
        }

        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int n = 0; n < 100; n++)
        {
            _ = expression.Evaluate(context);
        }

        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    [Fact]
    public void A_register_or_memory_is_a_place()
    {
        using VirtualMachine vm = Machine();
        ExpressionContext context = new(vm);
        Assert.True(Expression.TryParse("al", null, out Expression? register, out _));
        Assert.True(register.TryGetPlace(context, out ExpressionPlace place, out _));
        Assert.Equal(("al", 1), (place.Register!.Name, place.Size));
        Assert.True(Expression.TryParse("word [fs:si]", null, out Expression? memory, out _));
        Assert.True(memory.TryGetPlace(context, out place, out _));
        Assert.Equal(new ExpressionPlace(null, 0x1000, 2, IsPhysical: false), place);
        Assert.True(Expression.TryParse("al+1", null, out Expression? value, out _));
        Assert.False(value.TryGetPlace(context, out _, out string? problem));
        Assert.Contains("only a register or memory", problem, StringComparison.Ordinal);
        Assert.True(Expression.TryParse("[1/0]", null, out Expression? nowhere, out _));
        Assert.False(nowhere.TryGetPlace(context, out _, out problem));
        Assert.Contains("division by zero", problem, StringComparison.Ordinal);
    }

    /// <summary>Whatever the text, there is a tree or an error with a place in the text; and whatever the tree, a value.</summary>
    [Fact]
    public void Any_text_is_parsed_or_refused_and_evaluated_without_an_exception()
    {
        string[] pieces =
        [
            "eax", "$ebx", "al", "cs", "ds", "eflags.zf", "xmm0", "xmm1.d1", "byte", "word", "dword", "qword", "phys", "ptr", "[", "]", "(", ")", "(s8)", "(u64)", "*(u16*)", ":", "?", "+", "-", "*", "/", "%",
            "<<", ">>", "<", "<=", "==", "!=", "&", "&&", "|", "||", "^", "~", "!", "0", "1", "-1", "0x80000000", "0xffffffffffffffff", "1000h", "'A'", "kernel_main", "\"eax\"", "hits", "time", "pc", " ", "=", "\"", "'", "\0", "é", "$", ".",
        ];
        using VirtualMachine vm = Machine();
        byte[] before = vm.SaveState();
        Random random = new(7);
        int values = 0;
        for (int n = 0; n < 30_000; n++)
        {
            string text = string.Concat(Enumerable.Range(0, random.Next(1, 12)).Select(_ => pieces[random.Next(pieces.Length)] + (random.Next(3) == 0 ? " " : "")));
            bool isAddress = random.Next(2) == 0;
            Expression? expression;
            ExpressionError? error;
            if (isAddress ? Expression.TryParseAddress(text, s_symbols, out expression, out error) : Expression.TryParse(text, s_symbols, out expression, out error))
            {
                ExpressionValue value = expression.Evaluate(new ExpressionContext(vm, 1, 2));
                Assert.NotEmpty(value.ToString());
                Assert.Equal(value.IsAvailable, value.Problem is null);
                values++;
            }
            else
            {
                Assert.InRange(error.Column, 0, text.Length);
                Assert.NotEmpty(error.Point(text));
            }
        }

        Assert.True(values > 1000, $"{values} were expressions");
        Assert.Equal(before, vm.SaveState());
    }

    /// <summary>Arithmetic against C#'s own, whose rules for 32 bits are C's.</summary>
    [Fact]
    public void Arithmetic_agrees_with_a_model()
    {
        using VirtualMachine vm = Machine();
        Random random = new(11);
        uint[] edges = [0, 1, 2, 31, 32, 0x7FFF_FFFF, 0x8000_0000, 0x8000_0001, 0xFFFF_FFFF];
        for (int n = 0; n < 5000; n++)
        {
            uint a = random.Next(2) == 0 ? edges[random.Next(edges.Length)] : (uint)random.NextInt64();
            uint b = random.Next(2) == 0 ? edges[random.Next(edges.Length)] : (uint)random.NextInt64();
            (vm.Cpu.Eax, vm.Cpu.Ebx) = (a, b);
            foreach (bool signed in (bool[])[false, true])
            {
                foreach ((string operation, ulong? expected) in Model(a, b, signed))
                {
                    string text = signed ? $"(s32)eax {operation} (s32)ebx" : $"eax {operation} ebx";
                    Assert.True(Expression.TryParse(text, null, out Expression? expression, out _));
                    ExpressionValue value = expression.Evaluate(new ExpressionContext(vm));
                    Assert.True(expected is null ? value.Why == Unavailability.DivisionByZero : (uint)value.Bits == (uint)expected, string.Create(CultureInfo.InvariantCulture, $"{text} with {a:x8} and {b:x8}: {value}"));
                }
            }
        }
    }

    private static IEnumerable<(string Operation, ulong? Value)> Model(uint a, uint b, bool signed)
    {
        int x = (int)a;
        int y = (int)b;
        yield return ("+", a + b);
        yield return ("-", a - b);
        yield return ("*", a * b);
        yield return ("/", b == 0 ? null : signed ? (uint)(x / (long)y) : a / b);
        yield return ("%", b == 0 ? null : signed ? (uint)(x % (long)y) : a % b);
        yield return ("<", (signed ? x < y : a < b) ? 1u : 0);
        yield return (">=", (signed ? x >= y : a >= b) ? 1u : 0);
        yield return ("==", a == b ? 1u : 0);
        yield return ("<<", b >= 32 ? 0 : a << (int)b);
        yield return (">>", signed ? (uint)(x >> (int)Math.Min(b, 31)) : b >= 32 ? 0 : a >> (int)b);
    }

    private static VirtualMachine Machine()
    {
        VirtualMachine vm = VirtualMachine.Create(new byte[] { 0xF4 });
        Assert.True(vm.Machine.Memory.TryWrite(new GuestPhysicalAddress(0x1000), [1, 2, 3, 0x84, 5, 6, 7, 0x88]));
        foreach ((string name, uint value) in ((string, uint)[])[("eax", 0x1234_5678), ("ebx", 0xFFFF_FFFF), ("esi", 0), ("esp", 0x100), ("eflags", 0x42), ("es", 0xB800), ("fs", 0x100), ("ss", 0x2000), ("cs", 0x7C0), ("eip", 0)])
        {
            Assert.Null(RegisterTable.Find(name)!.TryWrite(vm, value));
        }

        Assert.Null(RegisterTable.Find("xmm1.d1")!.TryWrite(vm, 0x1122_3344));
        return vm;
    }
}
