using System.Runtime.InteropServices;

namespace ToyVmm.Cli.Hosting;

/// <summary>The reader of our output has gone away (EPIPE).</summary>
internal sealed class BrokenPipeException() : IOException("the reader of the output has gone away");

/// <summary>
/// Writes straight to a file descriptor: no buffer, no position of its own (standard output may be shared with other
/// processes, or with standard error), and every error is told.
/// </summary>
/// <param name="descriptor">1 or 2; the stream does not close it.</param>
internal sealed unsafe class DescriptorStream(int descriptor) : Stream
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

    /// <summary>The stream for a descriptor of this process.</summary>
    public static Stream Open(int descriptor) => Posix.IsAvailable ? new DescriptorStream(descriptor)
        : descriptor == 2 ? Console.OpenStandardError() : Console.OpenStandardOutput();

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        fixed (byte* start = buffer)
        {
            int done = 0;
            while (done < buffer.Length)
            {
                nint count = Posix.write(descriptor, start + done, (nuint)(buffer.Length - done));
                if (count >= 0)
                {
                    done += (int)count;
                    continue;
                }

                int error = Marshal.GetLastPInvokeError();
                if (error == Posix.EPIPE)
                {
                    throw new BrokenPipeException();
                }

                if (error == Posix.EAGAIN)
                {
                    Thread.Sleep(1); // somebody has made the descriptor non-blocking
                }
                else if (error != Posix.EINTR)
                {
                    throw new IOException(Marshal.GetPInvokeErrorMessage(error));
                }
            }
        }
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override void Flush()
    {
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();
}
