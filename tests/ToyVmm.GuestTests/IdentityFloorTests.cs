using System.Globalization;
using System.Text;
using ToyVmm.Engines;
using ToyVmm.VirtualMachines;
using Xunit;

namespace ToyVmm.GuestTests;

/// <summary>
/// The dominant part of a guest's instructions runs on the host CPU unmodified, without the VMM (Popek and Goldberg's efficiency). How large
/// that part is for each guest is written down in <c>IdentityFloors.txt</c>; a change that makes it smaller fails here.
/// </summary>
public sealed class IdentityFloorTests
{
    private const string Linux = "linux";

    // What the issue of the translator asked for.
    private const double ComputeFloor = 0.90;

    private static readonly string s_file = Path.Combine(GuestCatalog.RepositoryRoot, "tests", "ToyVmm.GuestTests", "IdentityFloors.txt");
    private static readonly Dictionary<string, double> s_floors = Read();

    // What the host CPU does differently from the interpreter is left to the interpreter: on this test's numbers that must have no say.
    private static readonly TranslatorOptions s_translator = new() { Differing = new HashSet<Iced.Intel.Mnemonic>() };

    [Fact]
    public void Every_guest_has_a_floor_and_every_floor_a_guest()
    {
        Assert.Equal([.. GuestCatalog.All.Select(guest => guest.Name).Append(Linux).Order(StringComparer.Ordinal)], s_floors.Keys.Order(StringComparer.Ordinal));
        Assert.All(s_floors.Values, floor => Assert.InRange(floor, 0, 1));
        Assert.All(GuestCatalog.All.Where(guest => guest.IsCompute), guest => Assert.InRange(s_floors[guest.Name], ComputeFloor, 1));
    }

    [Theory]
    [MemberData(nameof(GuestCatalog.Names), MemberType = typeof(GuestCatalog))]
    public void A_guest_stays_above_its_floor(string name)
    {
        if (VirtualMachine.TranslatorUnavailable is not null)
        {
            return;
        }

        GuestImage guest = GuestCatalog.Find(name);
        VirtualMachineOptions options = GuestRunner.Options(guest, EngineKind.Translator, new(), s_translator) with { Observer = null, ExitObserver = null };
        using VirtualMachine vm = VirtualMachine.Create(File.ReadAllBytes(guest.ImagePath), options);
        if (guest.SerialInput is { } typed)
        {
            vm.Input.Enqueue(Encoding.Latin1.GetBytes(typed));
        }

        StopReason stop = vm.Run(new RunLimits { MaxInstructions = 3_000_000_000, Timeout = TimeSpan.FromSeconds(120) });
        Assert.Equal(guest.ExpectedStatus, stop.ExitStatus);
        AssertFloor(name, vm);
    }

    /// <summary>Debian's kernel, from its first instruction to power-off, without its tests of its own ciphers.</summary>
    [TranslatorFact(NeedsFile = LinuxGuest.LastFile)]
    public void Linux_stays_above_its_floor()
    {
        using VirtualMachine vm = LinuxGuest.Create(EngineKind.Translator, "console=ttyS0 quiet cryptomgr.notests");
        Assert.Equal(StopKind.PowerOff, vm.Run(new RunLimits { MaxInstructions = 30_000_000_000, Timeout = LinuxGuest.Limit }).Kind);
        AssertFloor(Linux, vm);
    }

    private static void AssertFloor(string name, VirtualMachine vm)
    {
        ulong identity = vm.Vcpu.Translation!.HostInstructions;
        double ratio = (double)identity / vm.InstructionsRetired;
        Assert.True(
            ratio >= s_floors[name],
            string.Create(CultureInfo.InvariantCulture, $"{name}: {identity} of {vm.InstructionsRetired} instructions ran unmodified on the host CPU, {ratio:0.0000}; its floor is {s_floors[name]:0.000} (IdentityFloors.txt)"));
    }

    private static Dictionary<string, double> Read() => File.ReadLines(s_file)
        .Where(line => line.Length > 0 && !line.StartsWith('#'))
        .Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        .ToDictionary(fields => fields[0], fields => double.Parse(fields[1], CultureInfo.InvariantCulture), StringComparer.Ordinal);
}
