using System.Buffers.Binary;
using System.Text;
using ToyVmm.Hardware.State;

namespace ToyVmm.VirtualMachines.Replay;

/// <summary>Makes sense of a recording's sections. What a checksum holds for right may still be forged: everything is checked.</summary>
internal sealed class RecordingReader(RecordingContainer container)
{
    private readonly RecordingContainer _container = container;
    private InputMoment _before;

    /// <summary>True where something of the run is there, and so all files of the machine: they stand in front of it.</summary>
    public bool HasRun { get; private set; }

    /// <summary>The machine; null where not even that is there.</summary>
    public RecordingInfo? Info { get; private set; }

    /// <summary>The files.</summary>
    public List<RecordedFile> Files { get; } = [];

    /// <summary>The inputs.</summary>
    public InputLog Log { get; private set; } = new();

    /// <summary>The marks.</summary>
    public List<RecordingMark> Marks { get; } = [];

    /// <summary>The end, where there is one.</summary>
    public RecordingEnd? End { get; private set; }

    /// <summary>Reads all sections.</summary>
    /// <exception cref="RecordingException">One is damaged or makes no sense.</exception>
    public void ReadAll()
    {
        while (_container.Next() is var (tag, payload))
        {
            switch (tag)
            {
                case RecordingFormat.Info when Info is null:
                    RecordingInfo info = new();
                    Restore(payload, info, "configuration");
                    Info = info;
                    Log = new InputLog(info.Inputs);
                    _before = info.Start;
                    break;
                case RecordingFormat.File when Info is not null && !HasRun:
                    RecordedFile file = new();
                    Restore(payload, file, "list of files");
                    Files.Add(file);
                    break;
                case RecordingFormat.Events when Info is not null && End is null:
                    HasRun = true;
                    ReadEvents(payload);
                    break;
                case RecordingFormat.Mark when Info is not null && End is null:
                    HasRun = true;
                    ReadMark(payload);
                    break;
                case RecordingFormat.End when Marks.Count > 0 && End is null:
                    ReadEnd(payload);
                    break;
                default:
                    throw _container.Contradicts($"section {tag.Trim()}");
            }
        }

        if (_container.IsCut && End is not null)
        {
            throw _container.Contradicts("end, behind which something follows");
        }
    }

    private void Restore(ArraySegment<byte> payload, ISavedState part, string what)
    {
        StateTransfer transfer = StateTransfer.ForRestoring(payload);
        part.Transfer(transfer);
        transfer.Require(transfer.Left == 0, "nothing follows");
        if (transfer.Error is { } error)
        {
            throw _container.Contradicts($"{what} ({error})");
        }
    }

    private void ReadEvents(ReadOnlySpan<byte> from)
    {
        while (!from.IsEmpty)
        {
            if (!InputCodec.TryRead(ref from, ref _before, out StampedInput input))
            {
                throw _container.Contradicts($"input {Log.Count}");
            }

            Log.Add(input);
        }
    }

    private void ReadMark(ReadOnlySpan<byte> from)
    {
        bool isWhole = InputCodec.TryRead(ref from, out ulong events) & InputCodec.TryRead(ref from, ref _before) & InputCodec.TryRead(ref from, out ulong eip);
        int hashes = isWhole && !from.IsEmpty ? from[0] : -1;
        int most = hashes switch { 0 => 0, 1 => 2, 2 => 3, _ => -1 };
        if (!isWhole || events != (ulong)Log.Count || eip > uint.MaxValue || most < 0 || from.Length != 1 + (most * sizeof(ulong)))
        {
            throw _container.Contradicts($"mark {Marks.Count}");
        }

        from = from[1..];
        MachineFingerprint? fingerprint = most == 0 ? null : new MachineFingerprint(
            BinaryPrimitives.ReadUInt64LittleEndian(from),
            BinaryPrimitives.ReadUInt64LittleEndian(from[sizeof(ulong)..]),
            most == 3 ? BinaryPrimitives.ReadUInt64LittleEndian(from[(2 * sizeof(ulong))..]) : null);
        Marks.Add(new RecordingMark((int)events, _before, (uint)eip, fingerprint));
    }

    private void ReadEnd(ReadOnlySpan<byte> from)
    {
        bool isWhole = InputCodec.TryRead(ref from, out ulong kind) & InputCodec.TryRead(ref from, out ulong code) & InputCodec.TryRead(ref from, out ulong status);
        if (!isWhole || kind > (ulong)StopKind.ReplayEnded || code > uint.MaxValue || status > byte.MaxValue)
        {
            throw _container.Contradicts("end");
        }

        End = new RecordingEnd(new StopReason((StopKind)kind, (uint)code, Encoding.UTF8.GetString(from)), (int)status);
    }
}
