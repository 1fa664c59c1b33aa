using Iced.Intel;
using ToyVmm.Hardware;
using ToyVmm.Tests.Monitoring;
using ToyVmm.Tests.Translation;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Hypercalls;
using ToyVmm.VirtualMachines.Loading;
using ToyVmm.VirtualMachines.Scheduling;
using Xunit;
using static Iced.Intel.AssemblerRegisters;

namespace ToyVmm.Tests.Scheduling;

/// <summary>Guests of a fleet that ring each other's bells: where the configuration connects them, and nowhere else.</summary>
public sealed class FleetEventTests
{
    private const int ClockPage = 0x6000;

    // Sleeps until all of these bells have rung - a bell that rings twice before it is heard is heard once - and exits with the bits that were set.
    private static byte[] Listener(int bells) => Assemble(a =>
    {
        Call(a, Hypercall.ClockPage, ClockPage);
        a.mov(__dword_ptr[ClockPage + 0x28], 0x40);
        a.xor(edi, edi);
        Label top = a.CreateLabel();
        a.Label(ref top);
        a.cli();
        a.xor(eax, eax);
        a.xchg(__dword_ptr[ClockPage + 4], eax);
        Label some = a.CreateLabel();
        a.test(eax, eax);
        a.jne(some);
        a.sti();
        a.hlt();
        a.jmp(top);
        a.Label(ref some);
        a.or(edi, eax);
        a.cmp(edi, bells);
        a.jne(top);
        a.mov(ebx, edi);
        a.mov(eax, (int)Hypercall.Exit);
        a.vmcall();
    });

    // Rings a bell so many times, with pauses; exits with the result of the last call.
    private static byte[] Ringer(uint guest, int port, int times, int pause) => Assemble(a =>
    {
        a.mov(ebp, times);
        Label top = a.CreateLabel();
        Label wait = a.CreateLabel();
        a.Label(ref top);
        a.mov(edi, pause);
        a.Label(ref wait);
        a.dec(edi);
        a.jne(wait);
        Call(a, Hypercall.EventSend, (int)guest, port);
        a.dec(ebp);
        a.jne(top);
        a.mov(ebx, eax);
        a.mov(eax, (int)Hypercall.Exit);
        a.vmcall();
    });

    [TranslatorTheory]
    [InlineData(EngineKind.Interpreter, 1)]
    [InlineData(EngineKind.Translator, 1)]
    [InlineData(EngineKind.Translator, 3)]
    public void A_bell_wakes_a_guest_that_sleeps(EngineKind engine, int threads)
    {
        using Fleet fleet = new(
            [Guest("listener", Listener(0x20), engine) with { SuccessStatuses = [0x20] }, Guest("ringer", Ringer(0, 5, 3, 50_000), engine) with { Connect = ["listener"] }, Guest("stranger", Ringer(0, 6, 1, 1), engine)],
            new FleetOptions { Slice = 10_000, Threads = threads });
        Assert.Equal(FleetStop.AllStopped, fleet.Run(new FleetLimits { Timeout = TimeSpan.FromSeconds(20) }));
        Assert.Equal([(StopKind.HypercallExit, 0x20u), (StopKind.HypercallExit, 0u), (StopKind.HypercallExit, 0xFFFF_FFFFu)], fleet.Guests.Select(guest => (guest.Stop!.Kind, guest.Stop.Code)));
    }

    [TranslatorFact]
    public void Guests_that_talk_have_the_same_interleaving_each_time()
    {
        (ulong, ulong) Run(EngineKind engine, FleetAccounting accounting)
        {
            using Fleet fleet = new(
                [Guest("listener", Listener(0xF0), engine) with { SuccessStatuses = [0xF0] }, .. Enumerable.Range(4, 4).Select(port => Guest($"ringer{port}", Ringer(0, port, 15, 3000 + (port * 777)), engine) with { Connect = ["listener"] })],
                new FleetOptions { Slice = 10_000, Accounting = accounting });
            Assert.Equal(FleetStop.AllStopped, fleet.Run());
            Assert.True(fleet.Guests[0].Succeeded, fleet.Guests[0].Stop!.ToString());
            return (fleet.ScheduleHash, fleet.Guests[0].Status.Instructions);
        }

        Assert.Equal(Run(EngineKind.Interpreter, FleetAccounting.Instructions), Run(EngineKind.Translator, FleetAccounting.Instructions));
        Assert.Equal(Run(EngineKind.Translator, FleetAccounting.Work), Run(EngineKind.Translator, FleetAccounting.Work));
    }

    /// <summary>When all that could ring have stopped, a guest that listens has halted for ever.</summary>
    [Fact]
    public void Who_waits_for_a_guest_that_is_gone_has_halted()
    {
        using Fleet fleet = new([Guest("listener", Listener(0x60), EngineKind.Interpreter), Guest("ringer", Ringer(0, 5, 1, 100), EngineKind.Interpreter) with { Connect = ["listener"] }]);
        Assert.Equal(FleetStop.AllStopped, fleet.Run(new FleetLimits { Timeout = TimeSpan.FromSeconds(20) }));
        Assert.Equal((StopKind.HaltedForever, StopKind.HypercallExit), (fleet.Guests[0].Stop!.Kind, fleet.Guests[1].Stop!.Kind));
    }

    [Fact]
    public void A_storm_of_bells_takes_no_memory()
    {
        using Fleet fleet = new(
            [Guest("listener", Listener(0x60), EngineKind.Interpreter) with { Caps = new GuestCaps { Instructions = 1 } }, Guest("ringer", Ringer(0, 5, 200_000, 1), EngineKind.Interpreter) with { Connect = ["listener"] }]);
        _ = fleet.Run(new FleetLimits { MaxSlices = 20 });
        _ = fleet.Run(new FleetLimits { MaxSlices = 200 });
        Assert.InRange(fleet.Guests[0].Machine!.Input.HostEventsWaiting, 0, 32);
        Assert.True(fleet.Guests[1].Status.Exits > 10_000);
    }

    [Fact]
    public void Connections_are_with_guests_that_there_are()
    {
        ArgumentException e = Assert.Throws<ArgumentException>(() => new Fleet([Guest("a", Listener(1), EngineKind.Interpreter) with { Connect = ["b"] }]));
        Assert.Contains("a is connected with b, and there is no such guest", e.Message, StringComparison.Ordinal);
    }

    private static void Call(Assembler a, Hypercall call, int ebx, int ecx = 0)
    {
        a.mov(eax, (int)call);
        a.mov(AssemblerRegisters.ebx, ebx);
        a.mov(AssemblerRegisters.ecx, ecx);
        a.vmcall();
    }


    private static byte[] Assemble(Action<Assembler> code)
    {
        Assembler a = new(32);
        PortGuest.EnterFlat(a, () => a.iretd());
        a.mov(al, 0xFF);
        a.@out(0x21, al);
        code(a);
        return PortGuest.Assemble(a);
    }

    private static FleetGuestOptions Guest(string name, byte[] image, EngineKind engine)
    {
        VirtualMachineOptions options = new()
        {
            Engine = engine,
            Machine = new MachineConfig { MemorySize = 1 << 20 },
            Load = new LoadOptions { Format = ImageFormat.Raw, RealModeEntry = false, LoadAddress = PortGuest.Origin },
        };
        return new FleetGuestOptions { Name = name, Create = seat => VirtualMachine.Create(image, seat.Apply(options)) };
    }
}
