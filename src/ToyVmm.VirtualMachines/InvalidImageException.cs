using ToyVmm.VirtualMachines.Loading;

namespace ToyVmm.VirtualMachines;

/// <summary>An image cannot be loaded. The message says what is wrong, where, and what to do.</summary>
public sealed class InvalidImageException : Exception
{
    /// <summary>Makes the exception.</summary>
    /// <param name="error">Why the image is refused.</param>
    /// <param name="explanation">What was found before.</param>
    public InvalidImageException(LoadError error, IReadOnlyList<string> explanation)
        : base(error?.ToString())
    {
        Error = error!;
        Explanation = explanation;
    }

    /// <summary>Why the image is refused.</summary>
    public LoadError Error { get; }

    /// <summary>What was found before the refusal, one sentence each.</summary>
    public IReadOnlyList<string> Explanation { get; }
}
