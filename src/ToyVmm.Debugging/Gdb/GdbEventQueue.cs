namespace ToyVmm.Debugging.Gdb;

/// <summary>What has happened on the line.</summary>
internal enum GdbEventKind
{
    /// <summary>A client has connected.</summary>
    Connected,

    /// <summary>It has gone.</summary>
    Gone,

    /// <summary>A packet has come.</summary>
    Packet,

    /// <summary>A packet has come that is too long to be taken.</summary>
    TooLong,

    /// <summary>Ctrl-C.</summary>
    Interrupt,

    /// <summary>Somebody beside the client wants the guest's thread.</summary>
    Interjection,

    /// <summary>The server is to end.</summary>
    End,
}

/// <summary>Something that has happened on the line.</summary>
internal readonly record struct GdbEvent(GdbEventKind Kind, GdbConnection? Connection = null, byte[]? Packet = null);

/// <summary>From the threads that read to the one that runs the guest. What is more than a packet asks the running guest to stop, so that it is heard.</summary>
internal sealed class GdbEventQueue(GuestGate gate)
{
    private const int MostWaiting = 64;

    private readonly Queue<GdbEvent> _events = [];
    private readonly object _lock = new();
    private int _stops;

    /// <summary>True where nothing waits.</summary>
    public bool IsEmpty
    {
        get
        {
            lock (_lock)
            {
                return _events.Count == 0;
            }
        }
    }

    /// <summary>Adds an event; a client that sends packets faster than they are answered waits.</summary>
    public void Add(GdbEvent one)
    {
        lock (_lock)
        {
            while (!AsksToStop(one) && _events.Count >= MostWaiting)
            {
                _ = Monitor.Wait(_lock);
            }

            _events.Enqueue(one);
            if (AsksToStop(one))
            {
                _stops++;
                gate.RequestStop();
            }

            Monitor.PulseAll(_lock);
        }
    }

    /// <summary>Waits for an event.</summary>
    public GdbEvent Take()
    {
        lock (_lock)
        {
            while (_events.Count == 0)
            {
                _ = Monitor.Wait(_lock);
            }

            GdbEvent one = _events.Dequeue();
            if (AsksToStop(one) && --_stops == 0)
            {
                gate.Forget();
            }

            Monitor.PulseAll(_lock);
            return one;
        }
    }

    private static bool AsksToStop(GdbEvent one) => one.Kind is not (GdbEventKind.Packet or GdbEventKind.TooLong);
}
