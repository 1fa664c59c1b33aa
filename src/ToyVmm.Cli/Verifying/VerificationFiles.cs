using System.Globalization;
using System.Text.Json;
using ToyVmm.Cli.Guests;
using ToyVmm.VirtualMachines.Verification;

namespace ToyVmm.Cli.Verifying;

/// <summary>The files of a campaign: its state, its reports, its counterexamples.</summary>
internal static class VerificationFiles
{
    private const int StateVersion = 1;

    /// <summary>Refuses a report of a kind that there is not, before hours of work.</summary>
    public static void CheckReportName(string name)
    {
        if (Path.GetExtension(name) is not (".json" or ".html"))
        {
            throw UserErrorException.Usage($"--report {name}: the name must end in .json or .html");
        }

        // It is replaced only at the end: here only whether it can be.
        bool exists = File.Exists(name);
        Write(() => new FileStream(name, FileMode.OpenOrCreate, FileAccess.Write).Dispose(), "report", name);
        if (!exists)
        {
            File.Delete(name);
        }
    }

    /// <summary>Writes a report in the form that its name asks for.</summary>
    public static void WriteReport(string name, VerificationReport report)
    {
        using FileStream file = HostFile.Create(name, "report");
        using MemoryStream text = new();
        if (Path.GetExtension(name) == ".json")
        {
            JsonSerializer.Serialize(text, report, VerificationJson.Default.VerificationReport);
            text.WriteByte((byte)'\n');
        }
        else
        {
            using StreamWriter writer = new(text, leaveOpen: true);
            VerificationPage.Write(writer, report);
        }

        Write(() => file.Write(text.GetBuffer().AsSpan(0, (int)text.Length)), "report", name);
    }

    /// <summary>Reads what an earlier campaign left.</summary>
    /// <returns>Nothing where there is no such file.</returns>
    public static List<CampaignState> ReadState(string name)
    {
        if (!File.Exists(name))
        {
            HostFile.Create(name, "state").Dispose();
            return [];
        }

        byte[] bytes = HostFile.ReadAll(name, "state");
        if (bytes.Length == 0)
        {
            return [];
        }

        try
        {
            SavedCampaigns? saved = JsonSerializer.Deserialize(bytes, VerificationJson.Default.SavedCampaigns);
            if (saved is { SchemaVersion: StateVersion, Campaigns: not null } && saved.Campaigns.All(IsSound))
            {
                return [.. saved.Campaigns];
            }
        }
        catch (JsonException e)
        {
            throw new UserErrorException(ExitStatus.BadImage, $"the state {name} is damaged: {e.Message}");
        }

        throw new UserErrorException(ExitStatus.BadImage, $"the state {name} is not one that this version of ToyVmm wrote");
    }

    /// <summary>Writes the state beside the old one, which it then replaces: an interruption loses nothing.</summary>
    public static void WriteState(string name, IReadOnlyList<CampaignState> campaigns)
    {
        string next = name + ".next";
        using (FileStream file = HostFile.Create(next, "state"))
        {
            Write(
                () =>
                {
                    JsonSerializer.Serialize(file, new SavedCampaigns(StateVersion, campaigns), VerificationJson.Default.SavedCampaigns);
                    file.Flush(flushToDisk: true);
                },
                "state",
                next);
        }

        Write(() => File.Move(next, name, overwrite: true), "state", name);
    }

    /// <summary>Writes the counterexamples' sources and images, and says where.</summary>
    public static void WriteCounterexamples(string folder, IEnumerable<Counterexample> found, TextWriter log)
    {
        foreach (Counterexample example in found)
        {
            string path = Path.Combine(folder, NameOf(example));
            Write(
                () =>
                {
                    _ = Directory.CreateDirectory(folder);
                    File.WriteAllText(path + ".txt", $"{example.Summary}\n{example.Detail}\n");
                    if (example.Source is { } source)
                    {
                        File.WriteAllText(path + ".asm", source);
                    }

                    if (example.Image is { } image)
                    {
                        File.WriteAllBytes(path + ".bin", image.Span);
                    }
                },
                "counterexample",
                path);
            log.WriteLine($"toyvmm: a counterexample: {path}{(example.Source is null ? ".txt" : ".asm")}");
            if (example is { Source: not null, Image: not null, Property: "equivalence" or "efficiency" })
            {
                // The machine that the programs of these two run on, stopped where the parties begin to disagree.
                string place = example.FirstDivergence is { } count ? string.Create(CultureInfo.InvariantCulture, $" --goto {count}") : "";
                log.WriteLine($"toyvmm: to look at it: toyvmm debug {path}.bin --memory 2M{place}");
            }
        }
    }

    /// <summary>The name of a counterexample's files, without their ends.</summary>
    public static string NameOf(Counterexample example) => string.Create(CultureInfo.InvariantCulture, $"{example.Property}-{example.Seed}");

    private static bool IsSound(CampaignState state) => state is { Property: not null, Pieces: not null, Tally: { Counts: not null, Worst: not null, Coverage: not null }, Counterexamples: not null }
        && !state.Counterexamples.Contains(null!);

    private static void Write(Action write, string what, string name)
    {
        try
        {
            write();
        }
        catch (Exception e) when (HostFile.IsFileProblem(e))
        {
            throw UserErrorException.File($"cannot write the {what} {name}: {HostFile.ReasonToWrite(e)}");
        }
    }
}
