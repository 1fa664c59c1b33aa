using System.Reflection;

namespace ToyVmm.VirtualMachines.Snapshots;

/// <summary>
/// The container of a snapshot, docs/snapshots.md: a header, then sections - four letters, the length of the payload, the payload, a checksum over all
/// of that - and a last one whose payload is the checksum of everything before it. All numbers are little-endian; checksums are XXH3, 64 bits, seed 0.
/// </summary>
internal static class SnapshotFormat
{
    /// <summary>What this ToyVmm writes, and the newest that it reads.</summary>
    public const ushort Version = 1;

    /// <summary>Bytes of the header before the text: magic, version, the text's length, the file's length.</summary>
    public const int HeaderSize = 8 + sizeof(ushort) + sizeof(ushort) + sizeof(ulong);

    /// <summary>Bytes of a section before its payload.</summary>
    public const int SectionHeadSize = TagSize + sizeof(ulong);

    /// <summary>Bytes of a tag.</summary>
    public const int TagSize = 4;

    /// <summary>Bytes of a checksum.</summary>
    public const int ChecksumSize = sizeof(ulong);

    /// <summary>What the machine was built from.</summary>
    public const string Configuration = "CONF";

    /// <summary>One of the files that the machine was built from.</summary>
    public const string File = "FILE";

    /// <summary>The state of CPU, chips and run loop (<see cref="VirtualMachine.SaveState"/>).</summary>
    public const string State = "STAT";

    /// <summary>Some pages of RAM.</summary>
    public const string Pages = "PAGE";

    /// <summary>The last section.</summary>
    public const string End = "END ";

    /// <summary>The first bytes. As those of PNG: no text, and a transfer as text (which changes line ends, or ends at 1Ah) shows.</summary>
    public static ReadOnlySpan<byte> Magic => [0x89, (byte)'T', (byte)'V', (byte)'M', (byte)'\r', (byte)'\n', 0x1A, (byte)'\n'];

    /// <summary>This ToyVmm's version.</summary>
    public static string ProductVersion => typeof(SnapshotFormat).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0] ?? "unknown";
}
