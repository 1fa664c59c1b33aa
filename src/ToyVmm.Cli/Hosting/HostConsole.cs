using System.Text;

namespace ToyVmm.Cli.Hosting;

/// <summary>
/// The process's standard streams. <see cref="Console"/> stays unloaded: it would cost a third of the start-up time of a small
/// run, change the terminal's settings, and hide a closed pipe.
/// </summary>
internal sealed class HostConsole
{
    private static readonly UTF8Encoding s_utf8 = new(encoderShouldEmitUTF8Identifier: false);
    private TextWriter? _output;
    private TextWriter? _error;

    /// <summary>Standard output, unbuffered.</summary>
    public Stream OutputStream { get; } = DescriptorStream.Open(1);

    /// <summary>Standard output as text; flushed by <see cref="Flush"/>.</summary>
    public TextWriter Output => _output ??= new StreamWriter(OutputStream, s_utf8, 4096);

    /// <summary>Standard error as text, each line as it is written. What cannot be written is dropped: there is nobody left to tell.</summary>
    public TextWriter Error => _error ??= new StreamWriter(new BestEffortStream(DescriptorStream.Open(2)), s_utf8, 1024) { AutoFlush = true };

    /// <summary>True when standard input is a terminal.</summary>
    public bool InputIsTerminal { get; } = IsTerminal(0);

    /// <summary>True when standard output is a terminal.</summary>
    public bool OutputIsTerminal { get; } = IsTerminal(1);

    /// <summary>True when standard error is a terminal.</summary>
    public bool ErrorIsTerminal { get; } = IsTerminal(2);

    /// <summary>True when colours may be used on standard output: a terminal, and neither NO_COLOR (no-color.org) nor TERM=dumb.</summary>
    public bool UseColour => OutputIsTerminal && string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR"))
        && Environment.GetEnvironmentVariable("TERM") != "dumb";

    /// <summary>Writes out what <see cref="Output"/> holds.</summary>
    public void Flush() => _output?.Flush();

    private static bool IsTerminal(int descriptor) => Posix.IsAvailable
        ? Posix.isatty(descriptor) == 1
        : descriptor switch { 0 => !Console.IsInputRedirected, 1 => !Console.IsOutputRedirected, _ => !Console.IsErrorRedirected };

    private sealed class BestEffortStream(Stream inner) : Stream
    {
        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            try
            {
                inner.Write(buffer);
            }
            catch (IOException)
            {
                // Standard error is closed or full.
            }
        }

        public override void Flush()
        {
        }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();
    }
}
