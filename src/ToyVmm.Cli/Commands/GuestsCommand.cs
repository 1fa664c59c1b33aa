using System.CommandLine;
using System.Globalization;
using ToyVmm.Cli.Guests;
using ToyVmm.Cli.Hosting;

namespace ToyVmm.Cli.Commands;

/// <summary>toyvmm guests: the course inside the tool.</summary>
internal sealed class GuestsCommand(HostConsole console)
{
    private readonly Argument<string?> _name = new("name") { Description = "A guest to tell more about.", Arity = ArgumentArity.ZeroOrOne };
    private readonly Option<string> _extract = new("--extract") { HelpName = "DIR", Description = "Write all sources and images into a directory." };

    /// <summary>Makes the command.</summary>
    public Command Create()
    {
        Command command = new("guests", "List the built-in guests, tell about one, or write them out.");
        command.Arguments.Add(_name);
        command.Options.Add(_extract);
        command.SetAction(Run);
        return command;
    }

    private int Run(ParseResult parsed)
    {
        if (parsed.GetValue(_extract) is { } directory)
        {
            Extract(directory);
        }
        else if (parsed.GetValue(_name) is { } name)
        {
            Show(BuiltInGuests.Find(name) ?? throw UserErrorException.File($"there is no built-in guest '{name}'; `toyvmm guests` lists them"));
        }
        else
        {
            List();
        }

        return ExitStatus.Success;
    }

    private void Extract(string directory)
    {
        try
        {
            int count = BuiltInGuests.Extract(directory);
            console.Output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{count} files written to {directory}; README.md there is the way in."));
        }
        catch (Exception e) when (HostFile.IsFileProblem(e))
        {
            throw UserErrorException.File($"cannot write to {directory}: {HostFile.ReasonToWrite(e)}");
        }
    }

    private void Show(BuiltInGuest guest)
    {
        string[] head = BuiltInGuests.SourceHead(guest.SourceName);
        foreach (string line in head)
        {
            console.Output.WriteLine(line);
        }

        console.Output.WriteLine();
        string input = BuiltInGuests.HeadField(head, "serial-input") is { } text ? $"printf '{text}' | " : "";
        string memory = BuiltInGuests.HeadField(head, "memory") is { } size ? $" --memory {size}" : "";
        string append = BuiltInGuests.HeadField(head, "append") is { } commandLine ? $" --append '{commandLine}'" : "";
        console.Output.WriteLine($"Run it:    {input}toyvmm run {guest.Name}{memory}{append}");
        console.Output.WriteLine($"Look at:   toyvmm disasm {guest.Name}, toyvmm run {guest.Name} --trace exits");
        console.Output.WriteLine($"Source:    {guest.SourceName} (toyvmm guests --extract DIR writes it out)");
    }

    private void List()
    {
        GuestTable.Write(console, BuiltInGuests.List());
        console.Output.WriteLine();
        console.Output.WriteLine("`toyvmm run NAME` runs one, `toyvmm guests NAME` tells more about it.");
    }
}
