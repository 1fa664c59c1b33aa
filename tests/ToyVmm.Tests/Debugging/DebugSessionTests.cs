using ToyVmm.Debugging;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Loading;
using Xunit;

namespace ToyVmm.Tests.Debugging;

/// <summary>Single cases of a session, each once got wrong; guests are real-mode code at 0000:7C00.</summary>
public sealed class DebugSessionTests
{
    public static IEnumerable<object[]> Engines =>
        VirtualMachine.TranslatorUnavailable is null ? [[EngineKind.Interpreter], [EngineKind.Translator]] : [[EngineKind.Interpreter]];

    /// <summary>Five times INC byte [0x8000], then HLT with interrupts off.</summary>
    [Theory]
    [MemberData(nameof(Engines))]
    public void An_instruction_that_changes_memory_reads_it_too(EngineKind engine)
    {
        using VirtualMachine vm = Create(engine, 0xFE, 0x06, 0x00, 0x80, 0xFE, 0x06, 0x00, 0x80, 0xFE, 0x06, 0x00, 0x80, 0xFE, 0x06, 0x00, 0x80, 0xFE, 0x06, 0x00, 0x80, 0xF4);
        using DebugSession session = new(vm);
        _ = session.Breakpoints.Add(new DataSpec(0x8000, 1, WatchAccess.Read));
        for (ulong n = 1; n <= 5; n++)
        {
            DebugStop stop = session.Continue();
            Assert.Equal((StopCause.Breakpoint, n), (stop.Cause, stop.Point.Instructions));
        }

        Assert.Equal(StopCause.Ended, session.Continue().Cause);
    }

    /// <summary>INC AX; JMP to it.</summary>
    [Theory]
    [MemberData(nameof(Engines))]
    public void Hits_count_whether_the_condition_holds_or_not(EngineKind engine)
    {
        using VirtualMachine vm = Create(engine, 0x40, 0xEB, 0xFD);
        using DebugSession session = new(vm);
        Breakpoint one = session.Breakpoints.Add(new LinearSpec(0x7C00));
        Assert.Null(session.SetCondition(one, "hits == 3"));
        DebugStop stop = session.Continue();
        Assert.Equal((StopCause.Breakpoint, 3u, 3ul, 1ul), (stop.Cause, vm.Cpu.Eax, one.Reached, one.Hits));

        Breakpoint other = session.Breakpoints.Add(new LinearSpec(0x7C00));
        Assert.Null(session.SetCondition(other, "ax == 1000"));
        _ = session.Continue();
        Assert.Equal((1000u, 1000ul, 997ul), (vm.Cpu.Eax, one.Reached, other.Reached));
        _ = session.RunToInstruction(10_000);
        _ = session.ReverseContinue();
        Assert.Equal(1000u, vm.Cpu.Eax);
    }

    /// <summary>HLT with interrupts off: the guest's end.</summary>
    [Theory]
    [MemberData(nameof(Engines))]
    public void An_end_is_an_end_until_the_guest_goes_back(EngineKind engine)
    {
        using VirtualMachine vm = Create(engine, 0x90, 0xF4, 0x90, 0x90, 0x90);
        using DebugSession session = new(vm);
        Assert.Equal(StopCause.Ended, session.GoToInstruction(999).Cause);
        ExecutionPoint end = session.Point;
        Assert.Equal(StopCause.Ended, session.RunToInstruction(1).Cause);
        Assert.Equal(StopCause.Ended, session.Continue().Cause);
        Assert.Equal(StopCause.Ended, session.GoToInstruction(1000).Cause);
        Assert.Equal(end, session.Point);
        Assert.Equal(StopCause.Reached, session.GoToInstruction(1).Cause);
        Assert.Null(session.Ended);
        Assert.Equal(StopCause.Ended, session.Continue().Cause);
        Assert.Equal(end, session.Point);
    }

    /// <summary>UD2, whose handler takes its frame off the stack and jumps to it again.</summary>
    [Theory]
    [MemberData(nameof(Engines))]
    public void A_handler_that_never_returns_can_be_left_alone(EngineKind engine)
    {
        using VirtualMachine vm = Create(engine, 0xC7, 0x06, 0x18, 0x00, 0x0E, 0x7C, 0xC7, 0x06, 0x1A, 0x00, 0x00, 0x00, 0x0F, 0x0B, 0x83, 0xC4, 0x06, 0xEB, 0xF9);
        using DebugSession session = new(vm);
        using Timer timer = new(_ => session.RequestPause(), null, 300, Timeout.Infinite);
        Assert.Equal(StopCause.Paused, session.Step(StepKind.Out).Cause);
        Assert.True(session.Point.Events > 100);
    }

    /// <summary>A breakpoint in a page that is not the one where the same offset runs hot costs nothing there.</summary>
    [Fact]
    public void Code_at_the_same_offset_of_another_page_stays_whole()
    {
        using VirtualMachine vm = Create(EngineKind.Interpreter, 0x40, 0x40, 0x40, 0xEB, 0xFB);
        using DebugSession session = new(vm);
        _ = session.RunToInstruction(1000);
        ulong decoded = vm.Vcpu.BlocksDecoded;
        _ = session.Breakpoints.Add(new LinearSpec(0x9C01));
        _ = session.RunToInstruction(10_000);
        Assert.InRange(vm.Vcpu.BlocksDecoded - decoded, 0ul, 2ul);
    }

    private static VirtualMachine Create(EngineKind engine, params byte[] code) =>
        VirtualMachine.Create(code, new VirtualMachineOptions { Engine = engine, Load = new LoadOptions { Format = ImageFormat.Raw } });
}
