using ToyVmm.Cli.Guests;
using ToyVmm.Cli.Hosting;
using ToyVmm.VirtualMachines.Symbols;

namespace ToyVmm.Cli.Advising;

/// <summary>The symbols of a run: those of the files that were named, and those that the image has.</summary>
internal static class GuestSymbols
{
    /// <summary>Reads them.</summary>
    /// <param name="files">What --symbols names; the first that knows an address has the word.</param>
    /// <param name="image">The image.</param>
    /// <param name="console">Told where the image's own symbols are malformed.</param>
    /// <param name="quiet">True to leave malformed symbols of the image out without a word: nobody has asked for them.</param>
    /// <exception cref="UserErrorException">A file cannot be read, or has no symbols.</exception>
    public static SymbolTable Read(IEnumerable<string> files, ImageSource image, HostConsole console, bool quiet = false)
    {
        SymbolTable symbols = SymbolTable.Empty;
        foreach (string path in files)
        {
            try
            {
                symbols = symbols.With(SymbolFile.Read(HostFile.ReadAll(path, "symbol file")));
            }
            catch (InvalidSymbolsException e)
            {
                throw new UserErrorException(ExitStatus.BadImage, $"--symbols {path}: {e.Message}");
            }
        }

        if (image.Bytes is { } bytes)
        {
            symbols = symbols.With(SymbolFile.ReadFromImage(bytes, out string? problem));
            if (problem is not null && !quiet)
            {
                console.Error.WriteLine($"toyvmm: the image's symbols are left out: {problem}");
            }
        }

        return symbols;
    }
}
