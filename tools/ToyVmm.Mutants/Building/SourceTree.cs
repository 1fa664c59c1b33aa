using System.Text;

namespace ToyVmm.Mutants.Building;

/// <summary>A copy of the repository's sources in a temporary directory, which is built and tested instead of the original.</summary>
internal sealed class SourceTree : IDisposable
{
    private readonly bool _keep;

    private SourceTree(string root, bool keep)
    {
        Root = root;
        _keep = keep;
    }

    /// <summary>The copy.</summary>
    public string Root { get; }

    /// <summary>Finds the clone that the current directory is in.</summary>
    /// <exception cref="UserErrorException">It is in none.</exception>
    public static string FindRepository()
    {
        for (DirectoryInfo? folder = new(Environment.CurrentDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "ToyVmm.sln")))
            {
                return folder.FullName;
            }
        }

        throw UserErrorException.File("no folder above has a ToyVmm.sln: run this from a clone of the repository");
    }

    /// <summary>Copies the files that git tracks, and new ones that it does not ignore, as they are in the working tree.</summary>
    /// <param name="repository">The clone.</param>
    /// <param name="keep">True to leave the copy behind.</param>
    /// <param name="cancellation">Stops it.</param>
    public static async Task<SourceTree> CopyAsync(string repository, bool keep, CancellationToken cancellation)
    {
        ToolResult list = await ToolProcess.RunAsync(
            "git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], repository, [], Timeout.InfiniteTimeSpan, cancellation).ConfigureAwait(false);
        if (list.ExitCode != 0)
        {
            throw UserErrorException.File($"git cannot list the sources of {repository}:\n{list.Output}");
        }

        SourceTree tree = new(Directory.CreateTempSubdirectory("toyvmm-mutants-").FullName, keep);
        foreach (string file in list.Output.Split('\0', StringSplitOptions.RemoveEmptyEntries))
        {
            string from = Path.Combine(repository, file);
            if (!File.Exists(from))
            {
                // Deleted, but not yet committed as such.
                continue;
            }

            string to = tree.PathOf(file);
            _ = Directory.CreateDirectory(Path.GetDirectoryName(to)!);
            File.Copy(from, to);
        }

        return tree;
    }

    /// <summary>A file of the copy.</summary>
    public string PathOf(string file) => Path.Combine(Root, file);

    /// <summary>Writes a file of the copy.</summary>
    public void Write(string file, string text) => File.WriteAllText(PathOf(file), text, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false));

    /// <inheritdoc/>
    public void Dispose()
    {
        if (!_keep)
        {
            Directory.Delete(Root, recursive: true);
        }
    }
}
