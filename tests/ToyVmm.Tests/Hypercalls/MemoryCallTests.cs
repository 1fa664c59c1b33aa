using ToyVmm.Engines;
using ToyVmm.Hardware.Memory;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Hypercalls;
using Xunit;

namespace ToyVmm.Tests.Hypercalls;

/// <summary>balloon, share, hot-add and the limit of memory, as a guest meets them.</summary>
public sealed class MemoryCallTests
{
    private const uint Clock = 0x2_0000;
    private const uint List = 0x2_1000;
    private const uint First = 0x30;    // pages 30h to 3Fh are ours to give

    public static TheoryData<EngineKind> Engines => [EngineKind.Interpreter, EngineKind.Auto];

    /// <summary>Pages go and come back; all or none.</summary>
    [Fact]
    public void BalloonMovesPages()
    {
        using HypercallGuest guest = new();
        _ = guest.Call(Hypercall.ClockPage, Clock);
        _ = guest.Call(Hypercall.ClockPage, HypercallCatalog.Nothing);
        guest.Put(First << 12, 0x1234_5678);
        Numbers(guest, First, First + 1, First + 5);
        Assert.Equal(0u, guest.Call(Hypercall.Balloon, List, 3, 0));
        Assert.Equal((uint.MaxValue, 3u), (guest.Get(First << 12), guest.Memory.BalloonPages));
        guest.Fails(HypercallError.InvalidArgument, Hypercall.Balloon, List, 3, 0);
        Numbers(guest, First + 2, First);
        guest.Fails(HypercallError.InvalidArgument, Hypercall.Balloon, List, 2, 0);
        guest.Fails(HypercallError.InvalidArgument, Hypercall.Balloon, List, 2, 1);
        Numbers(guest, First);
        Assert.Equal(0u, guest.Call(Hypercall.Balloon, List, 1, 1));
        Assert.Equal((0u, 2u), (guest.Get(First << 12), guest.Memory.BalloonPages));
        Assert.Equal(0u, guest.Call(Hypercall.Balloon, List, 0, 1));
    }

    /// <summary>Everything that must not be given away.</summary>
    [Fact]
    public void BalloonRefusesWhatIsNotTheGuestsToGive()
    {
        using HypercallGuest guest = new();
        _ = guest.Call(Hypercall.ClockPage, Clock);
        _ = guest.Call(Hypercall.ClockPage, HypercallCatalog.Nothing);
        Assert.Equal(0u, guest.Call(Hypercall.ClockPage, Clock));
        uint[] bad = [Clock >> 12, List >> 12, 0xA0, 0xB8, HypercallGuest.RamSize >> 12, 0xFEE00, 0xF_FFFF, 0x10_0000, uint.MaxValue];
        foreach (uint page in bad)
        {
            Numbers(guest, First, page);
            Assert.Equal(unchecked((uint)-22), guest.Call(Hypercall.Balloon, List, 2, 0));
            Assert.Equal(0u, guest.Memory.BalloonPages);
        }

        Numbers(guest, First, First);
        Assert.Equal(unchecked((uint)-22), guest.Call(Hypercall.Balloon, List, 2, 0));
        Numbers(guest, First);
        Assert.Equal(unchecked((uint)-22), guest.Call(Hypercall.Balloon, List, 1, 2));
        Assert.Equal(unchecked((uint)-22), guest.Call(Hypercall.Balloon, List, 1, 1));
        Assert.Equal(unchecked((uint)-22), guest.Call(Hypercall.Balloon, List, HypercallCatalog.MostEntries + 1, 0));
        Assert.Equal(unchecked((uint)-14), guest.Call(Hypercall.Balloon, HypercallGuest.RamSize - 4, 2, 0));
        Assert.Equal(0u, guest.Memory.BalloonPages);
    }

    /// <summary>Code that runs in a page that goes, on either engine: what is fetched afterwards is nothing, and the machine does not fall over it.</summary>
    [Theory]
    [MemberData(nameof(Engines))]
    public void CodeInABalloonedPageIsGone(EngineKind engine)
    {
        // 100 times: CALL 30000h; then VMCALL balloon; CALL 30000h once more.
        byte[] code =
        [
            0xB9, 100, 0, 0, 0,                         // MOV ECX, 100
            0xE8, 0xF6, 0x83, 0x02, 0x00,               // CALL 30000h
            0xE2, 0xF9,                                 // LOOP
            0xB8, 8, 0, 0, 0,                           // MOV EAX, balloon
            0xBB, 0x00, 0x10, 0x02, 0x00,               // MOV EBX, List
            0xB9, 1, 0, 0, 0,                           // MOV ECX, 1
            0xBA, 0, 0, 0, 0,                           // MOV EDX, inflate
            0x0F, 0x01, 0xC1,                           // VMCALL
            0xE8, 0xD8, 0x83, 0x02, 0x00,               // CALL 30000h
        ];
        using HypercallGuest guest = new(code, engine);
        Numbers(guest, First);
        Assert.True(guest.Memory.TryWrite(new GuestPhysicalAddress(First << 12), [0x46, 0xC3])); // INC ESI; RET
        guest.Machine.Cpu.Esp = 0x9000;
        StopReason why = guest.Machine.Run(new RunLimits { MaxInstructions = 10_000 });
        Assert.Equal(StopKind.TripleFault, why.Kind); // FF FF is no instruction
        Assert.Equal((100u, 0u), (guest.Machine.Cpu.Esi, guest.Machine.Cpu.Eax));
    }

    /// <summary>What the host asks for the guest reads in its clock page; memory that is added it has.</summary>
    [Fact]
    public void TheHostChangesMemory()
    {
        using HypercallGuest guest = new(change: options => options with { Machine = options.Machine with { MaximumMemory = 2 * HypercallGuest.RamSize } });
        Assert.Equal((0u, 2 * HypercallGuest.RamSize / 4096, 0u, 0u), guest.Machine.Vcpu.Model.Query(CpuModel.HypervisorLeaf + 2));
        _ = guest.Call(Hypercall.ClockPage, Clock);
        guest.Machine.Input.SetBalloonTarget(7);
        guest.Machine.Input.AddMemory(0x3000);
        _ = guest.Call(Hypercall.Features);
        Assert.Equal((2u, 7u, (HypercallGuest.RamSize / 4096) + 3), (guest.Get(Clock + 4), guest.Get(Clock + 0x30), guest.Get(Clock + 0x34)));
        Assert.True(guest.Memory.TryWrite(new GuestPhysicalAddress(HypercallGuest.RamSize + 0x2FFC), [1, 2, 3, 4]));
        guest.Machine.Input.AddMemory(16 * HypercallGuest.RamSize);
        _ = guest.Call(Hypercall.Features);
        Assert.Equal(2 * HypercallGuest.RamSize, guest.Memory.RamSize);
        _ = Assert.Throws<ArgumentOutOfRangeException>(() => guest.Machine.Input.AddMemory(100));
    }

    /// <summary>A guest that lies - it fills all of its RAM, ballooned pages again and again - gets what it may have and not a page more; it ends with a verdict.</summary>
    [Theory]
    [MemberData(nameof(Engines))]
    public void TheLimitHoldsAgainstAGuestThatLies(EngineKind engine)
    {
        // EDI = 10000h; again: MOV [EDI], EDI; ADD EDI, 4096; AND EDI, FFFFFh; JMP again
        byte[] code = [0xBF, 0, 0, 1, 0, 0x89, 0x3F, 0x81, 0xC7, 0, 0x10, 0, 0, 0x81, 0xE7, 0xFF, 0xFF, 0x0F, 0, 0xEB, 0xF0];
        using HypercallGuest guest = new(code, engine, options => options with { Machine = options.Machine with { MemoryLimit = 64 * 4096 } });
        StopReason why = guest.Machine.Run(new RunLimits { MaxInstructions = 100_000_000 });
        Assert.Equal((StopKind.MemoryLimit, 77), (why.Kind, why.ExitStatus));
        Assert.Equal(64u, guest.Memory.OwnedPages);
        Assert.InRange(guest.Memory.ResidentBytes, 1ul, 64ul * 4096);
        Assert.InRange(guest.Machine.InstructionsRetired, 64u, 400u);
        Assert.Equal(StopKind.MemoryLimit, guest.Machine.Run(new RunLimits { MaxInstructions = 1000 }).Kind);
    }

    /// <summary>A guest below its limit does not notice it: the same run, to the bit.</summary>
    [Theory]
    [MemberData(nameof(Engines))]
    public void ALimitThatIsNotReachedChangesNothing(EngineKind engine)
    {
        byte[] code = [0xBF, 0, 0, 1, 0, 0xB9, 0x40, 0, 0, 0, 0x89, 0x3F, 0x81, 0xC7, 0, 0x10, 0, 0, 0xE2, 0xF6, 0xF4];
        using HypercallGuest free = new(code, engine);
        using HypercallGuest limited = new(code, engine, options => options with { Machine = options.Machine with { MemoryLimit = HypercallGuest.RamSize / 2 } });
        Assert.Equal(StopKind.HaltedForever, free.Machine.Run().Kind);
        Assert.Equal(StopKind.HaltedForever, limited.Machine.Run().Kind);
        Assert.Null(ToyVmm.VirtualMachines.Comparing.StateDifference.OfMemories(free.Memory, limited.Memory));
        Assert.Equal(free.Machine.InstructionsRetired, limited.Machine.InstructionsRetired);
    }

    /// <summary>Both must agree, and the configuration too; then each sees the other's stores.</summary>
    [LinuxFact]
    public void SharingNeedsBothSides()
    {
        using TestNetwork network = new();
        (HypercallGuest a, HypercallGuest b, HypercallGuest stranger) = (network.Add(1), network.Add(2), network.Add(3));
        network.Connect(1, 2);
        const uint Mine = 0x3_0000;
        const uint Yours = 0x4_0000;
        a.Put(Mine, 11);
        b.Put(Yours, 22);
        a.Fails(HypercallError.InvalidArgument, Hypercall.Share, Mine + 4, 2, 1, 7);
        a.Fails(HypercallError.InvalidArgument, Hypercall.Share, Mine, 2, 4, 7);
        a.Fails(HypercallError.BadAddress, Hypercall.Share, HypercallGuest.RamSize, 2, 1, 7);
        a.Fails(HypercallError.NotPermitted, Hypercall.Share, Mine, 3, 1, 7);
        a.Fails(HypercallError.NotPermitted, Hypercall.Share, Mine, 1, 1, 7);
        a.Fails(HypercallError.NotPermitted, Hypercall.Share, Mine, uint.MaxValue, 1, 7);
        a.Fails(HypercallError.InvalidArgument, Hypercall.Share, Mine, 2, 0, 7);
        b.Fails(HypercallError.TryAgain, Hypercall.Share, Yours, 1, 3, 7);
        Assert.Equal(0u, a.Call(Hypercall.Share, Mine, 2, 2, 7));
        a.Fails(HypercallError.InvalidArgument, Hypercall.Share, Mine, 2, 2, 8);
        a.Fails(HypercallError.InvalidArgument, Hypercall.Share, Mine + 0x1000, 2, 2, 7);
        b.Fails(HypercallError.TryAgain, Hypercall.Share, Yours, 1, 3, 8);
        stranger.Fails(HypercallError.NotPermitted, Hypercall.Share, Yours, 1, 3, 7);
        Assert.Equal(22u, b.Get(Yours));
        Assert.Equal(0u, b.Call(Hypercall.Share, Yours, 1, 3, 7));
        Assert.Equal(11u, b.Get(Yours));
        b.Put(Yours, 33);
        Assert.Equal(33u, a.Get(Mine));
        b.Fails(HypercallError.TryAgain, Hypercall.Share, Yours + 0x1000, 1, 3, 7);
        a.Fails(HypercallError.InvalidArgument, Hypercall.Share, Mine, 2, 0, 7);
        b.Fails(HypercallError.InvalidArgument, Hypercall.Share, Yours, 1, 1, 9);

        // For reading only, and an offer that is taken back.
        a.Put(Mine + 0x2000, 44);
        Assert.Equal(0u, a.Call(Hypercall.Share, Mine + 0x2000, 2, 1, 1));
        Assert.Equal(0u, a.Call(Hypercall.Share, Mine + 0x2000, 2, 0, 1));
        Assert.Equal(0u, a.Call(Hypercall.Share, Mine + 0x2000, 2, 1, 2));
        b.Fails(HypercallError.TryAgain, Hypercall.Share, Yours + 0x2000, 1, 3, 1);
        Assert.Equal(0u, b.Call(Hypercall.Share, Yours + 0x2000, 1, 3, 2));
        Assert.Equal((44u, PageKind.Rom), (b.Get(Yours + 0x2000), b.Memory.KindAt(new GuestPhysicalAddress(Yours + 0x2000))));
    }

    /// <summary>Bells ring where a connection is.</summary>
    [Fact]
    public void EventsReachTheOther()
    {
        using TestNetwork network = new();
        (HypercallGuest a, HypercallGuest b) = (network.Add(1), network.Add(2));
        _ = network.Add(3);
        network.Connect(1, 2);
        _ = b.Call(Hypercall.ClockPage, Clock);
        Assert.Equal(0u, a.Call(Hypercall.EventSend, 2, 5));
        _ = b.Call(Hypercall.Features);
        Assert.Equal(1u << 5, b.Get(Clock + 4));
        a.Fails(HypercallError.NotPermitted, Hypercall.EventSend, 3, 5);
        a.Fails(HypercallError.NotPermitted, Hypercall.EventSend, 1, 5);
    }

    /// <summary>Code in a page of both: what the other writes there runs from the next time that this one's turn comes.</summary>
    [LinuxFact]
    public void SharedCodeIsReadAnew()
    {
        ReadsSharedCodeAnew(EngineKind.Interpreter);
        ReadsSharedCodeAnew(EngineKind.Auto);
    }

    private static void ReadsSharedCodeAnew(EngineKind engine)
    {
        using TestNetwork network = new();
        // again: CALL 30000h; JMP again
        HypercallGuest a = network.Add(1, [0xE8, 0xFB, 0x83, 0x02, 0x00, 0xEB, 0xF9], engine);
        HypercallGuest b = network.Add(2);
        network.Connect(1, 2);
        SharedPage lent = b.Memory.Lend(new GuestPhysicalAddress(0x5_0000))!;
        Assert.True(a.Memory.TryAccept(new GuestPhysicalAddress(0x3_0000), lent, writable: true));
        lent.Release();
        a.Machine.Vcpu.NotifyStateChanged();
        Assert.True(b.Memory.TryWrite(new GuestPhysicalAddress(0x5_0000), [0x46, 0xC3])); // INC ESI; RET
        a.Machine.Cpu.Esp = 0x9000;
        Assert.Equal(StopKind.InstructionLimit, a.Machine.Run(new RunLimits { MaxInstructions = 4000 }).Kind);
        Assert.Equal((1000u, 0u), (a.Machine.Cpu.Esi, a.Machine.Cpu.Edi));
        Assert.True(b.Memory.TryWrite(new GuestPhysicalAddress(0x5_0000), [0x47, 0xC3])); // INC EDI; RET
        Assert.Equal(StopKind.InstructionLimit, a.Machine.Run(new RunLimits { MaxInstructions = 4000 }).Kind);
        Assert.Equal((1000u, 1000u), (a.Machine.Cpu.Esi, a.Machine.Cpu.Edi));
    }

    private static void Numbers(HypercallGuest guest, params ReadOnlySpan<uint> pages)
    {
        for (int n = 0; n < pages.Length; n++)
        {
            guest.Put(List + ((uint)n * 4), pages[n]);
        }
    }

    private sealed class TestNetwork : IGuestNetwork, IDisposable
    {
        private readonly Dictionary<uint, HypercallGuest> _guests = [];
        private readonly HashSet<(uint From, uint To)> _connections = [];

        public PageExchange Pages { get; } = new();

        public HypercallGuest Add(uint number, ReadOnlySpan<byte> code = default, EngineKind engine = EngineKind.Interpreter) =>
            _guests[number] = new HypercallGuest(code, engine, options => options with { GuestNumber = number, Network = this });

        public void Connect(uint one, uint other)
        {
            _ = _connections.Add((one, other));
            _ = _connections.Add((other, one));
        }

        public bool Connects(uint from, uint to) => _connections.Contains((from, to));

        public void Ring(uint to, int port) => _guests[to].Machine.Input.Ring(port);

        public void Dispose()
        {
            foreach ((uint number, HypercallGuest guest) in _guests)
            {
                Pages.Forget(number);
                guest.Dispose();
            }
        }
    }
}
