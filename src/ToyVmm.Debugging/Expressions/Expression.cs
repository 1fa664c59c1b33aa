using System.Diagnostics.CodeAnalysis;
using ToyVmm.Debugging.Registers;
using ToyVmm.VirtualMachines.Symbols;

namespace ToyVmm.Debugging.Expressions;

/// <summary>
/// An expression over a stopped guest: a condition, an address, or something to print. Parsed once, evaluated without allocations and without a trace in the guest.
/// </summary>
/// <remarks>
/// <para>Operands: registers and their parts with or without gdb's '$' (<c>eax</c>, <c>al</c>, <c>eflags.zf</c>, <c>cr0.pg</c>, <c>cs.base</c>, <c>xmm0.d1</c>); numbers (<c>28</c>,
/// <c>0x1c</c>, <c>1ch</c>, <c>0b11100</c>, <c>'A'</c>); symbols, which are addresses (<c>kernel_main+0x10</c>; in double quotes where a name is no identifier or a register's:
/// <c>"print.loop"</c>); where no symbol has the name, or behind a '$': the counts <c>instructions</c>, <c>events</c> and <c>hits</c>; <c>ticks</c> and <c>time</c>, the guest's clock in its own ticks and in nanoseconds;
/// and <c>pc</c>, the linear address of the next instruction.</para>
/// <para>Memory as NASM writes it, of linear addresses unless it says otherwise: <c>byte [0x7c00]</c>, <c>dword [ebx+4]</c> (dword is the default), <c>word [ss:sp]</c> and <c>es:[di]</c> through a segment
/// register's base or a selector, <c>byte phys [0xb8000]</c>; and as C does: <c>*x</c>, <c>*(u16*)x</c>.</para>
/// <para>Operators and their precedence are C's, assignment and comma apart. Arithmetic is C's too: registers and memory are unsigned, so a signed comparison needs a cast:
/// <c>(s32)eax &lt; 0</c>. Shifts by a count as wide as the type or wider leave nothing (or the sign); the lowest number divided by -1 is itself. A division by zero, and memory that cannot be read, make the value
/// unavailable, and whatever is computed from it, unless <c>&amp;&amp;</c>, <c>||</c> or <c>?:</c> does not need it.</para>
/// </remarks>
public sealed class Expression
{
    private readonly ExpressionNode _root;

    private Expression(string text, ExpressionNode root) => (Text, _root) = (text, root);

    /// <summary>The text that it was parsed from.</summary>
    public string Text { get; }

    /// <summary>Parses an expression.</summary>
    /// <param name="text">The text.</param>
    /// <param name="symbols">The names of the guest; null for none.</param>
    /// <param name="expression">The expression.</param>
    /// <param name="error">What is wrong, and where.</param>
    public static bool TryParse(string text, SymbolTable? symbols, [NotNullWhen(true)] out Expression? expression, [NotNullWhen(false)] out ExpressionError? error) =>
        TryParse(text, symbols, isAddress: false, out expression, out error);

    /// <summary>
    /// Parses a place in memory: as <see cref="TryParse(string, SymbolTable?, out Expression?, out ExpressionError?)"/>, but also <c>segment:offset</c> (<c>0x7c0:0x10</c>,
    /// <c>cs:main</c>), and with the registers that are offsets by nature - <c>eip</c> in CS, <c>esp</c> and <c>ebp</c> in SS - standing for linear addresses.
    /// </summary>
    /// <param name="text">The text.</param>
    /// <param name="symbols">The names of the guest; null for none.</param>
    /// <param name="expression">The expression; its value's <see cref="ExpressionValue.Address"/> is a linear address.</param>
    /// <param name="error">What is wrong, and where.</param>
    public static bool TryParseAddress(string text, SymbolTable? symbols, [NotNullWhen(true)] out Expression? expression, [NotNullWhen(false)] out ExpressionError? error) =>
        TryParse(text, symbols, isAddress: true, out expression, out error);

    /// <summary>Computes the value.</summary>
    /// <param name="context">The machine and the counts.</param>
    public ExpressionValue Evaluate(in ExpressionContext context) => _root.Evaluate(context);

    /// <summary>What somebody who assigns to the expression would change.</summary>
    /// <param name="context">The machine.</param>
    /// <param name="place">The register or the memory.</param>
    /// <param name="problem">Why there is none.</param>
    public bool TryGetPlace(in ExpressionContext context, out ExpressionPlace place, [NotNullWhen(false)] out string? problem)
    {
        place = default;
        problem = "only a register or memory can be changed";
        if (_root is RegisterNode register)
        {
            place = new ExpressionPlace(register.Field, 0, (register.Field.Bits + 7) / 8, IsPhysical: false);
            problem = null;
        }
        else if (_root is MemoryNode memory)
        {
            ExpressionPlace? found = memory.Place(context, out ExpressionValue where);
            place = found ?? default;
            problem = where.Problem;
        }

        return problem is null;
    }

    /// <inheritdoc/>
    public override string ToString() => Text;

    private static bool TryParse(string text, SymbolTable? symbols, bool isAddress, out Expression? expression, out ExpressionError? error)
    {
        ArgumentNullException.ThrowIfNull(text);
        ExpressionNode? root = new ExpressionParser(text, symbols ?? SymbolTable.Empty).Parse(isAddress, out error);
        expression = root is null ? null : new Expression(text, root);
        return root is not null;
    }
}

/// <summary>What is wrong with the text of an expression.</summary>
/// <param name="Column">Where: characters before it.</param>
/// <param name="Message">What is wrong, and what was expected.</param>
public sealed record ExpressionError(int Column, string Message)
{
    /// <summary>The text, a caret below the place, and the message: three lines.</summary>
    /// <param name="text">The text that was parsed.</param>
    public string Point(string text) => $"{text}\n{new string(' ', Column)}^\n{Message}";

    /// <inheritdoc/>
    public override string ToString() => $"column {Column + 1}: {Message}";
}

/// <summary>What can be assigned to: a register, or memory.</summary>
/// <param name="Register">The register; null for memory.</param>
/// <param name="Address">Where the memory is.</param>
/// <param name="Size">Bytes.</param>
/// <param name="IsPhysical">True for a guest-physical address, false for a linear one.</param>
public readonly record struct ExpressionPlace(RegisterField? Register, ulong Address, int Size, bool IsPhysical);
