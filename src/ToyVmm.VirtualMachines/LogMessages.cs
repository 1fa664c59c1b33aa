using Microsoft.Extensions.Logging;

namespace ToyVmm.VirtualMachines;

/// <summary>The messages of this floor.</summary>
internal static partial class LogMessages
{
    [LoggerMessage(1, LogLevel.Information, "Stopped after {Instructions} instructions: {Detail}")]
    public static partial void Stopped(ILogger logger, string detail, ulong instructions);

    [LoggerMessage(2, LogLevel.Debug, "Nothing answers at {Kind} 0x{Address:x}: the read gives all-ones")]
    public static partial void UnmappedRead(ILogger logger, string kind, ulong address);

    [LoggerMessage(3, LogLevel.Debug, "Nothing answers at {Kind} 0x{Address:x}: the write of 0x{Value:x} is lost")]
    public static partial void UnmappedWrite(ILogger logger, string kind, ulong address, ulong value);

    [LoggerMessage(4, LogLevel.Warning, "Disk {Path}, sector {Sector}: {Message}; the guest sees a disk error")]
    public static partial void DiskError(ILogger logger, string path, long sector, string message);

    [LoggerMessage(5, LogLevel.Warning, "Disk {Path} cannot be flushed: {Message}; the guest sees a device fault")]
    public static partial void FlushError(ILogger logger, string path, string message);
}
