using System.Runtime.InteropServices;
using ToyVmm.VirtualMachines;

namespace ToyVmm.Cli.Hosting;

/// <summary>
/// Carries standard input to the guest's COM1. What is there at the start (a file, a here-document) is handed over before the
/// first instruction, so that such a run is the same every time; for the rest a thread waits.
/// </summary>
internal sealed unsafe class StandardInput : IDisposable
{
    private const int ChunkSize = 4096;
    private const int MostAtStart = 1 << 20;
    private readonly InputQueue _queue;
    private RawTerminal? _terminal;

    private StandardInput(InputQueue queue) => _queue = queue;

    /// <summary>Begins to carry input.</summary>
    /// <param name="queue">The guest's input.</param>
    /// <param name="isTerminal">True when standard input is a terminal: it becomes a raw line.</param>
    public static StandardInput Start(InputQueue queue, bool isTerminal)
    {
        StandardInput input = new(queue);
        if (isTerminal)
        {
            input._terminal = RawTerminal.Enter();
        }

        if (Posix.IsAvailable ? !input.ReadWhatIsThere() : !isTerminal && !Console.IsInputRedirected)
        {
            return input;
        }

        queue.Open();
        new Thread(input.Pump) { IsBackground = true, Name = "standard input" }.Start();
        return input;
    }

    /// <summary>Restores the terminal. The thread stays in its read until the process ends: a read of a terminal cannot be called back.</summary>
    public void Dispose() => _terminal?.Dispose();

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

            int count = Read(buffer);
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
            for (int count = Read(buffer); count > 0; count = Read(buffer))
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

    private static int Read(byte* buffer)
    {
        for (; ; )
        {
            nint count = Posix.read(0, buffer, ChunkSize);
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
