using System.Buffers.Binary;

namespace ToyVmm.Cli.Hosting;

/// <summary>
/// Makes the terminal on standard input a serial line for as long as this lives: every key goes through at once and unchanged,
/// and nothing is echoed, because the guest does that. Ctrl-C and Ctrl-\ still are signals: they belong to the user.
/// </summary>
/// <remarks>POSIX.1-2017, chapter 11 "General Terminal Interface"; the flags' values are those of Linux and macOS.</remarks>
internal sealed unsafe class RawTerminal : IDisposable
{
    private const int AttributesSize = 256; // more than struct termios of any system
    private readonly byte[]? _saved;
    private int _restored;

    private RawTerminal(byte[]? saved) => _saved = saved;

    /// <summary>Switches standard input to raw mode, where it is a terminal whose settings we know.</summary>
    public static RawTerminal Enter()
    {
        if (!OperatingSystem.IsLinux() && !OperatingSystem.IsMacOS())
        {
            return new RawTerminal(null);
        }

        byte[] saved = new byte[AttributesSize];
        fixed (byte* attributes = saved)
        {
            if (Posix.tcgetattr(0, attributes) != 0)
            {
                return new RawTerminal(null);
            }
        }

        byte[] raw = (byte[])saved.Clone();
        if (OperatingSystem.IsLinux())
        {
            // 32-bit c_iflag, c_oflag, c_cflag, c_lflag, then c_line and c_cc.
            Clear(raw, 0, 4, 0x0020 | 0x0040 | 0x0080 | 0x0100 | 0x0400);   // ISTRIP INLCR IGNCR ICRNL IXON
            Clear(raw, 12, 4, 0x0002 | 0x0008 | 0x8000);                    // ICANON ECHO IEXTEN
            Span<byte> keys = raw.AsSpan(17);
            (keys[6], keys[5], keys[10]) = (1, 0, 0);                       // VMIN 1, VTIME 0, VSUSP off: Ctrl-Z is the guest's
        }
        else
        {
            // The same as 64-bit words; c_cc follows them.
            Clear(raw, 0, 8, 0x0020 | 0x0040 | 0x0080 | 0x0100 | 0x0200);
            Clear(raw, 24, 8, 0x0100 | 0x0008 | 0x0400);
            Span<byte> keys = raw.AsSpan(32);
            (keys[16], keys[17], keys[10]) = (1, 0, 0xFF);
        }

        fixed (byte* attributes = raw)
        {
            return new RawTerminal(Posix.tcsetattr(0, Posix.TCSANOW, attributes) == 0 ? saved : null);
        }
    }

    /// <summary>Gives the terminal back as it was. From any thread, any number of times.</summary>
    public void Dispose()
    {
        if (_saved is not null && Interlocked.Exchange(ref _restored, 1) == 0)
        {
            fixed (byte* attributes = _saved)
            {
                _ = Posix.tcsetattr(0, Posix.TCSANOW, attributes);
            }
        }
    }

    private static void Clear(byte[] attributes, int offset, int width, uint flags)
    {
        Span<byte> field = attributes.AsSpan(offset, width);
        BinaryPrimitives.WriteUInt32LittleEndian(field, BinaryPrimitives.ReadUInt32LittleEndian(field) & ~flags);
    }
}
