using ToyVmm.Debugging.Terminal;
using ToyVmm.Engines;
using ToyVmm.VirtualMachines;
using Xunit;

namespace ToyVmm.Tests.Debugging.Terminal;

/// <summary>Every command of the prompt has help, and examples that do what they say.</summary>
public sealed class CommandTableTests
{
    public static IEnumerable<object[]> Commands => CommandTable.All.Select(command => new object[] { command.Name });

    [Fact]
    public void Names_are_unique()
    {
        string[] names = [.. CommandTable.Names];
        Assert.Equal(names.Length, names.Distinct().Count());
        Assert.All(names, name => Assert.Equal(name, name.Trim().ToLowerInvariant()));
    }

    [Theory]
    [MemberData(nameof(Commands))]
    public void A_command_has_help_and_examples(string name)
    {
        CommandDefinition command = CommandTable.Find(name)!;
        Assert.NotEmpty(command.Summary);
        Assert.NotEmpty(command.Examples);
        Assert.DoesNotMatch("[.]$", command.Summary);
        Assert.All(command.Aliases, alias => Assert.Same(command, CommandTable.Find(alias)));
        using DebuggedGuest guest = new("hello/hello.bin");
        string help = guest.Do("help " + name);
        Assert.All(command.Examples, example => Assert.Contains(example.Line, help, StringComparison.Ordinal));
        Assert.Contains(name, guest.Do("help"), StringComparison.Ordinal);
    }

    /// <summary>In the middle of a kernel, with two breakpoints, a history, and a recording that ends.</summary>
    [Theory]
    [MemberData(nameof(Commands))]
    public void Its_examples_run(string name)
    {
        string folder = Directory.CreateTempSubdirectory("toyvmm-test-").FullName;
        try
        {
            foreach (EngineKind engine in DebuggedGuest.Engines.Select(row => (EngineKind)row[0]))
            {
                foreach (CommandExample example in CommandTable.Find(name)!.Examples)
                {
                    using DebuggedGuest guest = new("kernel/kernel.elf", engine, new CommandInterpreterOptions { Directory = folder });
                    _ = guest.Do("until at 200_000");
                    _ = guest.Do("break 0x7c00");
                    _ = guest.Do("break 0x7c02");
                    CommandReply reply = guest.Interpreter.Execute(example.Line);

                    // The course's kernel is built without line tables, and no block may begin at the next instruction.
                    bool mayFail = name switch
                    {
                        "list" => reply.Text.Contains("no source lines", StringComparison.Ordinal),
                        "translated" => reply.Text.Contains("decoded no block", StringComparison.Ordinal),
                        _ => false,
                    };
                    Assert.True(!reply.IsError || mayFail, $"{example.Line}: {reply.Text}");
                    Assert.True(mayFail || !reply.Text.Contains("unavailable", StringComparison.Ordinal), $"{example.Line}: {reply.Text}");
                }
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>The reference is made from the table: TOYVMM_ACCEPT=1 writes it anew.</summary>
    [Fact]
    public void The_documentation_has_the_reference()
    {
        const string Begin = "<!-- made from the table of the commands -->\n";
        string file = Path.Combine(RepositoryFiles.Root, "docs", "debug.md");
        string text = File.ReadAllText(file);
        int at = text.IndexOf(Begin, StringComparison.Ordinal) + Begin.Length;
        Assert.True(at > Begin.Length, "docs/debug.md has no mark for the reference");
        string wanted = text[..at] + "\n" + CommandReference.ToMarkdown().TrimEnd() + "\n";
        if (Environment.GetEnvironmentVariable("TOYVMM_ACCEPT") == "1")
        {
            File.WriteAllText(file, wanted);
        }

        Assert.Equal(wanted, File.ReadAllText(file));
    }
}
