namespace ToyVmm.VirtualMachines.Replay;

/// <summary>What is the matter with a recording.</summary>
public enum RecordingProblem
{
    /// <summary>The file, or one that it names, is not there or cannot be read or written.</summary>
    Unreadable,

    /// <summary>The file is no recording, is damaged, or is of a newer ToyVmm.</summary>
    Invalid,

    /// <summary>A file that the recording names - the image, a drive, a snapshot - has other contents than when the run was recorded.</summary>
    Changed,

    /// <summary>The machine cannot be recorded.</summary>
    NotRecordable,
}

/// <summary>A run cannot be recorded, or a recording cannot be read or replayed. The message says what is wrong, where, and what to do.</summary>
public sealed class RecordingException : Exception
{
    /// <summary>Makes the exception.</summary>
    /// <param name="problem">Which kind of problem it is.</param>
    /// <param name="message">What is wrong, where, and what to do.</param>
    /// <param name="cause">What the host said; null when the file is to blame.</param>
    public RecordingException(RecordingProblem problem, string message, Exception? cause = null)
        : base(message, cause) => Problem = problem;

    /// <summary>Which kind of problem it is.</summary>
    public RecordingProblem Problem { get; }
}
