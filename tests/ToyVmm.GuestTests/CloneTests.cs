using System.Text;
using ToyVmm.Engines;
using ToyVmm.Hardware;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Comparing;
using ToyVmm.VirtualMachines.Loading;
using ToyVmm.VirtualMachines.Tracing;
using Xunit;

namespace ToyVmm.GuestTests;

/// <summary>Clones go on as the machine that they come from does, to the bit, whichever engine runs which; what one does none of the others sees.</summary>
public sealed class CloneTests
{
    private const ulong Most = 3_000_000_000;

    public static IEnumerable<object[]> Everything => from guest in GuestCatalog.All from engine in GuestRunner.Engines select new object[] { guest.Name, engine };

    /// <summary>Each guest is frozen twice on its way: the second image has pages of the first. Clones of both, on both engines, end as a run that nobody disturbed.</summary>
    [Theory]
    [MemberData(nameof(Everything))]
    public void A_clone_goes_on_as_its_template(string name, EngineKind engine)
    {
        GuestImage guest = GuestCatalog.Find(name);
        guest = guest.IsCompute ? guest with { Append = "1" } : guest;
        using VirtualMachine alone = Create(guest, engine);
        StopReason end = alone.Run(new RunLimits { MaxInstructions = Most });
        ulong length = alone.InstructionsRetired;
        Random random = new(name.Aggregate(41, (hash, letter) => (hash * 31) + letter));
        ulong first = (ulong)random.NextInt64((long)length);
        ulong second = (ulong)random.NextInt64((long)(length - first));
        using VirtualMachine source = Create(guest, engine);
        string before = RunOn(source, first);
        using MachineTemplate early = source.Freeze();
        string between = RunOn(source, second);
        using MachineTemplate late = source.Freeze();
        foreach (EngineKind other in GuestRunner.Engines)
        {
            using VirtualMachine clone = early.Clone(options => options with { Engine = other });
            Compare(alone, end, clone, before);
            using VirtualMachine lateClone = late.Clone(options => options with { Engine = other });
            Compare(alone, end, lateClone, before + between);
        }

        Compare(alone, end, source, "");
    }

    /// <summary>A clone, its template and a clone of the clone take turns, a few instructions each: nobody's stores reach another.</summary>
    [Theory]
    [InlineData("tasks")]
    [InlineData("smc")]
    [InlineData("paging-pae")]
    public void Clones_do_not_see_each_other(string name)
    {
        GuestImage guest = GuestCatalog.Find(name);
        using VirtualMachine alone = Create(guest, EngineKind.Auto);
        StopReason end = alone.Run(new RunLimits { MaxInstructions = Most });
        ulong length = alone.InstructionsRetired;
        using VirtualMachine source = Create(guest, EngineKind.Auto);
        string sent = RunOn(source, length / 3);
        using MachineTemplate template = source.Freeze();
        using VirtualMachine clone = template.Clone();
        string sentByClone = RunOn(clone, length / 3);
        using MachineTemplate second = clone.Freeze();
        using VirtualMachine grandchild = second.Clone(options => options with { Engine = EngineKind.Interpreter });
        ulong slice = Math.Max(length / 50, 1);
        for (int turn = 0; turn < 60; turn++)
        {
            foreach (VirtualMachine machine in (VirtualMachine[])[source, clone, grandchild])
            {
                ulong left = length - machine.InstructionsRetired;
                if (left > 1)
                {
                    Assert.Equal(StopKind.InstructionLimit, machine.Run(new RunLimits { MaxInstructions = Math.Min(slice, left - 1) }).Kind);
                }
            }
        }

        Compare(alone, end, source, "");
        Compare(alone, end, clone, sent);
        Compare(alone, end, grandchild, sent + sentByClone);
    }

    /// <summary>Debian's kernel, cloned in the middle of its boot: clones on two threads reach power-off, and the template's memory does not change under them.</summary>
    [TranslatorFact(NeedsFile = ".guests/linux/initrd.gz")]
    public void Debians_kernel_is_cloned_in_its_boot()
    {
        VirtualMachineOptions options = new()
        {
            Machine = new MachineConfig { MemorySize = 128u << 20 },
            Load = new LoadOptions { CommandLine = "console=ttyS0 quiet", InitialRamDisk = File.ReadAllBytes(LinuxGuest.InitialRamDisk) },
        };
        using VirtualMachine source = VirtualMachine.Create(File.ReadAllBytes(LinuxGuest.Kernel), options);
        Assert.Equal(StopKind.InstructionLimit, source.Run(new RunLimits { MaxInstructions = 3_000_000_000 }).Kind);
        using MachineTemplate template = source.Freeze();
        ulong frozen = StateHash.OfMemory(source.Machine.Memory);
        VirtualMachine[] clones = [template.Clone(), template.Clone()];
        Parallel.ForEach(clones, clone => Assert.Equal(StopKind.PowerOff, clone.Run(new RunLimits { MaxInstructions = 30_000_000_000 }).Kind));
        Assert.Equal(frozen, StateHash.OfMemory(source.Machine.Memory));
        Assert.Equal(Fingerprint(clones[0]), Fingerprint(clones[1]));
        Assert.Equal(clones[0].SerialOutput, clones[1].SerialOutput);
        using VirtualMachine third = template.Clone();
        Assert.Equal(frozen, StateHash.OfMemory(third.Machine.Memory));
        foreach (VirtualMachine clone in clones)
        {
            // Both have the pages that they did not write to from the template.
            Assert.InRange(clone.Machine.Memory.ResidentBytes, 1u, 100u << 20);
            clone.Dispose();
        }
    }

    private static VirtualMachine Create(GuestImage guest, EngineKind engine)
    {
        VirtualMachineOptions options = GuestRunner.Options(guest, engine, new TraceHash()) with { Observer = null, ExitObserver = null, ReadObserver = null };
        VirtualMachine vm = VirtualMachine.Create(File.ReadAllBytes(guest.ImagePath), options);
        if (guest.SerialInput is { } typed)
        {
            vm.Input.Enqueue(Encoding.Latin1.GetBytes(typed));
        }

        return vm;
    }

    // What was sent meanwhile.
    private static string RunOn(VirtualMachine machine, ulong instructions)
    {
        int sent = machine.SerialOutput.Length;
        if (instructions > 0)
        {
            Assert.Equal(StopKind.InstructionLimit, machine.Run(new RunLimits { MaxInstructions = instructions }).Kind);
        }

        return machine.SerialOutput[sent..];
    }

    private static void Compare(VirtualMachine alone, StopReason end, VirtualMachine machine, string before)
    {
        StopReason why = machine.Run(new RunLimits { MaxInstructions = Most });
        Assert.Equal((end.Kind, end.Code, end.Detail), (why.Kind, why.Code, why.Detail));
        Assert.Equal(alone.SerialOutput, before + machine.SerialOutput);
        Assert.Equal(Fingerprint(alone), Fingerprint(machine));
    }

    private static (ulong Instructions, ulong Cpu, ulong Memory, ulong Clock) Fingerprint(VirtualMachine machine) =>
        (machine.InstructionsRetired, StateHash.OfCpu(machine.Vcpu), StateHash.OfMemory(machine.Machine.Memory), machine.Machine.Clock.Now);
}
