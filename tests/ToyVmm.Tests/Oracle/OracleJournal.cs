using System.Globalization;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace ToyVmm.Tests.Oracle;

/// <summary>
/// What the host CPU is doing, in a file that outlives the process: an instruction that faults natively kills the test run
/// before any report, and then this says which seed and form to repeat. The file is gone after a run that ends well.
/// </summary>
public sealed class OracleJournal : IDisposable
{
    private const int Length = 256;

    private readonly SafeFileHandle file;

    /// <summary>Makes the file: toyvmm-host-cpu-(process)-(random).txt in the directory for temporary files.</summary>
    public OracleJournal()
    {
        Path = System.IO.Path.Combine(
            System.IO.Path.GetTempPath(),
            string.Create(CultureInfo.InvariantCulture, $"toyvmm-host-cpu-{Environment.ProcessId}-{System.IO.Path.GetRandomFileName()}.txt"));
        // Deleted by Dispose, which a killed process does not reach.
        file = File.OpenHandle(Path, FileMode.CreateNew, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete, FileOptions.DeleteOnClose);
    }

    /// <summary>Where it is.</summary>
    public string Path { get; }

    /// <summary>Replaces the entry. Handed to the kernel at once.</summary>
    public void Note(string entry) => RandomAccess.Write(file, Encoding.UTF8.GetBytes(entry.PadRight(Length)[..Length] + "\n"), 0);

    /// <inheritdoc/>
    public void Dispose() => file.Dispose();
}
