using System.Globalization;
using ToyVmm.Engines;

namespace ToyVmm.VirtualMachines.Verification.Isolation;

/// <summary>
/// Asks the host what is mapped where emitted code reaches (proc(5), /proc/self/maps), rather than believing what the VMM has noted: a window holds
/// RAM of its guest and nothing else, nothing in it is executable, its guards are empty, and emitted code is nowhere writable and executable at once.
/// </summary>
internal static class HostWindows
{
    private const string Maps = "/proc/self/maps";

    /// <summary>Checks the windows of a machine.</summary>
    /// <param name="machine">The machine, which is not running.</param>
    /// <returns>Null, or what is mapped that must not be.</returns>
    public static unsafe string? Check(VirtualMachine machine)
    {
        IReadOnlyList<HostRange> ranges = machine.HostRanges;
        if (ranges.Count == 0 || !File.Exists(Maps))
        {
            return null;
        }

        List<Mapping> mappings = [.. File.ReadLines(Maps).Select(Mapping.Parse)];
        ulong ram = mappings.Find(mapping => mapping.Contains((ulong)machine.Machine.Memory.RamBase)).Inode;
        foreach (Mapping mapping in mappings)
        {
            foreach (HostRange range in ranges)
            {
                if (mapping.Overlaps(range) && mapping.IsAccessible && Complaint(mapping, range.Kind, ram) is { } complaint)
                {
                    return $"{complaint}: {mapping.Line}";
                }
            }
        }

        HashSet<ulong> code = [.. ranges.Where(range => range.Kind == HostRangeKind.Code).Select(range => mappings.Find(mapping => mapping.Contains((ulong)range.First)).Inode)];
        int executable = mappings.FindIndex(mapping => mapping.IsExecutable && (mapping.Inode == ram || (mapping.IsWritable && code.Contains(mapping.Inode))));
        return executable < 0 ? null : $"host memory that can be written through one mapping and executed: {mappings[executable].Line}";
    }

    private static string? Complaint(in Mapping mapping, HostRangeKind kind, ulong ram) => kind switch
    {
        HostRangeKind.Guard => "something is mapped beside a window of the guest",
        HostRangeKind.View when mapping.Inode != ram => "something that is not the guest's RAM is mapped in its window",
        HostRangeKind.View when mapping.IsExecutable => "a page of a window can be executed",
        HostRangeKind.View when mapping.Offset + mapping.Length > IsolationCase.MemorySize => "a window shows more than the guest's RAM",
        HostRangeKind.Code when mapping.IsWritable => "emitted code can be written where it runs",
        _ => null,
    };

    // first-last rwxp offset device inode path
    private readonly record struct Mapping(string Line, ulong First, ulong End, string Rights, ulong Offset, ulong Inode)
    {
        public ulong Length => End - First;

        public bool IsAccessible => Rights.AsSpan(0, 3).ContainsAny("rwx");

        public bool IsWritable => Rights[1] == 'w';

        public bool IsExecutable => Rights[2] == 'x';

        public bool Contains(ulong address) => address >= First && address < End;

        public bool Overlaps(HostRange range) => First < (ulong)range.First + range.Length && End > (ulong)range.First;

        public static Mapping Parse(string line)
        {
            string[] fields = line.Split(' ', 6, StringSplitOptions.RemoveEmptyEntries);
            int dash = fields[0].IndexOf('-', StringComparison.Ordinal);
            return new Mapping(line, Hex(fields[0][..dash]), Hex(fields[0][(dash + 1)..]), fields[1], Hex(fields[2]), ulong.Parse(fields[4], CultureInfo.InvariantCulture));
        }

        private static ulong Hex(string text) => ulong.Parse(text, NumberStyles.HexNumber, CultureInfo.InvariantCulture);
    }
}
