using ToyVmm.Engines;
using ToyVmm.Hardware.Memory;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Comparing;
using ToyVmm.VirtualMachines.Hypercalls;
using Xunit;

namespace ToyVmm.Tests.Hypercalls;

/// <summary>Each call with good and with bad arguments: the latter have an error each, and change nothing.</summary>
public sealed class HypercallTests
{
    private const uint Page = 0x2_0000;
    private const uint NoRam = 0x3000_0000;

    /// <summary>Every number that is no call's, at the edges and a random sample.</summary>
    [Fact]
    public void UnknownNumbersAreRefused()
    {
        using HypercallGuest guest = new();
        Random random = new(7);
        uint[] numbers = [12, 13, 31, 32, 0x7FFF_FFFF, 0x8000_0000, uint.MaxValue, .. Enumerable.Range(0, 200).Select(_ => (uint)random.NextInt64(12, 1L << 32))];
        ulong memory = StateHash.OfMemory(guest.Memory);
        Assert.All(numbers, number => Assert.Equal(unchecked((uint)-38), guest.Call(number, 1, 2, 3, 4)));
        Assert.Equal(memory, StateHash.OfMemory(guest.Memory));
    }

    /// <summary>The version is CPUID's.</summary>
    [Fact]
    public void FeaturesTellsTheVersion()
    {
        using HypercallGuest guest = new(change: options => options with { GuestNumber = 5 });
        Assert.Equal(HypercallCatalog.AbiVersion, guest.Call(Hypercall.Features));
        CpuModel model = guest.Machine.Vcpu.Model;
        Assert.Equal((CpuModel.HypervisorLeaf + 2, 0x5679_6F54u, 0x6F54_6D6Du, 0x6D6D_5679u), model.Query(CpuModel.HypervisorLeaf));
        Assert.Equal((HypercallCatalog.AbiVersion, 0xFFFu, 0u, 0u), model.Query(CpuModel.HypervisorLeaf + 1));
        Assert.Equal((5u, HypercallGuest.RamSize / 4096, 0u, 0u), model.Query(CpuModel.HypervisorLeaf + 2));
    }

    /// <summary>Bytes for the console, up to the last byte of RAM.</summary>
    [Fact]
    public void ConsoleWriteSendsBytes()
    {
        using HypercallGuest guest = new();
        Assert.True(guest.Memory.TryWrite(new GuestPhysicalAddress(HypercallGuest.RamSize - 5), "hello"u8));
        Assert.Equal(0u, guest.Call(Hypercall.ConsoleWrite, HypercallGuest.RamSize - 5, 5));
        Assert.Equal(0u, guest.Call(Hypercall.ConsoleWrite, Page, 0));
        Assert.Equal("hello", guest.Machine.SerialOutput);
        guest.Fails(HypercallError.BadAddress, Hypercall.ConsoleWrite, HypercallGuest.RamSize - 5, 6);
        guest.Fails(HypercallError.BadAddress, Hypercall.ConsoleWrite, uint.MaxValue, 2);
        guest.Fails(HypercallError.BadAddress, Hypercall.ConsoleWrite, 0xB_8000, 1);
        guest.Fails(HypercallError.InvalidArgument, Hypercall.ConsoleWrite, 0, HypercallCatalog.MostConsoleBytes + 1);
        guest.Fails(HypercallError.InvalidArgument, Hypercall.ConsoleWrite, 0x1000, 0x9_0000);
        guest.Fails(HypercallError.BadAddress, Hypercall.ConsoleWrite, 0, uint.MaxValue);
        Assert.Equal("hello", guest.Machine.SerialOutput);
    }

    /// <summary>The verdict.</summary>
    [Theory]
    [InlineData(0u, 0)]
    [InlineData(3u, 3)]
    [InlineData(0x1_0102u, 2)]
    public void ExitEndsTheRun(uint code, int status)
    {
        using HypercallGuest guest = new();
        guest.Machine.Cpu.Eax = (uint)Hypercall.Exit;
        guest.Machine.Cpu.Ebx = code;
        StopReason why = guest.Machine.Run();
        Assert.Equal((StopKind.HypercallExit, code, status), (why.Kind, why.Code, why.ExitStatus));
    }

    /// <summary>Yield is nothing to a guest alone, and ends the run where others wait; the guest goes on behind it.</summary>
    [Fact]
    public void YieldEndsTheSliceWhereOthersWait()
    {
        using HypercallGuest guest = new();
        Assert.Equal(0u, guest.Call(Hypercall.Yield));
        guest.Machine.Cpu.Eip = HypercallGuest.Code;
        guest.Machine.Cpu.Eax = (uint)Hypercall.Yield;
        Assert.Equal(StopKind.Yielded, guest.Machine.Run(new RunLimits { EndsAtYield = true }).Kind);
        Assert.Equal((0u, HypercallGuest.Code + 3), (guest.Machine.Cpu.Eax, guest.Machine.Cpu.Eip));
        Assert.Equal(StopKind.HaltedForever, guest.Machine.Run(new RunLimits { EndsAtYield = true }).Kind);
    }

    /// <summary>The page is filled at once and at every call, also at one that fails; never anything else.</summary>
    [Fact]
    public void ClockPageTellsTheTime()
    {
        using HypercallGuest guest = new(change: options => options with { GuestNumber = 9 });
        guest.Fails(HypercallError.InvalidArgument, Hypercall.ClockPage, Page + 8);
        guest.Fails(HypercallError.BadAddress, Hypercall.ClockPage, NoRam);
        guest.Fails(HypercallError.BadAddress, Hypercall.ClockPage, 0xB_8000);
        guest.Fails(HypercallError.BadAddress, Hypercall.ClockPage, 0xFFFF_F000);
        Assert.Equal(0u, guest.Call(Hypercall.ClockPage, Page));
        ulong retired = guest.Machine.InstructionsRetired;
        Assert.Equal(retired, guest.GetLong(Page + 0x38));
        Assert.Equal(retired, guest.GetLong(Page + 0x10));
        Assert.Equal(retired, guest.GetLong(Page + 0x08));
        Assert.Equal((1u << 24, 24u), (guest.Get(Page + 0x18), guest.Get(Page + 0x1C)));
        Assert.Equal((ulong)new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero).ToUnixTimeSeconds() * 1_000_000_000, guest.GetLong(Page + 0x20));
        Assert.Equal((0u, 9u, 0u, HypercallGuest.RamSize / 4096), (guest.Get(Page + 0x28), guest.Get(Page + 0x2C), guest.Get(Page + 0x30), guest.Get(Page + 0x34)));
        uint version = guest.Get(Page);
        _ = guest.Call(99, 0, 0, 0, 0);
        Assert.Equal(retired + 1, guest.GetLong(Page + 0x38));
        Assert.Equal(version + 2, guest.Get(Page));
        Assert.Equal(0u, guest.Call(Hypercall.ClockPage, HypercallCatalog.Nothing));
        _ = guest.Call(99, 0, 0, 0, 0);
        Assert.Equal(retired + 1, guest.GetLong(Page + 0x38));
    }

    /// <summary>The clock's fraction is right to 2^-20 at any rate, and never overflows.</summary>
    [Theory]
    [InlineData(1_000_000_000ul)]
    [InlineData(1_000_000ul)]
    [InlineData(3_333_333_333ul)]
    [InlineData(1ul)]
    [InlineData(1_000ul)]
    public void ClockPageKnowsTheRate(ulong instructionsPerSecond)
    {
        using HypercallGuest guest = new(change: options => options with { Machine = options.Machine with { InstructionsPerSecond = instructionsPerSecond } });
        Assert.Equal(0u, guest.Call(Hypercall.ClockPage, Page));
        double nanoseconds = guest.Get(Page + 0x18) / Math.Pow(2, guest.Get(Page + 0x1C));
        Assert.InRange(nanoseconds * instructionsPerSecond / 1e9, 1 - Math.Pow(2, -20), 1);
    }

    /// <summary>Deadlines in the future, in the past, and none.</summary>
    [Fact]
    public void TimerRaisesItsBit()
    {
        using HypercallGuest guest = new();
        guest.Fails(HypercallError.InvalidArgument, Hypercall.SetTimer, 1000);
        _ = guest.Call(Hypercall.ClockPage, Page);
        Assert.Equal(0u, guest.Call(Hypercall.SetTimer, 0, 0));
        Assert.Equal(1u, guest.Get(Page + 4));
        guest.Put(Page + 4, 0);
        Assert.Equal(0u, guest.Call(Hypercall.SetTimer, 5));
        Assert.Equal(0u, guest.Get(Page + 4));
        while (guest.Machine.InstructionsRetired < 5)
        {
            Assert.Equal(0u, guest.Get(Page + 4));
            _ = guest.Call(Hypercall.Features);
        }

        Assert.Equal(1u, guest.Get(Page + 4));
        guest.Put(Page + 4, 0);
        Assert.Equal(0u, guest.Call(Hypercall.SetTimer, 1000));
        Assert.Equal(0u, guest.Call(Hypercall.SetTimer, uint.MaxValue, uint.MaxValue));
        Assert.Equal(StopKind.HaltedForever, guest.Machine.Run().Kind);
        Assert.Equal(0u, guest.Get(Page + 4));
    }

    /// <summary>A bell rings from outside only where there is a page; an interrupt wakes the CPU, once for all bits, without any EOI.</summary>
    [Theory]
    [InlineData(EngineKind.Interpreter)]
    [InlineData(EngineKind.Auto)]
    public void RaisedBitsInterrupt(EngineKind engine)
    {
        // again: STI; HLT; JMP again; the handler: INC EDI; LOCK AND dword [Page + 4], 0; IRET
        byte[] code = [0xFB, 0xF4, 0xEB, 0xFC, 0x47, 0xF0, 0x83, 0x25, 0x04, 0x00, 0x02, 0x00, 0x00, 0xCF];
        using HypercallGuest guest = new(code, engine);
        guest.Machine.Input.Ring(2);
        const uint Idt = 0x3_0000;
        const uint Vector = 0x40;
        guest.Put(Idt + (Vector * 8), 0x0008_0000 | (HypercallGuest.Code + 4));
        guest.Put(Idt + (Vector * 8) + 4, 0x8E00);
        guest.Machine.Cpu.IdtBase = Idt;
        guest.Machine.Cpu.IdtLimit = 0x7FF;
        guest.Machine.Cpu.Esp = 0x9000;
        guest.Put(0x5000, 0);
        guest.Put(0x5008, 0x0000_FFFF);
        guest.Put(0x500C, 0x00CF_9A00);
        guest.Machine.Cpu.GdtBase = 0x5000;
        guest.Machine.Cpu.GdtLimit = 0xF;
        guest.Machine.Cpu.Cs.Selector = 8;
        guest.Machine.Vcpu.NotifyStateChanged();
        Assert.Equal(StopKind.HaltedForever, guest.Machine.Run().Kind);
        Assert.Equal(0u, guest.Machine.Cpu.Edi);

        guest.Machine.Hypercalls.Clock.Place(new GuestPhysicalAddress(Page));
        guest.Put(Page + 0x28, Vector);
        guest.Machine.Input.Ring(2);
        guest.Machine.Input.Ring(31);
        Assert.Equal(StopKind.HaltedForever, guest.Machine.Run().Kind);
        Assert.Equal((1u, 0u), (guest.Machine.Cpu.Edi, guest.Get(Page + 4)));

        // A bit that is set already, or no vector: no interrupt.
        guest.Put(Page + 4, 1u << 5);
        guest.Machine.Input.Ring(5);
        Assert.Equal(StopKind.HaltedForever, guest.Machine.Run().Kind);
        guest.Put(Page + 0x28, 31);
        guest.Machine.Input.Ring(6);
        Assert.Equal(StopKind.HaltedForever, guest.Machine.Run().Kind);
        Assert.Equal((1u, (1u << 5) | (1u << 6)), (guest.Machine.Cpu.Edi, guest.Get(Page + 4)));
    }

    /// <summary>Alone, nobody can be reached.</summary>
    [Fact]
    public void EventsNeedAConnection()
    {
        using HypercallGuest guest = new();
        guest.Fails(HypercallError.NotPermitted, Hypercall.EventSend, 0, 2);
        guest.Fails(HypercallError.NotPermitted, Hypercall.EventSend, uint.MaxValue, 31);
        guest.Fails(HypercallError.InvalidArgument, Hypercall.EventSend, 0, 1);
        guest.Fails(HypercallError.InvalidArgument, Hypercall.EventSend, 0, 32);
    }

    /// <summary>Marks reach whoever wants them.</summary>
    [Fact]
    public void MarksAreTold()
    {
        using HypercallGuest guest = new();
        Assert.Equal(0u, guest.Call(Hypercall.TraceMark, 7, 9));
        Assert.Equal([new TraceMark(7, 9)], guest.Marks);
    }
}
