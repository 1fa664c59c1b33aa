namespace ToyVmm.Cli.Interactive;

/// <summary>What a byte from the terminal means.</summary>
internal enum EscapeAction
{
    /// <summary>It goes to the guest.</summary>
    Pass,

    /// <summary>It was the prefix, or an unknown letter behind it.</summary>
    Nothing,

    /// <summary>End the run.</summary>
    Leave,

    /// <summary>Open the monitor prompt.</summary>
    Monitor,

    /// <summary>Show the list of these keys.</summary>
    Help,
}

/// <summary>Every key belongs to the guest but one: Ctrl-A, which makes the next one a command for us (as in QEMU, minicom and screen).</summary>
internal sealed class EscapeKeys
{
    private const byte Prefix = 0x01;
    private bool _armed;

    /// <summary>The list of the keys.</summary>
    public const string HelpText = """
        Ctrl-A X  leave: end the run
        Ctrl-A C  the monitor prompt: the guest stops meanwhile
        Ctrl-A A  send Ctrl-A to the guest
        Ctrl-A H  this list
        """;

    /// <summary>Takes a byte.</summary>
    /// <param name="value">What was typed.</param>
    /// <param name="passed">For <see cref="EscapeAction.Pass"/>: what the guest gets.</param>
    public EscapeAction Take(byte value, out byte passed)
    {
        passed = _armed ? Prefix : value;
        if (!_armed)
        {
            _armed = value == Prefix;
            return _armed ? EscapeAction.Nothing : EscapeAction.Pass;
        }

        // The letter with Ctrl held down counts too, but for Ctrl-A itself, which screen's users send twice.
        _armed = false;
        return value switch
        {
            (byte)'x' or (byte)'X' or 'X' - 64 => EscapeAction.Leave,
            (byte)'c' or (byte)'C' or 'C' - 64 => EscapeAction.Monitor,
            (byte)'a' or (byte)'A' or Prefix => EscapeAction.Pass,
            (byte)'h' or (byte)'H' or (byte)'?' or 'H' - 64 => EscapeAction.Help,
            _ => EscapeAction.Nothing,
        };
    }
}
