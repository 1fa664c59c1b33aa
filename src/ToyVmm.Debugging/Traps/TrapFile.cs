using System.Text;
using ToyVmm.VirtualMachines;

namespace ToyVmm.Debugging.Traps;

/// <summary>How traps are written to a file.</summary>
public enum TrapFileFormat
{
    /// <summary>A JSON document a line, one for each trap: docs/json.md.</summary>
    JsonLines,

    /// <summary>One JSON document in the trace event format, for Perfetto (ui.perfetto.dev) and Chrome.</summary>
    Perfetto,

    /// <summary>Each trap explained, as <see cref="TrapText.Explain"/> does, with an empty line behind it.</summary>
    Text,
}

/// <summary>Writes traps to a file as they are recorded. <see cref="End"/> must follow the last.</summary>
/// <param name="output">Takes the text; it is not closed.</param>
/// <param name="format">How.</param>
/// <param name="machine">The machine, whose clock counts.</param>
/// <param name="mostBytes">How many bytes at most, whole traps; <see cref="Full"/> is told of the first that is dropped.</param>
public sealed class TrapFile(TextWriter output, TrapFileFormat format, VirtualMachine machine, ulong mostBytes = ulong.MaxValue)
{
    // The last span of a timeline, and its tail.
    private const int Reserve = 512;

    private readonly TrapTimeline? _timeline = format == TrapFileFormat.Perfetto ? new TrapTimeline(machine.Machine.Clock.Frequency) : null;
    private readonly List<string> _lines = [];
    private ulong _bytes;
    private bool _begun;
    private bool _full;

    /// <summary>Called once, with the limit, when a trap would go beyond it.</summary>
    public Action<ulong>? Full { get; set; }

    /// <summary>The format that a file's name asks for: <c>.jsonl</c>; <c>.json</c> and <c>.perfetto</c>; <c>.traps</c>; null for others.</summary>
    /// <param name="path">The name.</param>
    public static TrapFileFormat? FormatOf(string path) => Path.GetExtension(path) switch
    {
        ".jsonl" => TrapFileFormat.JsonLines,
        ".json" or ".perfetto" => TrapFileFormat.Perfetto,
        ".traps" => TrapFileFormat.Text,
        _ => null,
    };

    /// <summary>Writes a trap.</summary>
    /// <param name="trap">The trap.</param>
    public void Write(Trap trap)
    {
        ArgumentNullException.ThrowIfNull(trap);
        if (_full)
        {
            return;
        }

        _lines.Clear();
        if (_timeline is null)
        {
            _lines.Add((format == TrapFileFormat.Text ? TrapText.Explain(trap) : TrapDocument.Write(trap)) + "\n");
        }
        else
        {
            Begin();
            _lines.AddRange(_timeline.Add(trap).Select(item => ",\n" + item));
        }

        ulong size = 0;
        foreach (string line in _lines)
        {
            size += (ulong)Encoding.UTF8.GetByteCount(line);
        }

        ulong reserve = _timeline is null ? 0ul : Reserve;
        if (_full || mostBytes - Math.Min(mostBytes, _bytes + reserve) < size)
        {
            _full = true;
            Full?.Invoke(mostBytes);
            return;
        }

        _bytes += size;
        foreach (string line in _lines)
        {
            output.Write(line);
        }
    }

    /// <summary>Writes what ends the document.</summary>
    public void End()
    {
        if (_timeline is null)
        {
            return;
        }

        Begin();
        if (!_begun)
        {
            return;
        }

        foreach (string item in _timeline.End(machine.Machine.Clock.Now))
        {
            output.Write(",\n" + item);
        }

        output.Write(TrapTimeline.Tail);
    }

    private void Begin()
    {
        if (_begun || _full)
        {
            return;
        }

        if (mostBytes < (ulong)TrapTimeline.Head.Length + Reserve)
        {
            _full = true;
            return;
        }

        _begun = true;
        _bytes = (ulong)TrapTimeline.Head.Length;
        output.Write(TrapTimeline.Head);
    }
}
