using Iced.Intel;
using ToyVmm.Hardware;
using ToyVmm.Tests.Translation;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Hypercalls;
using ToyVmm.VirtualMachines.Scheduling;
using Xunit;
using static Iced.Intel.AssemblerRegisters;
using static ToyVmm.Tests.Scheduling.FleetFixture;

namespace ToyVmm.Tests.Scheduling;

/// <summary>What goes wrong on the host for one guest, and calls that cost it much: the other guests do not notice.</summary>
public sealed class FleetFailureTests
{
    // TRACE_MARK for ever: three instructions.
    private static readonly byte[] s_marker = Assemble(a =>
    {
        Label top = a.CreateLabel();
        a.Label(ref top);
        a.mov(eax, (int)Hypercall.TraceMark);
        a.vmcall();
        a.jmp(top);
    });

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void A_host_without_memory_ends_one_guest(int threads)
    {
        VirtualMachineOptions options = Small() with { MarkObserver = static (_, _) => throw new InsufficientMemoryException("no more") };
        using Fleet fleet = new([Guest("big", s_marker, options: options), Guest("other", Work(50_000))], new FleetOptions { Threads = threads });
        Assert.Equal(FleetStop.AllStopped, fleet.Run());
        Assert.Equal([StopKind.HostFailure, StopKind.PowerOff], fleet.Guests.Select(guest => guest.Stop!.Kind));
        Assert.Equal(66, fleet.Guests[0].Stop!.ExitStatus);
        Assert.Contains("no more", fleet.Guests[0].Stop!.Detail, StringComparison.Ordinal);
    }

    /// <summary>Its machine is disposed of on another thread, without the fleet's lock.</summary>
    [Fact]
    public void A_guest_that_is_being_started_again_does_not_hear_a_bell()
    {
        using Fleet fleet = new([Guest("a", Busy), Guest("b", Busy)]);
        fleet.Guests[0].Machine!.Input.Dispose();
        fleet.Ring(0, 5);
    }

    /// <summary>A guest that has ended needs none of its RAM; whoever runs comes first.</summary>
    [LinuxFact]
    public void What_stopped_guests_hold_is_counted_and_given_back()
    {
        using Fleet roomy = new([Toucher("gone", 768, ends: true), Toucher("busy", 1024, ends: false)], new FleetOptions { HostMemory = 64 << 20 });
        _ = roomy.Run(new FleetLimits { MaxSlices = 100 });
        Assert.InRange(roomy.Guests[0].Status.MemoryBytes, 3ul << 20, 4ul << 20);

        using Fleet narrow = new([Toucher("gone", 768, ends: true), Toucher("busy", 1024, ends: false)], new FleetOptions { HostMemory = 6 << 20 });
        _ = narrow.Run(new FleetLimits { MaxSlices = 400 });
        Assert.Equal(StopKind.PowerOff, narrow.Guests[0].Stop?.Kind);
        Assert.InRange(narrow.Guests[0].Status.MemoryBytes, 0ul, 64ul << 10);
        Assert.Null(narrow.Guests[1].Stop);
    }

    [LinuxFact]
    public void Who_ends_for_its_memory_keeps_none()
    {
        using Fleet fleet = new([Toucher("small", 512, ends: false), Toucher("big", 3072, ends: false)], new FleetOptions { HostMemory = 6 << 20 });
        _ = fleet.Run(new FleetLimits { MaxSlices = 1000 });
        Assert.Null(fleet.Guests[0].Stop);
        Assert.Equal(StopKind.MemoryLimit, fleet.Guests[1].Stop?.Kind);
        Assert.InRange(fleet.Guests[1].Status.MemoryBytes, 0ul, 64ul << 10);
    }

    [TranslatorTheory]
    [InlineData(EngineKind.Interpreter)]
    [InlineData(EngineKind.Translator)]
    public void What_hypercalls_move_is_charged_and_ends_the_slice(EngineKind engine)
    {
        const ulong Units = 100_000;
        VirtualMachineOptions options = Small(engine) with { MarkObserver = static (vm, _) => vm.HypercallUnits += Units };
        using Fleet fleet = new([Guest("mover", s_marker, options: options), Guest("victim", Busy, engine: engine)]);
        _ = fleet.Run(new FleetLimits { MaxSlices = 400 });
        (GuestStatus mover, GuestStatus victim) = (fleet.Guests[0].Status, fleet.Guests[1].Status);
        Assert.InRange(mover.Work, mover.Exits * Units * 300, mover.Exits * ((Units * 300) + 20_000));
        Assert.Equal(mover.Slices, mover.Exits); // each call is worth thirty slices
        Assert.InRange((double)mover.Work / (mover.Work + victim.Work), 0.48, 0.52);
    }

    // Writes to so many pages from 1 MiB on; each gets bytes that no other guest's page has.
    private static FleetGuestOptions Toucher(string name, int pages, bool ends)
    {
        Assembler a = new(32);
        Label top = a.CreateLabel();
        a.mov(edi, 0x10_0000);
        a.mov(ecx, pages);
        a.Label(ref top);
        a.mov(__[edi], ecx);
        a.mov(__byte_ptr[edi + 8], (byte)name[0]);
        a.add(edi, 4096);
        a.dec(ecx);
        a.jne(top);
        if (ends)
        {
            a.mov(dx, 0x604);
            a.mov(ax, 0x2000);
            a.@out(dx, ax);
        }

        Label rest = a.CreateLabel();
        a.Label(ref rest);
        a.jmp(rest);
        using MemoryStream image = new();
        _ = a.Assemble(new StreamCodeWriter(image), 0);
        VirtualMachineOptions options = Flat(EngineKind.Interpreter) with { Machine = new MachineConfig { MemorySize = 16 << 20 } };
        return Guest(name, image.ToArray(), options: options);
    }
}
