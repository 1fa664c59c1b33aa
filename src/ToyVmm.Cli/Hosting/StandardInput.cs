using System.Runtime.InteropServices;
using ToyVmm.VirtualMachines;

namespace ToyVmm.Cli.Hosting;

/// <summary>
/// Carries standard input to the guest's COM1. What is there at the start (a file, a here-document) is handed over before the
/// first instruction, so that such a run is the same every time; for the rest a thread waits. A terminal that can be made raw is
/// <see cref="Interactive.TerminalSession"/>'s.
/// </summary>
internal sealed unsafe class StandardInput
{
    private const int ChunkSize = 4096;
    private const int MostAtStart = 1 << 20;
    private readonly InputQueue _queue;

    private StandardInput(InputQueue queue) => _queue = queue;

    /// <summary>Begins to carry input.</summary>
    /// <param name="queue">The guest's input.</param>
    /// <param name="isTerminal">True when standard input is a terminal.</param>
    public static void Start(InputQueue queue, bool isTerminal)
    {
        StandardInput input = new(queue);
        if (Posix.IsAvailable ? !input.ReadWhatIsThere() : !isTerminal && !Console.IsInputRedirected)
        {
            return;
        }

        // The thread stays in its read until the process ends: a read of a terminal or a pipe cannot be called back.
        queue.Open();
        new Thread(input.Pump) { IsBackground = true, Name = "standard input" }.Start();
    }

    /// <summary>Waits for bytes.</summary>
    /// <returns>False when none came in time.</returns>
    public static bool WaitForInput(int milliseconds)
    {
        Posix.PollDescriptor descriptor = new() { Descriptor = 0, Events = Posix.POLLIN };
        return Posix.poll(&descriptor, 1, milliseconds) > 0;
    }

    /// <summary>Reads what there is, at least a byte.</summary>
    /// <returns>How many bytes; 0 or less at the end.</returns>
    public static int Read(Span<byte> buffer)
    {
        fixed (byte* start = buffer)
        {
            return Read(start, buffer.Length);
        }
    }

    // False when the input is at its end (or closed, or /dev/null).
    private bool ReadWhatIsThere()
    {
        byte* buffer = stackalloc byte[ChunkSize];
        for (int total = 0; total < MostAtStart;)
        {
            Posix.PollDescriptor descriptor = new() { Descriptor = 0, Events = Posix.POLLIN };
            if (Posix.poll(&descriptor, 1, 0) <= 0)
            {
                return true;
            }

            if ((descriptor.Returned & Posix.POLLNVAL) != 0)
            {
                return false;
            }

            int count = Read(buffer, ChunkSize);
            if (count <= 0)
            {
                return false;
            }

            _queue.Enqueue(new ReadOnlySpan<byte>(buffer, count));
            total += count;
        }

        return true;
    }

    private void Pump()
    {
        try
        {
            if (!Posix.IsAvailable)
            {
                PumpConsole();
                return;
            }

            byte* buffer = stackalloc byte[ChunkSize];
            for (int count = Read(buffer, ChunkSize); count > 0; count = Read(buffer, ChunkSize))
            {
                _queue.Enqueue(new ReadOnlySpan<byte>(buffer, count));
            }

            _queue.Close();
        }
        catch (ObjectDisposedException)
        {
            // The machine is gone while the last byte arrived.
        }
    }

    private void PumpConsole()
    {
        using Stream stream = Console.OpenStandardInput();
        byte[] buffer = new byte[ChunkSize];
        for (int count = stream.Read(buffer); count > 0; count = stream.Read(buffer))
        {
            _queue.Enqueue(buffer.AsSpan(0, count));
        }

        _queue.Close();
    }

    private static int Read(byte* buffer, int length)
    {
        for (; ; )
        {
            nint count = Posix.read(0, buffer, (nuint)length);
            if (count >= 0)
            {
                return (int)count;
            }

            int error = Marshal.GetLastPInvokeError();
            if (error == Posix.EAGAIN)
            {
                Thread.Sleep(10);
            }
            else if (error != Posix.EINTR)
            {
                return -1; // closed, or a terminal that hung up
            }
        }
    }
}
