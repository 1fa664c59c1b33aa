using System.Collections.Concurrent;
using ToyVmm.Hardware.Devices;

namespace ToyVmm.VirtualMachines;

/// <summary>
/// The one door for everything that the image does not determine: bytes for COM1 and what the mouse does, from any thread. The machine takes them between
/// runs of the engine, at an instruction count that is therefore known.
/// </summary>
public sealed class InputQueue : IDisposable
{
    private readonly ConcurrentQueue<byte> _bytes = new();
    private readonly ConcurrentQueue<MouseEvent> _mouse = new();
    private readonly SemaphoreSlim _arrived = new(0);
    private volatile bool _open;

    /// <summary>True while more input may come: an idle guest is then waited for, not given up.</summary>
    public bool IsOpen => _open;

    /// <summary>True when nothing waits.</summary>
    public bool IsEmpty => _bytes.IsEmpty && _mouse.IsEmpty;

    /// <summary>Says that input will come.</summary>
    public void Open() => _open = true;

    /// <summary>Says that no more input will come.</summary>
    public void Close()
    {
        _open = false;
        _ = _arrived.Release();
    }

    /// <summary>Adds input.</summary>
    /// <param name="bytes">What the guest's COM1 is to receive.</param>
    public void Enqueue(ReadOnlySpan<byte> bytes)
    {
        foreach (byte value in bytes)
        {
            _bytes.Enqueue(value);
        }

        _ = _arrived.Release();
    }

    /// <summary>Adds what the user does to the mouse.</summary>
    /// <param name="mouse">A movement, or a change of the buttons.</param>
    public void Enqueue(MouseEvent mouse)
    {
        _mouse.Enqueue(mouse);
        _ = _arrived.Release();
    }

    /// <inheritdoc/>
    public void Dispose() => _arrived.Dispose();

    internal bool TryTake(out byte value) => _bytes.TryDequeue(out value);

    internal bool TryTake(out MouseEvent mouse) => _mouse.TryDequeue(out mouse);

    /// <summary>Sleeps until input arrives, the queue closes, <see cref="Wake"/> is called, or the time is over.</summary>
    internal void Wait(TimeSpan longest)
    {
        if (IsEmpty)
        {
            _ = _arrived.Wait(longest);
        }
    }

    /// <summary>Ends a <see cref="Wait"/> from another thread.</summary>
    internal void Wake() => _arrived.Release();
}
