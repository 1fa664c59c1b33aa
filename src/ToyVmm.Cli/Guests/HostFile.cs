using ToyVmm.VirtualMachines;

namespace ToyVmm.Cli.Guests;

/// <summary>Reads and makes files, and turns what can go wrong with them into messages.</summary>
internal static class HostFile
{
    /// <summary>All bytes of a file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="what">What it is for: "image", "initial RAM disk".</param>
    /// <exception cref="UserErrorException">It cannot be read.</exception>
    public static byte[] ReadAll(string path, string what) => Read(path, what, File.ReadAllBytes);

    /// <summary>All lines of a text file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="what">What it is for: "script".</param>
    /// <exception cref="UserErrorException">It cannot be read.</exception>
    public static string[] ReadLines(string path, string what) => Read(path, what, File.ReadAllLines);

    private static T Read<T>(string path, string what, Func<string, T> read)
    {
        if (Directory.Exists(path))
        {
            throw UserErrorException.File($"the {what} {path} is a directory");
        }

        try
        {
            return read(path);
        }
        catch (Exception e) when (IsFileProblem(e))
        {
            throw UserErrorException.File($"cannot read the {what} {path}: {Reason(e)}");
        }
    }

    /// <summary>Creates a file for writing, replacing what was there.</summary>
    /// <exception cref="UserErrorException">It cannot be created.</exception>
    public static FileStream Create(string path, string what)
    {
        if (Directory.Exists(path))
        {
            throw UserErrorException.File($"the {what} {path} is a directory");
        }

        try
        {
            return new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.Read, bufferSize: 0);
        }
        catch (Exception e) when (IsFileProblem(e))
        {
            throw UserErrorException.File($"cannot write the {what} {path}: {ReasonToWrite(e)}");
        }
    }

    /// <summary>True for what a bad path, missing rights or a full disk throw.</summary>
    public static bool IsFileProblem(Exception e) =>
        e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException;

    /// <summary>The reason why a file cannot be written, in a few words.</summary>
    public static string ReasonToWrite(Exception e) => HostFileReason.ToWrite(e);

    /// <summary>The reason why a file cannot be read, in a few words.</summary>
    public static string Reason(Exception e) => HostFileReason.ToRead(e);
}
