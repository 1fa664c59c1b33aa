namespace ToyVmm.VirtualMachines.Snapshots;

/// <summary>What is the matter with a snapshot.</summary>
public enum SnapshotProblem
{
    /// <summary>The file, or that of a drive, is not there or cannot be read or written.</summary>
    Unreadable,

    /// <summary>The file is no snapshot, is damaged or incomplete, or is of a newer ToyVmm.</summary>
    Invalid,

    /// <summary>A drive's file has other contents than when the snapshot was taken.</summary>
    DriveChanged,

    /// <summary>The guest has pages together with another guest, which a file of one machine cannot hold.</summary>
    SharedPages,
}

/// <summary>A snapshot cannot be written, read or continued. The message says what is wrong, where, and what to do.</summary>
public sealed class SnapshotException : Exception
{
    /// <summary>Makes the exception.</summary>
    /// <param name="problem">Which kind of problem it is.</param>
    /// <param name="message">What is wrong, where, and what to do.</param>
    /// <param name="cause">What the host said; null when the file is to blame.</param>
    public SnapshotException(SnapshotProblem problem, string message, Exception? cause = null)
        : base(message, cause) => Problem = problem;

    /// <summary>Which kind of problem it is.</summary>
    public SnapshotProblem Problem { get; }
}
