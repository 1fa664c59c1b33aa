using System.Reflection;
using System.Text.RegularExpressions;
using Xunit;

namespace ToyVmm.Tests.Tidy;

/// <summary>The rules of src/README.md that the compiler does not check.</summary>
public sealed partial class LayeringTests
{
    private static readonly string[] s_floors =
        ["ToyVmm.Hardware", "ToyVmm.Engines", "ToyVmm.VirtualMachines", "ToyVmm.Debugging", "ToyVmm.Cli"];

    public static TheoryData<string, string[]> InnerRules => new()
    {
        // A device knows buses, lines and the clock; never the CPU, paging, or where it is mapped.
        { "src/ToyVmm.Hardware/Devices", ["ToyVmm.Hardware.Cpu", "ToyVmm.Hardware.Paging", "ToyVmm.Engines", "ToyVmm.VirtualMachines"] },
        { "src/ToyVmm.Hardware/Buses", ["ToyVmm.Hardware.Devices", "ToyVmm.Hardware.Cpu", "ToyVmm.Hardware.Paging"] },
        { "src/ToyVmm.Hardware/Interrupts", ["ToyVmm.Hardware.Devices", "ToyVmm.Hardware.Cpu", "ToyVmm.Hardware.Paging"] },
        { "src/ToyVmm.Hardware/Time", ["ToyVmm.Hardware.Devices", "ToyVmm.Hardware.Cpu", "ToyVmm.Hardware.Buses"] },
        { "src/ToyVmm.Hardware/Memory", ["ToyVmm.Hardware.Devices", "ToyVmm.Hardware.Cpu", "ToyVmm.Hardware.Paging"] },

        // Engines return exits; they never see a device, a bus or the board.
        { "src/ToyVmm.Engines", ["ToyVmm.Hardware.Devices", "ToyVmm.Hardware.Buses", "ToyVmm.Hardware.Interrupts", "ToyVmm.Hardware.Time"] },

        // Loading touches memory and entry state only.
        { "src/ToyVmm.VirtualMachines/Loading", ["ToyVmm.Engines", "ToyVmm.Hardware.Cpu", "ToyVmm.Hardware.Buses", "ToyVmm.Hardware.Interrupts"] },
    };

    [Theory]
    [InlineData("ToyVmm.Hardware")]
    [InlineData("ToyVmm.Engines")]
    [InlineData("ToyVmm.VirtualMachines")]
    [InlineData("ToyVmm.Debugging")]
    [InlineData("ToyVmm.Cli")]
    public void A_project_refers_only_to_floors_below_it(string project)
    {
        string text = File.ReadAllText(Path.Combine(RepositoryFiles.Root, "src", project, project + ".csproj"));
        foreach (Match reference in ProjectReference().Matches(text))
        {
            string other = Path.GetFileNameWithoutExtension(reference.Groups[1].Value);
            Assert.True(Array.IndexOf(s_floors, other) < Array.IndexOf(s_floors, project), $"{project} refers to {other}");
        }
    }

    [Theory]
    [MemberData(nameof(InnerRules))]
    public void A_folder_does_not_use_what_it_must_not_know(string folder, string[] forbidden)
    {
        List<string> files = [.. RepositoryFiles.Sources(folder)];
        Assert.NotEmpty(files);
        foreach (string file in files)
        {
            string text = File.ReadAllText(file);
            Assert.DoesNotContain(forbidden, name => Regex.IsMatch(text, $@"^using (static )?{Regex.Escape(name)}[.;]", RegexOptions.Multiline));
        }
    }

    [Fact]
    public void Only_the_engines_use_Iced()
    {
        foreach (string file in RepositoryFiles.Sources("src"))
        {
            bool engines = file.Contains("ToyVmm.Engines", StringComparison.Ordinal);
            Assert.True(engines || !File.ReadAllText(file).Contains("using Iced", StringComparison.Ordinal), $"{file} uses Iced");
        }
    }

    [Fact]
    public void Hardware_needs_only_the_base_class_library()
    {
        string text = File.ReadAllText(Path.Combine(RepositoryFiles.Root, "src/ToyVmm.Hardware/ToyVmm.Hardware.csproj"));
        Assert.DoesNotContain("PackageReference", text, StringComparison.Ordinal);
    }

    [Fact]
    public void Nothing_below_the_command_line_uses_the_console()
    {
        foreach (string file in RepositoryFiles.Sources("src").Where(file => !file.Contains("ToyVmm.Cli", StringComparison.Ordinal)))
        {
            foreach (string line in File.ReadLines(file).Where(line => !line.TrimStart().StartsWith("//", StringComparison.Ordinal)))
            {
                Assert.False(ConsoleUse().IsMatch(line), $"{file}: {line.Trim()}");
            }
        }
    }

    [Theory]
    [InlineData("ToyVmm.Hardware")]
    [InlineData("ToyVmm.Engines")]
    [InlineData("ToyVmm.VirtualMachines")]
    public void There_is_no_static_mutable_state(string assembly)
    {
        const BindingFlags AllStatics = BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly;
        IEnumerable<FieldInfo> mutable = Assembly.Load(assembly).GetTypes()
            .Where(type => !type.Name.StartsWith('<') && !(type.DeclaringType?.Name.StartsWith('<') ?? false))
            .SelectMany(type => type.GetFields(AllStatics))
            .Where(field => !field.IsLiteral && !field.IsInitOnly && !IsCompilerGenerated(field));
        Assert.Empty(mutable.Select(field => $"{field.DeclaringType}.{field.Name}"));
    }

    [Fact]
    public void Nothing_is_left_for_later_in_a_comment()
    {
        foreach (string file in RepositoryFiles.Sources("src").Concat(RepositoryFiles.Sources("tests").Where(file => !file.EndsWith("LayeringTests.cs", StringComparison.Ordinal))))
        {
            foreach (string line in File.ReadLines(file))
            {
                Assert.False(Leftover().IsMatch(line), $"{file}: {line.Trim()}");
            }
        }
    }

    private static bool IsCompilerGenerated(FieldInfo field) =>
        field.Name.StartsWith('<') && !field.Name.EndsWith("k__BackingField", StringComparison.Ordinal);

    [GeneratedRegex("ProjectReference Include=\"([^\"]+)\"")]
    private static partial Regex ProjectReference();

    [GeneratedRegex(@"\bConsole\.(Write|Read|Out|Error|In)")]
    private static partial Regex ConsoleUse();

    [GeneratedRegex(@"//.*\b(TODO|FIXME|HACK|XXX)\b")]
    private static partial Regex Leftover();
}
