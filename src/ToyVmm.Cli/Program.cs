using ToyVmm.Cli.Commands;
using ToyVmm.Cli.Hosting;

namespace ToyVmm.Cli;

/// <summary>The process: runs a command and turns whatever happens into an exit status.</summary>
internal static class Program
{
    private static int Main(string[] arguments)
    {
        HostConsole console = new();
        try
        {
            return new CommandTree(console).Invoke(StrictOption.Spell(arguments));
        }
        catch (UserErrorException e)
        {
            console.Error.WriteLine($"toyvmm: {e.Message}");
            return e.Status;
        }
        catch (BrokenPipeException)
        {
            return ExitStatus.BrokenPipe;
        }
        catch (Exception e)
        {
            console.Error.WriteLine($"""
                toyvmm: internal error: this is a bug in ToyVmm, whatever the guest did.
                Please report it with the command line, the image, and the text below (version {ToolVersionText.Value}, {System.Runtime.InteropServices.RuntimeInformation.OSDescription}).
                {e}
                """);
            return ExitStatus.InternalError;
        }
    }
}
