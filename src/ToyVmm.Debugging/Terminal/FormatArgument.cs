using System.Globalization;

namespace ToyVmm.Debugging.Terminal;

/// <summary>"/16xb" in front of an argument: a count, a format letter and a unit letter, each of which may be missing.</summary>
/// <param name="Count">How many; 1 where nothing is said.</param>
/// <param name="Letter">The format; a blank where nothing is said.</param>
/// <param name="Unit">The unit b, h, w or g; a blank where nothing is said.</param>
/// <param name="Rest">What stands behind it.</param>
internal readonly record struct FormatArgument(int Count, char Letter, char Unit, string Rest)
{
    public const int MostUnits = 65536;

    /// <summary>Takes the format off the arguments of a command.</summary>
    /// <exception cref="CommandErrorException">It is none.</exception>
    public static FormatArgument Parse(string arguments)
    {
        if (!arguments.StartsWith('/'))
        {
            return new FormatArgument(1, ' ', ' ', arguments);
        }

        (string format, string rest) = Words.First(arguments);
        int digits = 1;
        while (digits < format.Length && char.IsAsciiDigit(format[digits]))
        {
            digits++;
        }

        int count = 1;
        if (digits > 1 && (!int.TryParse(format.AsSpan(1, digits - 1), CultureInfo.InvariantCulture, out count) || count is < 1 or > MostUnits))
        {
            throw new CommandErrorException($"{format}: a count is 1 to {MostUnits}");
        }

        char letter = ' ';
        char unit = ' ';
        foreach (char c in format[digits..])
        {
            switch (c)
            {
                case 'x' or 'd' or 'u' or 'o' or 'c' or 'i' or 's' or 'a' or 'b' when letter == ' ' && (c != 'b' || format.Length == digits + 1 && digits == 1):
                    letter = c;
                    break;
                case 'b' or 'h' or 'w' or 'g' when unit == ' ':
                    unit = c;
                    break;
                default:
                    throw new CommandErrorException($"{format}: a count, then one of x d u o c i s a, then one of b h w g");
            }
        }

        return new FormatArgument(count, letter, unit, rest);
    }

    /// <summary>The bytes of a unit.</summary>
    public int UnitBytes => (Letter, Unit) switch { ('c', _) or (_, 'b') => 1, (_, 'h') => 2, (_, 'g') => 8, _ => 4 };
}
