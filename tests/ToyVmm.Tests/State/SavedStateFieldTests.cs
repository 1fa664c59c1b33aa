using System.Reflection;
using ToyVmm.Engines;
using ToyVmm.Engines.Interpretation;
using ToyVmm.Hardware;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Devices;
using ToyVmm.Hardware.Memory;
using ToyVmm.VirtualMachines;
using Xunit;
using Xunit.Abstractions;

namespace ToyVmm.Tests.State;

/// <summary>
/// No state is forgotten: every field of every chip, of the CPU and of the run loop that can change - found by reflection - is changed, saved, and
/// found changed in another machine; or it stands in a list, with the reason why it is not saved.
/// </summary>
public sealed class SavedStateFieldTests(ITestOutputHelper output)
{
    private static readonly Dictionary<string, string> s_notSaved = new()
    {
        ["Machine._config"] = "the configuration: the same by agreement",
        ["Machine._lowBiosFirst"] = "follows from the configuration, set once",
        ["Machine._underLocalApic"] = "outside A0000-FFFFF it follows from the rest of the map; own test",
        ["Machine.Memory"] = "RAM is saved by itself",
        ["VirtualClock.NextDeadline"] = "the least of the timers' deadlines",
        ["VirtualClock._advancing"] = "true only while AdvanceTo runs",
        ["PortBus._latches"] = "of each latch port only; own test",
        ["PortBus._latchPorts"] = "the board's wiring",
        ["MmioBus._mappings"] = "the board's wiring, and what moves on it: own test",
        ["VectorBitmap._used"] = "follows from the words",
        ["SharedLine._high"] = "how many of its inputs are high",
        ["SharedLine._inputs"] = "the board's wiring; the levels are walked through the chips that drive them",
        ["VgaCells._shared"] = "which pieces other machines have too: copied before they change",
        ["VgaMemory._wanted"] = "follows from the registers, with which it must agree; own test",
        ["VgaMemory._open"] = "must agree with the registers; own test",
        ["PciFunction._initial"] = "declared in the constructor",
        ["PciFunction._writable"] = "declared in the constructor",
        ["PciVga._rom"] = "the card's ROM: the configuration",
        ["WrittenSectors._checkpoints"] = "the way back, which checkpoints are for",
        ["FileDiskImage._file"] = "the host's file",
        ["FileDiskImage._unflushed"] = "whether the host's file waits for a flush: the host's affair",
        ["AtaDevice._block"] = "only what the transfer in flight moves, its beginning; own test",
        ["Vcpu._cancelRequested"] = "the host's wish to stop, not the guest's state",
        ["Vcpu.Model"] = "the configuration",
        ["Vcpu.Memory"] = "RAM is saved by itself",
        ["Vcpu.Ports"] = "wiring",
        ["Vcpu.Observer"] = "the host looks",
        ["Vcpu.Stops"] = "what a debugger waits for",
        ["Vcpu.StopHits"] = "what a debugger waited for and was met",
        ["Vcpu.PassedAt"] = "where a debugger let the guest go on",
        ["Vcpu.InsideString"] = "wiring",
        ["Vcpu.Costs"] = "the host measures",
        ["Vcpu.Translation"] = "the host counts",
        ["Vcpu.Autopsy"] = "has its own test",
        ["Mmu.Tlb"] = "native memory; own tests",
        ["Mmu.PhysicalMask"] = "the A20 gate's state, set from it",
        ["Tlb._spaces"] = "native memory; own tests",
        ["VirtualMachine._engine"] = "has its own list",
        ["VirtualMachine._exits"] = "no state",
        ["VirtualMachine._traps"] = "counts for the host",
        ["VirtualMachine._serialOutput"] = "what has been said is the host's",
        ["VirtualMachine._options"] = "the configuration",
        ["VirtualMachine._logger"] = "wiring",
        ["VirtualMachine._host"] = "host time",
        ["VirtualMachine._costs"] = "the host measures",
        ["VirtualMachine._imageFile"] = "what the machine was made from",
        ["VirtualMachine.Image"] = "what the machine was made from",
        ["VirtualMachine._stopRequested"] = "the host's wish to stop",
        ["VirtualMachine._mustLook"] = "set when a run begins, read while it goes on",
        ["VgaAperture.IsAsleep"] = "true only while a clone's board is built",
        ["Vcpu.BlocksDecoded"] = "the host counts",
        ["Vcpu.ExitInstruction"] = "of the last exit, for the host's profile",
        ["HypercallHandler._words"] = "scratch: filled before each use",
        ["ClockPage._idle"] = "what _idleNanoseconds was computed from",
        ["ClockPage._idleNanoseconds"] = "follows from the idle time",
        ["DiskMeter.BytesWritten"] = "the host counts",
        ["DiskMeter.SectorsRead"] = "the host counts",
        ["DiskMeter.Flushes"] = "the host counts",
        ["VirtualMachine.SerialBytesSent"] = "the host counts",
        ["VirtualMachine.SerialBytesShown"] = "the host counts",
        ["VirtualMachine._checkpoints"] = "the way back, which checkpoints are for",
        ["VirtualMachine._warmsUp"] = "set when a run begins",
        ["VirtualMachine._warmUpEnd"] = "set when a run begins",
        ["VirtualMachine._lastExit"] = "the limit of a run",
        ["VirtualMachine.HypercallUnits"] = "the host counts",
        ["VirtualMachine._unitsAtLook"] = "tells a run to look at the host",
        ["VirtualMachine._isDisposed"] = "the end of the object, not of the guest",
        ["VirtualMachine._lookEvery"] = "set when a run begins",
        ["VirtualMachine._longWork"] = "tells a run to look at the host",
        ["VirtualMachine._endsAtYield"] = "the limit of a run",
        ["VirtualMachine._accessesLeft"] = "set when a run begins",
        ["VirtualMachine._hostLookAt"] = "set when a run begins",
        ["VirtualMachine._lastInstruction"] = "the limit of a run",
        ["Vcpu.LeaveAtEvent"] = "follows from the log",
        ["VirtualMachine._replayAt"] = "follows from the log",
        ["VirtualMachine._replays"] = "set when a run begins",
        ["VirtualMachine._cutString"] = "where input waits: set at a restore",
        ["VirtualMachine._injectedAt"] = "where input waits: set at a restore",
        ["VirtualMachine.Replay"] = "the host's log",
        ["VirtualMachine.Divergence"] = "follows from the log",
        ["VirtualMachine._slack"] = "how patiently the host sleeps",
        ["VirtualMachine.Statistics"] = "counts for the host",
        ["VirtualMachine.Naive"] = "the monitor that is wrong on purpose",
        ["InputQueue._open"] = "whether the host has more",
        ["InputQueue._mayHaveInput"] = "a hint, true after a restore",
        ["InputQueue._arrived"] = "the host's event",
        ["DriveBay._images"] = "the host's files, walked as drives",
    };

    // What the engine does not share with the one that it is restored into: it derives from memory and CPU, or serves one run only.
    private static readonly Dictionary<string, string> s_notSavedOfTheEngine = new()
    {
        ["_hostX87"] = "the host's unit",
        ["_hostX87Tried"] = "the host's unit",
        ["_external"] = "within one delivery",
        ["_chainLength"] = "within one delivery: the faults on the way to a triple fault",
        ["Stores"] = "within one delivery",
        ["_flatMask"] = "who looks on",
        ["_longSelectors"] = "who looks on",
        ["_watchedFrames"] = "what a debugger waits for",
        ["_watchedPages"] = "what a debugger waits for",
        ["_runAlone"] = "within one instruction",
        ["_delivering"] = "within one delivery",
        ["_lastMode"] = "follows from the registers",
        ["_left"] = "the budget of a run",
        ["_retiredAtEnd"] = "the budget of a run",
        ["_tlbMemory"] = "a projection of the TLB",
        ["_filledCount"] = "a projection of the TLB",
        ["_writeFirst"] = "within one instruction",
        ["_writeSecond"] = "within one instruction",
        ["_writeFirstLength"] = "within one instruction",
        ["_writeLength"] = "within one instruction",
        ["PageLookups"] = "a count for the host",
        ["EmptyPage"] = "constant",
        ["FaultVector"] = "within one instruction",
        ["FaultError"] = "within one instruction",
        ["FaultCause"] = "within one instruction",
        ["FaultAddress"] = "within one instruction",
        ["FaultDescriptor"] = "within one instruction",
        ["InterruptedString"] = "within one run: the run loop takes note",
        ["Substitute"] = "wiring",
        ["StopAt"] = "within one block",
        ["LinkSlot"] = "within one run",
        ["StringElementsLeft"] = "within one run",
        ["Translated"] = "emitted code",
        ["LongestBlock"] = "configuration",
        ["RequestedExit"] = "within one run",
    };

    [Fact]
    public void Every_field_that_changes_is_saved()
    {
        using MachineFixture from = new();
        using MachineFixture to = new();
        byte[] before = from.Vm.SaveState();
        to.Vm.RestoreState(before);
        IReadOnlyList<FieldLeaf> sources = Find(from.Vm);
        IReadOnlyList<FieldLeaf> targets = Find(to.Vm);
        Assert.Equal(sources.Select(leaf => leaf.Path), targets.Select(leaf => leaf.Path));
        List<string> forgotten = [];
        int checkedOnly = 0;
        for (int n = 0; n < sources.Count; n++)
        {
            bool? carried = IsCarried(from.Vm, to.Vm, sources[n], targets[n]);
            checkedOnly += carried is null ? 1 : 0;
            if (carried == false)
            {
                forgotten.Add(sources[n].Path);
            }

            to.Vm.RestoreState(before);
            Assert.Equal(before, from.Vm.SaveState());
        }

        output.WriteLine($"{sources.Count} values; {checkedOnly} of them take no other value here");
        Assert.True(forgotten.Count == 0, string.Join('\n', forgotten));
        Assert.True(sources.Count > 500, $"only {sources.Count} values were found: is the walk still whole?");
    }

    /// <summary>An exclusion that names nothing hides something one day.</summary>
    [Fact]
    public void Every_exclusion_names_a_field()
    {
        HashSet<string> names = [.. Fields(typeof(Machine).Assembly), .. Fields(typeof(Vcpu).Assembly), .. Fields(typeof(VirtualMachine).Assembly)];
        Assert.Equal("", string.Join(", ", s_notSaved.Keys.Where(name => !names.Contains(name))));
        Assert.DoesNotContain(s_notSavedOfTheEngine.Keys, name => !names.Contains("Interpreter." + name));
    }

    [Fact]
    public void Every_field_of_the_engine_is_saved_or_has_a_reason_not_to_be()
    {
        string[] saved = ["_insideString", "_debugConditions", "_stepTrap", "_resumeFlag", "_suspended", "IsSingleStepping", "ShadowBefore"];
        const BindingFlags Instance = BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly;
        IEnumerable<string> changing = typeof(Interpreter).GetFields(Instance).Where(field => !field.IsInitOnly).Select(field => Clean(field.Name));
        Assert.Empty(changing.Except(saved).Except(s_notSavedOfTheEngine.Keys));

        using MachineFixture from = new();
        using MachineFixture to = new();
        foreach (string name in saved)
        {
            FieldInfo field = typeof(Interpreter).GetFields(Instance).Single(field => Clean(field.Name) == name);
            object? old = field.GetValue(from.Vm.Engine);
            object? other = FieldWalker.OthersThan(old, field.FieldType).First();
            field.SetValue(from.Vm.Engine, other);
            to.Vm.RestoreState(from.Vm.SaveState());
            Assert.Equal(other, field.GetValue(to.Vm.Engine));
            field.SetValue(from.Vm.Engine, old);
        }
    }

    /// <summary>The register file, byte by byte: what is architectural arrives, the rest is derived.</summary>
    [Fact]
    public unsafe void Every_register_is_saved()
    {
        using MachineFixture from = new();
        using MachineFixture to = new();
        CpuState* source = from.Vm.Vcpu.State;
        CpuState* target = to.Vm.Vcpu.State;
        int length = (int)((byte*)&source->Tlb - (byte*)source);
        string[] others = [nameof(CpuState.Zero), nameof(CpuState.Retired)];
        HashSet<int> excluded = [.. typeof(CpuState).GetFields()
            .Where(field => others.Contains(field.Name))
            .SelectMany(field => Enumerable.Range((int)System.Runtime.InteropServices.Marshal.OffsetOf<CpuState>(field.Name), 8))];
        int refused = 0;
        for (int at = 0; at < length; at++)
        {
            byte old = ((byte*)source)[at];
            foreach (byte bit in (byte[])[1, 2, 0x80])
            {
                ((byte*)source)[at] = (byte)(old ^ bit);
                uint flags = LazyFlags.GetEflags(source);
                try
                {
                    to.Vm.RestoreState(from.Vm.SaveState());
                    bool isFlags = at >= (byte*)&source->FlagsResult - (byte*)source && at < (byte*)&source->OtherFlags - (byte*)source;
                    Assert.True(isFlags || ((byte*)target)[at] == (byte)(old ^ bit), $"the byte at {at} does not arrive");
                    Assert.Equal(flags, LazyFlags.GetEflags(target));
                }
                catch (InvalidStateException)
                {
                    refused++;
                }

                ((byte*)source)[at] = old;
            }
        }

        Assert.InRange(refused, 8, 100);
    }

    private static IReadOnlyList<FieldLeaf> Find(VirtualMachine vm) => FieldWalker.Find(
        vm,
        type => type.Namespace is { } name && name.StartsWith("ToyVmm.", StringComparison.Ordinal) && !type.IsValueType && type != typeof(GuestMemory),
        name => s_notSaved.ContainsKey(name));

    private static IEnumerable<string> Fields(Assembly assembly) =>
        from type in assembly.GetTypes()
        from field in type.GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly)
        select $"{type.Name}.{Clean(field.Name)}";

    private static string Clean(string name) => name.StartsWith('<') ? name[1..name.IndexOf('>', StringComparison.Ordinal)] : name;

    // Null where no other value is accepted: then it is checked, so it is saved.
    private static bool? IsCarried(VirtualMachine from, VirtualMachine to, FieldLeaf source, FieldLeaf target)
    {
        object? old = source.Get();
        IEnumerable<object?> others = old is object?[] items && old is not byte[]? [.. Longer(source, items)] : FieldWalker.OthersThan(old, source.Type);
        try
        {
            foreach (object? other in others)
            {
                source.Set(other);
                try
                {
                    to.RestoreState(from.SaveState());
                }
                catch (InvalidStateException)
                {
                    continue;
                }

                return FieldWalker.AreEqual(target.Get(), other);
            }

            return null;
        }
        finally
        {
            source.Set(old);
        }
    }

    private static IEnumerable<object?[]> Longer(FieldLeaf leaf, object?[] items) => leaf.Owner switch
    {
        "Keyboard8042._answers" or "Serial16550._received" => [[.. items, ((byte)0x12, (byte)0x04)]],
        "Ps2Keyboard._typed" => [[.. items, (Ps2Key.A, true)]],
        "InputQueue._keys" => [[.. items, new KeyInput(Ps2Key.A, true)]],
        "InputQueue._mouse" => [[.. items, new MouseEvent(1, -2, 3, MouseButtons.Left)]],
        "WrittenSectors._sectors" => [[.. items, KeyValuePair.Create(1L, Enumerable.Repeat((byte)7, 512).ToArray())]],
        "Vcpu.StopHits" => [[.. items, new StopHit(StopHitKind.Code, 1)]],
        "InputQueue._events" => [[.. items, 7]],
        "IoLog._answers" => [[.. items, (new VmExit(ExitReason.Mmio, false, 4, 0xFEC0_0000), 0x1234ul)]],
        "IoLog._posted" => [[.. items, new VmExit(ExitReason.PortIo, true, 2, 0x80, 0x5A)]],
        _ => [[.. items, (byte)0x5A]],
    };
}
