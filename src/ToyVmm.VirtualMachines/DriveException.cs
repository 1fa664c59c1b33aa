namespace ToyVmm.VirtualMachines;

/// <summary>A disk or CD-ROM cannot be attached to the machine.</summary>
public sealed class DriveException : Exception
{
    /// <summary>Makes the exception.</summary>
    /// <param name="path">The image file.</param>
    /// <param name="message">What is wrong with it.</param>
    /// <param name="cause">What the host said; null when the file is to blame.</param>
    public DriveException(string path, string message, Exception? cause = null)
        : base(message, cause) => Path = path;

    /// <summary>The image file.</summary>
    public string Path { get; }
}
