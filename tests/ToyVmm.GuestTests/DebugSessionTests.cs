using System.Text;
using ToyVmm.Debugging;
using ToyVmm.Engines;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Comparing;
using ToyVmm.VirtualMachines.Tracing;
using Xunit;

namespace ToyVmm.GuestTests;

/// <summary>A debugger sees everything and changes nothing: the properties that every front end rests on.</summary>
public sealed class DebugSessionTests
{
    private const ulong MostInstructions = 200_000_000;

    private static readonly string[] s_guests = ["hello", "hello-boot", "paging", "paging-pae", "rings", "tasks", "smc", "v8086", "interrupts", "traps", "tss", "unreal", "popek", "kernel"];

    public static IEnumerable<object[]> Guests =>
        from name in s_guests.Where(name => GuestCatalog.All.Any(guest => guest.Name == name))
        from engine in GuestRunner.Engines
        select new object[] { name, engine };

    [Theory]
    [MemberData(nameof(Guests))]
    public void Single_steps_are_one_run(string name, EngineKind engine)
    {
        const ulong Steps = 3000;
        using VirtualMachine stepped = Create(name, engine);
        using DebugSession session = new(stepped);
        ExecutionPoint before = session.Point;
        for (ulong n = 0; n < Steps && session.Ended is null; n++)
        {
            DebugStop stop = session.Step(StepKind.Instruction);
            if (stop.Cause == StopCause.Ended)
            {
                break;
            }

            ExecutionPoint now = stop.Point;
            ulong retired = now.Instructions - before.Instructions;
            ulong events = now.Events - before.Events;
            Assert.True(retired + events is 1 or 2 && retired <= 1 && events <= 1, $"{before} to {now}");
            before = now;
        }

        using VirtualMachine straight = Create(name, engine);
        _ = straight.Run(new RunLimits { MaxInstructions = before.Instructions });
        if (straight.Point == before && session.Ended is null)
        {
            AssertSame(straight, stepped);
        }

        _ = straight.Run(new RunLimits { MaxInstructions = MostInstructions });
        bool goesOn = session.Ended is null;
        session.Dispose();
        if (goesOn)
        {
            _ = stepped.Run(new RunLimits { MaxInstructions = straight.InstructionsRetired - stepped.InstructionsRetired });
        }

        AssertSame(straight, stepped);
    }

    [Theory]
    [MemberData(nameof(Guests))]
    public void Breakpoints_of_every_kind_never_change_the_guest(string name, EngineKind engine)
    {
        using VirtualMachine straight = Create(name, engine);
        StopReason end = straight.Run(new RunLimits { MaxInstructions = MostInstructions });
        using VirtualMachine debugged = Create(name, engine);
        using DebugSession session = new(debugged);
        Random random = new(name.Length);
        uint eip = debugged.Cpu.Cs.Base + debugged.Cpu.Eip;
        uint esp = debugged.Cpu.Esp;
        _ = session.Breakpoints.Add(new LinearSpec(eip + (uint)random.Next(64)));
        _ = session.Breakpoints.Add(new PhysicalSpec(eip + (uint)random.Next(64)));
        _ = session.Breakpoints.Add(new SegmentOffsetSpec(debugged.Cpu.Cs.Selector, debugged.Cpu.Eip + (uint)random.Next(64)));
        _ = session.Breakpoints.Add(new DataSpec(esp - 64, 64, WatchAccess.Access));
        _ = session.Breakpoints.Add(new DataSpec(eip + 4096, 4, WatchAccess.Change, IsPhysical: true));
        _ = session.Breakpoints.Add(new PortSpec(0x3F8, 0x3FF));
        _ = session.Breakpoints.Add(new ControlRegisterSpec(0));
        _ = session.Breakpoints.Add(new AddressSpaceSpec());
        _ = session.Breakpoints.Add(new VectorSpec(14));
        _ = session.Breakpoints.Add(new VectorSpec(0x20));
        _ = session.Breakpoints.Add(new HypercallSpec(1));
        _ = session.Breakpoints.Add(new ModeSwitchSpec());
        _ = session.Breakpoints.Add(new InstructionSpec(1000));
        int stops = 0;
        while (session.Ended is null && stops < 20_000)
        {
            DebugStop stop = session.Continue();
            stops++;
            Assert.Contains(stop.Cause, new[] { StopCause.Breakpoint, StopCause.Ended });
        }

        if (session.Ended is null)
        {
            session.Breakpoints.Clear();
            _ = session.Continue();
        }

        Assert.Equal(end, session.Ended);
        Assert.True(stops > 1);
        Assert.Equal(straight.SerialOutput, debugged.SerialOutput);
        AssertSame(straight, debugged);
    }

    [Theory]
    [MemberData(nameof(Guests))]
    public void Both_engines_stop_at_the_same_places(string name, EngineKind engine)
    {
        List<string> Stops(EngineKind kind)
        {
            using VirtualMachine vm = Create(name, kind);
            using DebugSession session = new(vm);
            uint eip = vm.Cpu.Cs.Base + vm.Cpu.Eip;
            for (uint n = 0; n < 40; n++)
            {
                _ = session.Breakpoints.Add(new LinearSpec(eip + (n * 7)));
            }

            _ = session.Breakpoints.Add(new DataSpec(vm.Cpu.Esp - 32, 32, WatchAccess.Write));
            _ = session.Breakpoints.Add(new VectorSpec(14));
            _ = session.Breakpoints.Add(new PortSpec(0, 0xFFFF));
            List<string> places = [];
            while (session.Ended is null && places.Count < 2000)
            {
                DebugStop stop = session.Continue();
                places.Add($"{stop.Point} {vm.Cpu.Cs.Selector:x4}:{vm.Cpu.Eip:x8} {stop.Text} {StateHash.OfCpu(vm.Vcpu):x16}");
            }

            return places;
        }

        Assert.Equal(Stops(EngineKind.Interpreter), Stops(engine));
    }

    internal static VirtualMachine Create(string name, EngineKind engine)
    {
        GuestImage guest = GuestCatalog.Find(name);
        VirtualMachineOptions options = GuestRunner.Options(guest, engine, new TraceHash(), new TranslatorOptions { Hotness = 0 }) with { Observer = null, ExitObserver = null };
        VirtualMachine vm = VirtualMachine.Create(File.ReadAllBytes(guest.ImagePath), options);
        if (guest.SerialInput is { } typed)
        {
            vm.Input.Enqueue(Encoding.Latin1.GetBytes(typed));
        }

        return vm;
    }

    internal static void AssertSame(VirtualMachine expected, VirtualMachine actual)
    {
        Assert.Equal(expected.Point, actual.Point);
        Assert.Equal(expected.Cpu.Eip, actual.Cpu.Eip);
        Assert.Equal(StateHash.OfCpu(expected.Vcpu), StateHash.OfCpu(actual.Vcpu));
        Assert.Equal(StateHash.OfMemory(expected.Machine.Memory), StateHash.OfMemory(actual.Machine.Memory));
        Assert.Equal(StateHash.OfTlb(expected.Vcpu.Mmu.Tlb), StateHash.OfTlb(actual.Vcpu.Mmu.Tlb));
    }
}
