namespace ToyVmm.VirtualMachines;

/// <summary>Why the host does not read or write a file, in a few words: .NET's own name the path once more, and some the wrong thing.</summary>
public static class HostFileReason
{
    /// <summary>Why a file cannot be read.</summary>
    /// <param name="e">What reading threw.</param>
    public static string ToRead(Exception e)
    {
        ArgumentNullException.ThrowIfNull(e);
        return e switch
        {
            FileNotFoundException or DirectoryNotFoundException => "there is no such file",
            UnauthorizedAccessException => "permission denied",
            _ => e.Message,
        };
    }

    /// <summary>Why a file cannot be written: that it was not there is no reason, but that its directory is not.</summary>
    /// <param name="e">What creating or writing it threw.</param>
    public static string ToWrite(Exception e) => e is DirectoryNotFoundException ? "there is no such directory" : ToRead(e);
}
