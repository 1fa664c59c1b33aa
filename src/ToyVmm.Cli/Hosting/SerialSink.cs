using ToyVmm.VirtualMachines;

namespace ToyVmm.Cli.Hosting;

/// <summary>
/// Takes the guest's serial output byte by byte and writes it in pieces: what a guest prints is seen within a few milliseconds,
/// and a guest that prints megabytes does not cost a system call for each byte.
/// </summary>
internal sealed class SerialSink : IDisposable
{
    private static readonly TimeSpan s_delay = TimeSpan.FromMilliseconds(4);
    private readonly Stream _stream;
    private readonly bool _ownsStream;
    private readonly bool _holdToEnd;
    private readonly Lock _lock = new();
    private readonly SemaphoreSlim _arrived = new(0);
    private byte[] _pending = new byte[4096];
    private int _count;
    private bool _threadRuns;
    private volatile bool _closed;
    private volatile IOException? _failure;
    private byte _last = (byte)'\n';

    /// <summary>Makes a sink.</summary>
    /// <param name="stream">Where the bytes go.</param>
    /// <param name="ownsStream">True to close it at the end.</param>
    /// <param name="holdToEnd">True to write nothing before the end: the terminal shows the guest's screen meanwhile.</param>
    public SerialSink(Stream stream, bool ownsStream, bool holdToEnd)
    {
        _stream = stream;
        _ownsStream = ownsStream;
        _holdToEnd = holdToEnd;
    }

    /// <summary>The machine to stop when the bytes cannot be written any more.</summary>
    public VirtualMachine? Machine { get; set; }

    /// <summary>
    /// True to put a carriage return before line feeds, for a terminal that does not do so itself. It ends with the first one that the guest
    /// sends: a guest that knows terminals (the tty driver of an operating system) is passed through unchanged.
    /// </summary>
    public bool AddCarriageReturns { get; set; }

    /// <summary>Why writing failed, if it did.</summary>
    public IOException? Failure => _failure;

    /// <summary>True when the last line has no end: a message behind it needs one first.</summary>
    public bool EndsInsideLine => _last != (byte)'\n';

    /// <summary>Called when the bytes cannot be written any more.</summary>
    public Action? Failed { get; set; }

    /// <summary>Takes one byte.</summary>
    public void Add(byte value) => Add([value]);

    /// <summary>Takes bytes that stay together.</summary>
    public void Add(ReadOnlySpan<byte> values)
    {
        bool full = false;
        lock (_lock)
        {
            foreach (byte value in values)
            {
                full |= Append(value);
            }
        }

        if (full)
        {
            Write();
        }
    }

    // True where it is time to write.
    private bool Append(byte value)
    {
        if (_failure is not null)
        {
            return false;
        }

        if (_count + 2 > _pending.Length)
        {
            Array.Resize(ref _pending, _pending.Length * 2);
        }

        bool first = _count == 0;
        if (AddCarriageReturns && value == '\n')
        {
            AddCarriageReturns = _last != '\r';
            _pending[_count] = (byte)'\r';
            _count += AddCarriageReturns ? 1 : 0;
        }

        _pending[_count++] = value;
        _last = value;
        if (_holdToEnd)
        {
            return false;
        }

        if (first)
        {
            StartThread();
            _ = _arrived.Release();
        }

        return _count >= 4096;
    }

    /// <summary>Writes everything that is left.</summary>
    public void Flush() => Write();

    /// <inheritdoc/>
    public void Dispose()
    {
        _closed = true;
        Write();
        if (_ownsStream)
        {
            try
            {
                _stream.Dispose();
            }
            catch (IOException e)
            {
                _failure ??= e;
            }
        }
    }

    private void StartThread()
    {
        if (!_threadRuns)
        {
            _threadRuns = true;
            new Thread(WriteLater) { IsBackground = true, Name = "serial output" }.Start();
        }
    }

    private void WriteLater()
    {
        while (!_closed)
        {
            _arrived.Wait();
            Thread.Sleep(s_delay);
            Write();
        }
    }

    private void Write()
    {
        lock (_lock)
        {
            if (_count == 0 || _failure is not null)
            {
                return;
            }

            try
            {
                _stream.Write(_pending.AsSpan(0, _count));
            }
            catch (IOException e)
            {
                _failure = e;
                Machine?.RequestStop();
                Failed?.Invoke();
            }

            _count = 0;
        }
    }
}
