using ToyVmm.Debugging;
using ToyVmm.Tests.Debugging.Terminal;
using ToyVmm.VirtualMachines;
using Xunit;
using Xunit.Abstractions;

namespace ToyVmm.Tests.Debugging;

/// <summary>The same things are done with a guest through a session, at the prompt, and through gdb's protocol, on both engines: all of them are at the same points, and show the same registers.</summary>
public sealed class FrontEndAgreementTests(ITestOutputHelper output)
{
    // A place that the guests come to often, and to which they have come by then.
    private const ulong Early = 3_000;

    public static TheoryData<string> Guests => ["paging/paging.elf", "tasks/tasks.elf", "traps/traps.elf"];

    [Theory]
    [MemberData(nameof(Guests))]
    public void All_front_ends_and_engines_agree(string image)
    {
        List<string>? expected = null;
        foreach (object[] engine in DebuggedGuest.Engines)
        {
            foreach (Func<DebuggedGuest, IFrontEnd> make in (Func<DebuggedGuest, IFrontEnd>[])[guest => new SessionFrontEnd(guest), guest => new TerminalFrontEnd(guest), guest => new GdbFrontEnd(guest)])
            {
                using IFrontEnd front = make(new DebuggedGuest(image, (EngineKind)engine[0]));
                List<string> seen = Play(front);
                expected ??= seen;
                for (int n = 0; n < Math.Max(expected.Count, seen.Count); n++)
                {
                    Assert.True(expected.ElementAtOrDefault(n) == seen.ElementAtOrDefault(n), $"{front.GetType().Name}, {engine[0]}: {expected.ElementAtOrDefault(n)} expected, {seen.ElementAtOrDefault(n)} found");
                }
            }
        }

        foreach (string line in expected!)
        {
            output.WriteLine(line);
        }
    }

    private static List<string> Play(IFrontEnd front)
    {
        List<string> seen = [];
        void Note(string what)
        {
            (ExecutionPoint point, string registers) = front.Look();
            seen.Add($"{what}: {point} {registers}");
        }

        uint Register(int number) => Convert.ToUInt32(front.Look().Registers.Split(' ')[number], 16);
        Note("begin");
        for (int n = 1; n < 40; n += 7)
        {
            front.Step(StepKind.Instruction, n);
            Note($"{n} steps");
        }

        for (int n = 0; n < 8; n++)
        {
            front.Step(StepKind.Trap, 1);
            Note("a trap");
        }

        front.Step(StepKind.Block, 3);
        Note("blocks");
        front.Step(StepKind.Over, 2);
        Note("over");
        for (int n = 0; n < 5; n++)
        {
            front.ReverseStep();
            Note("a step back");
        }

        // A place where the guest comes by again, or does not: and all of them then stand where it has ended.
        front.GoTo(Early);
        Note("goto");
        front.Break(Register(8));
        front.GoTo(0);
        Note("the beginning");
        for (int n = 0; n < 3; n++)
        {
            front.Continue();
            Note("a breakpoint");
        }

        front.Step(StepKind.Instruction, 1);
        for (int n = 0; n < 2; n++)
        {
            front.ReverseContinue(toWatchpoint: false);
            Note("back to a breakpoint");
        }

        front.Clear();
        front.GoTo(Early);
        uint stack = Register(4);
        front.GoTo(1);
        front.Watch((stack & ~3u) - 8, 8);
        for (int n = 0; n < 3; n++)
        {
            front.Continue();
            Note("a watchpoint");
        }

        front.Step(StepKind.Instruction, 1);
        Note("a step");
        front.ReverseContinue(toWatchpoint: true);
        Note("back to a watchpoint");
        front.Clear();
        front.GoTo(Early + 1);
        Note("goto");
        return seen;
    }
}
