using System.Globalization;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Text;
using ToyVmm.Hardware.Cpu;
using Xunit;

namespace ToyVmm.Tests.Golden;

/// <summary>
/// What others build on, held by files: the public surface of the library and the layout of the CPU's state. A change is a
/// reviewed diff; TOYVMM_ACCEPT=1 writes the files anew.
/// </summary>
public sealed class GoldenTests
{
    [Theory]
    [InlineData("ToyVmm.Debugging")]
    [InlineData("ToyVmm.VirtualMachines")]
    [InlineData("ToyVmm.Engines")]
    [InlineData("ToyVmm.Hardware")]
    public void The_public_surface_is_the_documented_one(string assembly)
    {
        StringBuilder text = new();
        foreach (Type type in Assembly.Load(assembly).GetExportedTypes().OrderBy(type => type.FullName, StringComparer.Ordinal))
        {
            _ = text.Append(Kind(type)).Append(' ').Append(type.FullName).Append('\n');
            IEnumerable<string> members = type
                .GetMembers(BindingFlags.Public | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly)
                .Where(member => member is not MethodInfo { IsSpecialName: true } && member is not Type && !member.Name.Contains('<', StringComparison.Ordinal))
                .Select(member => $"    {member}")
                .Order(StringComparer.Ordinal);
            foreach (string member in members)
            {
                _ = text.Append(member).Append('\n');
            }
        }

        Compare($"{assembly}.api.txt", text.ToString());
    }

    [Fact]
    public void The_layout_of_the_state_is_locked()
    {
        StringBuilder text = new();
        foreach (Type type in new[] { typeof(CpuState), typeof(SegmentCache), typeof(TlbEntry) })
        {
            _ = text.Append(CultureInfo.InvariantCulture, $"{type.Name}, {Marshal.SizeOf(type)} bytes\n");
            foreach (FieldInfo field in type.GetFields(BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance))
            {
                _ = text.Append(CultureInfo.InvariantCulture, $"{(int)Marshal.OffsetOf(type, field.Name),5}  {field.Name}\n");
            }
        }

        Compare("CpuState.layout.txt", text.ToString());
    }

    private static string Kind(Type type) =>
        type.IsEnum ? "enum" : type.IsInterface ? "interface" : type.IsValueType ? "struct" : type.IsAbstract && type.IsSealed ? "static class" : "class";

    private static void Compare(string name, string actual)
    {
        string file = Path.Combine(RepositoryFiles.Root, "tests", "ToyVmm.Tests", "Golden", name);
        if (Environment.GetEnvironmentVariable("TOYVMM_ACCEPT") == "1")
        {
            File.WriteAllText(file, actual);
        }

        Assert.True(File.Exists(file), $"{file} is missing: run the tests with TOYVMM_ACCEPT=1 and review the diff");
        Assert.Equal(File.ReadAllText(file), actual);
    }
}
