using ToyVmm.Hardware;

namespace ToyVmm.VirtualMachines.Verification.Isolation;

/// <summary>The files behind the drives of hostile guests' machines: small, temporary, and the same from case to case, since no write reaches them.</summary>
internal sealed class DriveFiles : IDisposable
{
    private const int DiskBytes = 64 * 512;
    private const int DiscBytes = 20 * 2048;

    private readonly string _disk = Path.GetTempFileName();
    private readonly string _disc = Path.GetTempFileName();

    public DriveFiles()
    {
        File.WriteAllBytes(_disk, Pattern(DiskBytes));
        File.WriteAllBytes(_disc, Pattern(DiscBytes));
    }

    /// <summary>One whose writes are forgotten, one that refuses them.</summary>
    public IReadOnlyList<DiskConfig> Disks => [new(_disk, DiskAccess.Snapshot), new(_disk, DiskAccess.ReadOnly)];

    /// <summary>The disc in the CD-ROM drive.</summary>
    public string CdRom => _disc;

    /// <summary>True while both files are as they were made.</summary>
    public bool AreIntact => File.ReadAllBytes(_disk).AsSpan().SequenceEqual(Pattern(DiskBytes)) && File.ReadAllBytes(_disc).AsSpan().SequenceEqual(Pattern(DiscBytes));

    /// <inheritdoc/>
    public void Dispose()
    {
        File.Delete(_disk);
        File.Delete(_disc);
    }

    private static byte[] Pattern(int length)
    {
        byte[] bytes = new byte[length];
        for (int n = 0; n < length; n++)
        {
            bytes[n] = (byte)((n * 31) ^ (n >> 9));
        }

        return bytes;
    }
}
