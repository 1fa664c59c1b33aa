using System.Runtime.InteropServices;
using ToyVmm.Hardware.Memory;

namespace ToyVmm.Hardware.Buses;

/// <summary>
/// The two tables behind <see cref="PortBus.Latches"/>. On Linux every bus has the pages of one file without latches, and copies those that it
/// changes: 128 KiB for a single latch would be a large part of what an idle machine takes.
/// </summary>
internal sealed unsafe class LatchTable
{
    private const int Ports = 0x1_0000;
    private const int Size = 2 * Ports;

    // Never written to after it was made.
    private static readonly MemoryFile? s_noLatches = MakeFile();

    private readonly bool _isMapped;
    private byte* _tables;

    public LatchTable()
    {
        _tables = s_noLatches is null ? null : (byte*)HostWindow.MapCopy(s_noLatches);
        _isMapped = _tables != null;
        if (!_isMapped)
        {
            _tables = (byte*)NativeMemory.AllocZeroed(Size);
            new Span<byte>(_tables, Ports).Fill(1);
        }
    }

    ~LatchTable() => Release();

    /// <summary>The tables: a byte for each port that is 0 for a latch, and behind them what the latches hold.</summary>
    public byte* Address => _tables;

    /// <summary>What the latch at a port holds.</summary>
    public ref byte Value(int port) => ref _tables[Ports + port];

    /// <summary>Says which ports are latches.</summary>
    public void Mark(int first, int count, bool areLatches) => new Span<byte>(_tables, Ports).Slice(first, count).Fill(areLatches ? (byte)0 : (byte)1);

    /// <summary>Gives the memory back: nobody asks for anything any more. Otherwise it goes with the table.</summary>
    public void Release()
    {
        if (_isMapped && _tables != null)
        {
            HostWindow.Unmap((nint)_tables, Size);
        }
        else
        {
            NativeMemory.Free(_tables);
        }

        _tables = null;
    }

    private static MemoryFile? MakeFile()
    {
        MemoryFile? file = MemoryFile.TryCreate(Size);
        byte[] ones = new byte[Ports];
        ones.AsSpan().Fill(1);
        return file is not null && file.TryWrite(0, ones) ? file : null;
    }
}
