using ToyVmm.VirtualMachines.Hypercalls;
using Xunit;

namespace ToyVmm.Tests.Hypercalls;

/// <summary>One table: what guests include and people read is written from it. TOYVMM_ACCEPT=1 writes the files anew.</summary>
public sealed class HypercallTextTests
{
    /// <summary>The C header.</summary>
    [Fact]
    public void CHeaderIsTheTables() => Compare("guest-images/include/hypercalls.h", HypercallText.CHeader());

    /// <summary>The NASM include.</summary>
    [Fact]
    public void NasmIncludeIsTheTables() => Compare("guest-images/include/hypercalls.inc", HypercallText.NasmInclude());

    /// <summary>The manual.</summary>
    [Fact]
    public void ManualIsTheTables() => Compare("docs/hypercalls.md", HypercallText.Manual());

    /// <summary>Numbers are places in the table, twelve of them; structures have no holes but the one that is meant.</summary>
    [Fact]
    public void TableIsWhole()
    {
        Assert.Equal(Enum.GetValues<Hypercall>(), HypercallCatalog.Calls.Select(call => call.Call));
        Assert.Equal(12, HypercallCatalog.Calls.Count);
        Assert.Equal(0xFFFu, HypercallCatalog.Features);
        foreach (IReadOnlyList<GuestField> structure in (IReadOnlyList<GuestField>[])[HypercallCatalog.ClockPage, HypercallCatalog.TableEntry])
        {
            int end = 0;
            foreach (GuestField field in structure)
            {
                Assert.Equal(end, field.Offset);
                Assert.Equal(0, field.Offset % field.Size);
                end += field.Size;
            }
        }

        Assert.All(HypercallCatalog.Calls.SelectMany(call => call.Errors), row => Assert.Contains(HypercallCatalog.Errors, error => error.Value == (uint)row.Error));
    }

    private static void Compare(string name, string actual)
    {
        string file = Path.Combine(RepositoryFiles.Root, name);
        if (Environment.GetEnvironmentVariable("TOYVMM_ACCEPT") == "1")
        {
            File.WriteAllText(file, actual);
        }

        Assert.True(File.Exists(file), $"{file} is missing: run the tests with TOYVMM_ACCEPT=1 and review the diff");
        Assert.Equal(File.ReadAllText(file), actual);
    }
}
