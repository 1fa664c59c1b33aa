using System.Buffers.Binary;

namespace ToyVmm.Cli.Hosting;

/// <summary>
/// Makes the terminal on standard input a serial line for as long as this lives: every key goes through at once and unchanged, Ctrl-C,
/// Ctrl-Z and Ctrl-\ too; nothing is echoed, because the guest does that; and output goes out as it is. However the process
/// ends, short of SIGKILL, the terminal gets its settings back.
/// </summary>
/// <remarks>POSIX.1-2017, chapter 11 "General Terminal Interface"; the flags' values are those of Linux and macOS.</remarks>
internal sealed unsafe class RawTerminal : IDisposable
{
    private const int AttributesSize = 256; // more than struct termios of any system
    private readonly byte[] _saved;
    private readonly byte[] _raw;
    private readonly Lock _lock = new();
    private bool _disposed;

    private RawTerminal(byte[] saved, byte[] raw)
    {
        _saved = saved;
        _raw = raw;
        AppDomain.CurrentDomain.ProcessExit += OnProcessEnd;
        AppDomain.CurrentDomain.UnhandledException += OnProcessEnd;
    }

    /// <summary>Switches standard input to raw mode.</summary>
    /// <returns>Null where it is no terminal, or one whose settings we do not know.</returns>
    public static RawTerminal? Enter()
    {
        if (!OperatingSystem.IsLinux() && !OperatingSystem.IsMacOS())
        {
            return null;
        }

        byte[] saved = new byte[AttributesSize];
        fixed (byte* attributes = saved)
        {
            if (Posix.tcgetattr(0, attributes) != 0)
            {
                return null;
            }
        }

        byte[] raw = (byte[])saved.Clone();
        if (OperatingSystem.IsLinux())
        {
            // 32-bit c_iflag, c_oflag, c_cflag, c_lflag, then c_line and c_cc.
            Clear(raw, 0, 4, 0x0001 | 0x0002 | 0x0008 | 0x0020 | 0x0040 | 0x0080 | 0x0100 | 0x0400);    // IGNBRK BRKINT PARMRK ISTRIP INLCR IGNCR ICRNL IXON
            Clear(raw, 4, 4, 0x0001);                                       // OPOST
            Clear(raw, 12, 4, 0x0001 | 0x0002 | 0x0008 | 0x8000);           // ISIG ICANON ECHO IEXTEN
            Span<byte> keys = raw.AsSpan(17);
            (keys[6], keys[5]) = (1, 0);                                    // VMIN 1, VTIME 0
        }
        else
        {
            // The same as 64-bit words; c_cc follows them.
            Clear(raw, 0, 8, 0x0001 | 0x0002 | 0x0008 | 0x0020 | 0x0040 | 0x0080 | 0x0100 | 0x0200);
            Clear(raw, 8, 8, 0x0001);
            Clear(raw, 24, 8, 0x0080 | 0x0100 | 0x0008 | 0x0400);
            Span<byte> keys = raw.AsSpan(32);
            (keys[16], keys[17]) = (1, 0);
        }

        return Apply(raw) ? new RawTerminal(saved, raw) : null;
    }

    /// <summary>Gives the terminal back for a while: the process is about to be stopped.</summary>
    public void Suspend()
    {
        lock (_lock)
        {
            _ = _disposed || Apply(_saved);
        }
    }

    /// <summary>Takes the terminal again.</summary>
    public void Resume()
    {
        lock (_lock)
        {
            _ = _disposed || Apply(_raw);
        }
    }

    /// <summary>Gives the terminal back as it was. From any thread, any number of times.</summary>
    public void Dispose()
    {
        lock (_lock)
        {
            if (!_disposed)
            {
                _disposed = true;
                _ = Apply(_saved);
                AppDomain.CurrentDomain.ProcessExit -= OnProcessEnd;
                AppDomain.CurrentDomain.UnhandledException -= OnProcessEnd;
            }
        }
    }

    private void OnProcessEnd(object? sender, EventArgs e) => Dispose();

    private static bool Apply(byte[] settings)
    {
        fixed (byte* attributes = settings)
        {
            return Posix.tcsetattr(0, Posix.TCSANOW, attributes) == 0;
        }
    }

    private static void Clear(byte[] attributes, int offset, int width, uint flags)
    {
        Span<byte> field = attributes.AsSpan(offset, width);
        BinaryPrimitives.WriteUInt32LittleEndian(field, BinaryPrimitives.ReadUInt32LittleEndian(field) & ~flags);
    }
}
