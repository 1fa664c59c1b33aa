using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Verification;
using ToyVmm.VirtualMachines.Verification.Efficiency;
using ToyVmm.VirtualMachines.Verification.Equivalence;
using ToyVmm.VirtualMachines.Verification.Isolation;
using ToyVmm.VirtualMachines.Verification.Programs;

namespace ToyVmm.Cli.Verifying;

/// <summary>The properties by name, with whoever can judge them on this host.</summary>
internal static class PropertyCatalog
{
    /// <summary>The names, in the order in which all of them are checked.</summary>
    public static IReadOnlyList<string> Names { get; } = ["equivalence", "efficiency", "isolation"];

    /// <summary>Makes a property.</summary>
    /// <param name="name">One of <see cref="Names"/>.</param>
    /// <param name="qemuEvery">QEMU runs one in so many of the programs that it could; 0 for none.</param>
    public static IVerifiedProperty Load(string name, ulong qemuEvery) => name switch
    {
        "equivalence" => Equivalence(qemuEvery),
        "efficiency" => VirtualMachine.TranslatorUnavailable is { } reason
            ? throw UserErrorException.Usage($"efficiency is about the translator, which cannot run here: {reason}")
            : new EfficiencyProperty(),
        "isolation" => new IsolationProperty(),
        _ => throw new ArgumentOutOfRangeException(nameof(name), name, "no such property"),
    };

    private static EquivalenceProperty Equivalence(ulong qemuEvery)
    {
        List<JudgeSource> judges = [];
        List<string> absent = [];
        if (HostJudge.Unavailable is { } noHost)
        {
            absent.Add($"without the host CPU: {noHost}");
        }
        else
        {
            judges.Add(new JudgeSource("host CPU", () => new HostJudge()));
        }

        if (qemuEvery == 0)
        {
            absent.Add("without QEMU: not asked (--qemu-every 0)");
        }
        else if (QemuJudge.Unavailable is { } noQemu)
        {
            absent.Add($"without QEMU: {noQemu}");
        }
        else
        {
            judges.Add(new JudgeSource("QEMU", () => new QemuJudge(qemuEvery)));
        }

        string? noTranslator = VirtualMachine.TranslatorUnavailable;
        if (noTranslator is not null)
        {
            absent.Add($"without the translator: {noTranslator}");
        }

        if (noTranslator is not null && judges.Count == 0)
        {
            throw UserErrorException.Usage($"there is nobody to compare the interpreter with: {string.Join("; ", absent)}");
        }

        return new EquivalenceProperty(noTranslator is null ? EngineSetting.Translators : [], judges, absent);
    }
}
