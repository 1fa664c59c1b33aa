namespace ToyVmm.Cli.Debugging;

/// <summary>
/// The lines that were typed in earlier sessions: a file in the user's state directory (XDG Base Directory Specification). A file that cannot be read or
/// written is no reason to complain: the session has the history that it makes itself.
/// </summary>
internal static class CommandHistoryFile
{
    private const int MostLines = 1000;

    /// <summary>Where it is; null where there is no home directory.</summary>
    public static string? Location
    {
        get
        {
            string? state = Environment.GetEnvironmentVariable("XDG_STATE_HOME");
            if (string.IsNullOrEmpty(state) || !Path.IsPathRooted(state))
            {
                string home = Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
                state = home.Length > 0 ? Path.Combine(home, ".local", "state") : null;
            }

            return state is null ? null : Path.Combine(state, "toyvmm", "debug_history");
        }
    }

    /// <summary>Reads the lines, oldest first.</summary>
    public static IReadOnlyList<string> Read()
    {
        try
        {
            return Location is { } path && File.Exists(path) ? [.. File.ReadLines(path).Where(line => line.Length > 0 && !line.Any(char.IsControl)).TakeLast(MostLines)] : [];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    /// <summary>Writes the lines, for the user alone: they may have secrets of the guest.</summary>
    public static void Write(IReadOnlyList<string> lines)
    {
        try
        {
            if (Location is { } path)
            {
                _ = Directory.CreateDirectory(Path.GetDirectoryName(path)!);
                FileStreamOptions options = new() { Mode = FileMode.Create, Access = FileAccess.Write };
                if (!OperatingSystem.IsWindows())
                {
                    options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
                }

                using StreamWriter writer = new(path, options);
                foreach (string line in lines.TakeLast(MostLines))
                {
                    writer.WriteLine(line);
                }
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
        }
    }
}
