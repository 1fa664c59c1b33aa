using System.Collections.Concurrent;
using ToyVmm.Hardware.Devices;
using ToyVmm.Hardware.State;
using ToyVmm.VirtualMachines.Hypercalls;

namespace ToyVmm.VirtualMachines;

/// <summary>
/// The one door for everything that the image does not determine: bytes for COM1, keys and the mouse, from any thread. The machine takes them
/// between runs of the engine, when the device has room, at a moment that is therefore known; <see cref="Recorder"/> is told of it.
/// </summary>
public sealed class InputQueue : IDisposable, ISavedState
{
    // A guest that never reads its keyboard must not make keys pile up: a real one would lose them after 16 bytes.
    private const int MostKeys = 4096;

    // What a state that is restored may say. Mouse and host's events are taken whenever the machine looks, so that few ever wait; bytes wait until the
    // guest reads them, and the state has each of them.
    private const int MostBytes = 256 << 20;
    private const int MostEvents = 1 << 16;

    private readonly ConcurrentQueue<byte> _bytes = new();
    private readonly ConcurrentQueue<KeyInput> _keys = new();
    private readonly ConcurrentQueue<MouseEvent> _mouse = new();
    private readonly ConcurrentQueue<InputEvent> _hostEvents = new();
    private readonly AutoResetEvent _arrived = new(false);
    private volatile bool _open;
    private volatile bool _mayHaveInput;

    /// <summary>True while more input may come: an idle guest is then waited for, not given up.</summary>
    public bool IsOpen => _open;

    /// <summary>True when nothing waits.</summary>
    public bool IsEmpty => _bytes.IsEmpty && _keys.IsEmpty && _mouse.IsEmpty && _hostEvents.IsEmpty;

    /// <summary>Told of every event at the moment when the machine takes it, from the thread that runs the machine.</summary>
    public Action<StampedInput>? Recorder { get; set; }

    /// <summary>Says that input will come.</summary>
    public void Open() => _open = true;

    /// <summary>Says that no more input will come.</summary>
    public void Close()
    {
        _open = false;
        _ = _arrived.Set();
    }

    /// <summary>Adds input.</summary>
    /// <param name="bytes">What the guest's COM1 is to receive.</param>
    public void Enqueue(ReadOnlySpan<byte> bytes)
    {
        foreach (byte value in bytes)
        {
            _bytes.Enqueue(value);
        }

        Arrived();
    }

    /// <summary>Adds keys.</summary>
    /// <param name="keys">What happens at the keyboard, in order; fed to it as the guest takes the codes.</param>
    /// <returns>False when the guest has left so many untaken that these are lost.</returns>
    public bool Enqueue(IReadOnlyCollection<KeyInput> keys)
    {
        ArgumentNullException.ThrowIfNull(keys);
        if (_keys.Count + keys.Count > MostKeys)
        {
            return false;
        }

        foreach (KeyInput key in keys)
        {
            _keys.Enqueue(key);
        }

        Arrived();
        return true;
    }

    /// <summary>Adds what the user does to the mouse.</summary>
    /// <param name="mouse">A movement, or a change of the buttons.</param>
    public void Enqueue(MouseEvent mouse)
    {
        _mouse.Enqueue(mouse);
        Arrived();
    }

    /// <summary>Rings the guest's bell.</summary>
    /// <param name="port">The bit of its clock page's pending word, 2 to 31; nothing happens to a guest without such a page.</param>
    public void Ring(int port)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(port, (int)HypercallCatalog.FirstEventPort);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(port, (int)HypercallCatalog.EventPorts);

        // A bit that is still to be set is set once: or a guest could fill the host's memory with bells for one that sleeps.
        if (!_hostEvents.Any(waiting => waiting is EventInput bell && bell.Port == port))
        {
            Enqueue(new EventInput(port));
        }
    }

    /// <summary>Asks the guest for memory: its balloon should hold so many pages. A guest without a clock page does not hear of it.</summary>
    /// <param name="pages">Pages of 4 KiB; fewer than before give the guest some back.</param>
    public void SetBalloonTarget(uint pages) => Enqueue(new BalloonTargetInput(pages));

    /// <summary>Gives the guest more memory, behind what it has, as far as the machine has room for it.</summary>
    /// <param name="bytes">How much.</param>
    /// <exception cref="ArgumentOutOfRangeException">Not whole pages.</exception>
    public void AddMemory(uint bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(bytes % Hardware.Memory.GuestPhysicalAddress.PageSize, 0u);
        Enqueue(new AddMemoryInput(bytes));
    }

    private void Enqueue(InputEvent happened)
    {
        _hostEvents.Enqueue(happened);
        Arrived();
    }

    /// <inheritdoc/>
    /// <remarks>What waits. A queue that is restored loses what waited in it; whether more may come (<see cref="IsOpen"/>) is the host's affair.</remarks>
    void ISavedState.Transfer(StateTransfer state)
    {
        byte[] bytes = [.. _bytes];
        KeyInput[] keys = [.. _keys];
        MouseEvent[] mouse = [.. _mouse];
        int byteCount = state.Count(bytes.Length, MostBytes);
        int keyCount = state.Count(keys.Length, MostKeys);
        int mouseCount = state.Count(mouse.Length, MostEvents);
        InputEvent[] events = [.. _hostEvents];
        int eventCount = state.Count(events.Length, MostEvents);
        if (!state.IsRestoring)
        {
            state.Bytes(bytes);
            foreach (KeyInput key in keys)
            {
                _ = Pass(state, key);
            }

            foreach (MouseEvent one in mouse)
            {
                _ = Pass(state, one);
            }

            foreach (InputEvent happened in events)
            {
                _ = Pass(state, happened);
            }

            return;
        }

        _bytes.Clear();
        _keys.Clear();
        _mouse.Clear();
        _hostEvents.Clear();
        for (int n = 0; n < byteCount && state.Error is null; n++)
        {
            _bytes.Enqueue(state.Pass((byte)0));
        }

        for (int n = 0; n < keyCount && state.Error is null; n++)
        {
            _keys.Enqueue(Pass(state, new KeyInput(default, false)));
        }

        for (int n = 0; n < mouseCount && state.Error is null; n++)
        {
            _mouse.Enqueue(Pass(state, default(MouseEvent)));
        }

        for (int n = 0; n < eventCount && state.Error is null; n++)
        {
            _hostEvents.Enqueue(Pass(state, new EventInput((int)HypercallCatalog.FirstEventPort)));
        }

        Arrived();
    }

    private static InputEvent Pass(StateTransfer state, InputEvent happened)
    {
        const int Memory = 2;
        (int kind, uint value) = happened switch
        {
            BalloonTargetInput target => (1, target.Pages),
            AddMemoryInput more => (Memory, more.Bytes),
            _ => (0, (uint)((EventInput)happened).Port),
        };
        kind = state.Choice(kind, Memory);
        value = state.Pass(value);
        state.Require(kind != 0 || value is >= HypercallCatalog.FirstEventPort and < HypercallCatalog.EventPorts, "a guest's bell has a port");
        state.Require(kind != Memory || value % Hardware.Memory.GuestPhysicalAddress.PageSize == 0, "memory comes in pages");
        return kind switch
        {
            1 => new BalloonTargetInput(value),
            Memory => new AddMemoryInput(value),
            _ => new EventInput((int)value),
        };
    }

    private static KeyInput Pass(StateTransfer state, KeyInput key) =>
        new((Ps2Key)state.Choice((int)key.Key, (int)Ps2Key.Pause), state.Pass(key.Pressed));

    private static MouseEvent Pass(StateTransfer state, MouseEvent mouse) => new(
        (int)state.Pass((uint)mouse.DeltaX), (int)state.Pass((uint)mouse.DeltaY), (int)state.Pass((uint)mouse.Wheel), (MouseButtons)state.Choice((int)mouse.Buttons, 7));

    /// <inheritdoc/>
    public void Dispose() => _arrived.Dispose();

    /// <summary>False, at the price of one look, where nothing waits; after the last of the input it is true once more.</summary>
    internal bool MayHaveInput
    {
        get
        {
            if (!_mayHaveInput)
            {
                return false;
            }

            // Taken back first: what arrives behind the look sets it again.
            _mayHaveInput = false;
            Interlocked.MemoryBarrier();
            if (!IsEmpty)
            {
                _mayHaveInput = true;
            }

            return true;
        }
    }

    internal bool HasBytes => !_bytes.IsEmpty;

    internal bool HasKeys => !_keys.IsEmpty;

    internal int HostEventsWaiting => _hostEvents.Count;

    internal bool HasHostEvents => !_hostEvents.IsEmpty;

    internal bool HasMouseEvents => !_mouse.IsEmpty;

    internal bool TryTake(out byte value) => _bytes.TryDequeue(out value);

    internal bool TryTake([System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out InputEvent? happened) => _hostEvents.TryDequeue(out happened);

    internal bool TryTake(out MouseEvent mouse) => _mouse.TryDequeue(out mouse);

    internal bool TryTake([System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out KeyInput? key) => _keys.TryDequeue(out key);

    internal void Record(StampedInput input) => Recorder?.Invoke(input);

    /// <summary>Sleeps until input arrives, the queue closes, <see cref="Wake"/> is called, or the time is over.</summary>
    /// <remarks>Whole milliseconds, rounded up: rounded down, the last one before each timer would be spent spinning.</remarks>
    internal void Wait(TimeSpan longest) => _arrived.WaitOne((int)Math.Ceiling(longest.TotalMilliseconds));

    private void Arrived()
    {
        _mayHaveInput = true;
        _ = _arrived.Set();
    }

    /// <summary>Ends a <see cref="Wait"/> from another thread.</summary>
    internal void Wake() => _arrived.Set();
}
