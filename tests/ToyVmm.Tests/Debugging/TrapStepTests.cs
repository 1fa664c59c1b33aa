using ToyVmm.Debugging;
using ToyVmm.Debugging.Traps;
using ToyVmm.Tests.Debugging.Terminal;
using ToyVmm.VirtualMachines;
using Xunit;

namespace ToyVmm.Tests.Debugging;

/// <summary>Steps from trap to trap.</summary>
public sealed class TrapStepTests
{
    private const ulong Most = 60_000;
    private const int MostTraps = 150;

    public static TheoryData<string, EngineKind> Guests
    {
        get
        {
            TheoryData<string, EngineKind> all = [];
            foreach (object[] engine in DebuggedGuest.Engines)
            {
                foreach (string image in (string[])["paging/paging.elf", "traps/traps.elf", "interrupts/interrupts.elf", "tasks/tasks.elf"])
                {
                    all.Add(image, (EngineKind)engine[0]);
                }
            }

            return all;
        }
    }

    /// <summary>No trap is left out, none is met twice, and each is the very one that the recorder of a run that nobody stops has seen.</summary>
    [Theory]
    [MemberData(nameof(Guests))]
    public void Steps_meet_every_trap_that_a_recorder_sees(string image, EngineKind engine)
    {
        List<Trap> expected = [];
        using (DebuggedGuest recorded = new(image, engine))
        using (TrapRecorder recorder = new(recorded.Machine, expected.Add))
        {
            recorder.Attach();
            _ = recorded.Machine.Run(new RunLimits { MaxInstructions = Most });
        }

        Assert.NotEmpty(expected);
        using DebuggedGuest guest = new(image, engine);
        for (int n = 0; n < Math.Min(expected.Count, MostTraps); n++)
        {
            DebugStop stop = guest.Session.Step(StepKind.Trap);
            if (stop.Cause == StopCause.Ended)
            {
                Assert.Equal(expected.Count - 1, n);
                break;
            }

            Assert.Equal((StopCause.Stepped, guest.Session.Point), (stop.Cause, stop.Point));
            Trap found = Assert.IsType<Trap>(stop.Trap);
            Assert.Equal(Describe(expected[n]), Describe(found));

            // Behind it, and before anything else: the instruction is completed, or its fault is delivered.
            Assert.Equal((found.After.Retired, found.After.Cs.Selector, found.After.Eip), (stop.Point.Instructions, guest.Session.Cpu.Cs.Selector, guest.Session.Cpu.Eip));
        }
    }

    private static string Describe(Trap trap) => $"{trap.Point} {trap.Kind} {trap.Instruction.Linear:x8} {string.Join(',', trap.Events.Select(one => one.ToString()))} {trap.Steps.Length}";
}
