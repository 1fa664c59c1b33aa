using System.Globalization;
using ToyVmm.Engines;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Tests.Properties;
using ToyVmm.Tests.Translation;
using Xunit;
using Xunit.Abstractions;

namespace ToyVmm.Tests.Fuzz;

/// <summary>
/// Random guests on the engine: nothing throws, every run ends in a typed way, budgets hold exactly, the state stays consistent;
/// and sampled: cutting a run into slices, watching every instruction, or using a fresh machine changes nothing.
/// </summary>
public sealed class EngineFuzzTests(ITestOutputHelper output)
{
    private const int SampleEvery = 10;

    [Theory]
    [InlineData(HostileKind.RealBytes, 25_000)]
    [InlineData(HostileKind.Real, 20_000)]
    [InlineData(HostileKind.Flat, 20_000)]
    [InlineData(HostileKind.Tables, 20_000)]
    [InlineData(HostileKind.Virtual8086, 15_000)]
    [InlineData(HostileKind.Based, 10_000)]
    public void Random_guests_end_in_a_typed_stop(HostileKind kind, int standardCases)
    {
        ulong first = FuzzSettings.FirstSeed();
        int cases = FuzzSettings.Cases(standardCases);
        int[] ends = new int[Enum.GetValues<FuzzEnd>().Length];
        ulong instructions = 0;
        using FuzzMachine machine = new();
        for (int n = 0; n < cases; n++)
        {
            ulong seed = first + (ulong)n;
            FuzzOutcome outcome = Try(machine, kind, seed, sampled: n % SampleEvery == 0, afresh: n % (SampleEvery * SampleEvery) == 0);
            ends[(int)outcome.End]++;
            instructions += outcome.Retired;
        }

        string summary = string.Join(", ", Enum.GetValues<FuzzEnd>().Select(end => string.Create(CultureInfo.InvariantCulture, $"{end} {ends[(int)end]}")));
        output.WriteLine($"seed 0x{first:X}: {cases} guests, {instructions} instructions; {summary}");
    }

    [TranslatorTheory]
    [InlineData(HostileKind.Real, 200)]
    [InlineData(HostileKind.Flat, 4_000)]
    [InlineData(HostileKind.Tables, 2_000)]
    [InlineData(HostileKind.Virtual8086, 200)]
    [InlineData(HostileKind.Based, 4_000)]
    public void The_translator_does_what_the_interpreter_does(HostileKind kind, int standardCases)
    {
        ulong first = FuzzSettings.FirstSeed();
        int cases = FuzzSettings.Cases(standardCases);
        using FuzzMachine interpreter = new();
        using FuzzMachine translator = new(translates: true);
        for (int n = 0; n < cases; n++)
        {
            HostileGuest guest = new(kind, first + (ulong)n);
            string stage = "interpreted";
            try
            {
                FuzzOutcome expected = interpreter.Run(guest);
                stage = "translated";
                Assert.Equal(expected, translator.Run(guest));
                if (n % SampleEvery == 0)
                {
                    stage = "translated, in slices";
                    Assert.Equal(expected, translator.Run(guest, new EdgeRandom(guest.Seed)));
                }
            }
            catch (Exception e)
            {
                throw new FuzzViolationException($"{guest}, {stage}, interpreter {Where(interpreter.Vcpu)}, translator {Where(translator.Vcpu)}: {e.GetType().Name}: {e.Message}\n{e.StackTrace}");
            }
        }

        TranslationStatistics done = translator.Vcpu.Translation!;
        output.WriteLine($"seed 0x{first:X}: {cases} guests; {done.HostInstructions} instructions on the host in {done.BlocksTranslated} blocks, {done.HostFaults} faults");
        Assert.True(kind != HostileKind.Based || done.BasedBlocks > (ulong)cases, $"{done.BasedBlocks} blocks for segments with a base");
        Assert.True(kind is not (HostileKind.Flat or HostileKind.Tables or HostileKind.Based) || done.HostInstructions > (ulong)cases, "hardly anything ran on the host");
    }

    private static FuzzOutcome Try(FuzzMachine machine, HostileKind kind, ulong seed, bool sampled, bool afresh)
    {
        HostileGuest guest = new(kind, seed);
        string stage = "the plain run";
        try
        {
            FuzzOutcome outcome = machine.Run(guest);
            if (outcome.End != FuzzEnd.ExitLimit)
            {
                // There an instruction is half-way: it has met a data breakpoint, maybe, and waits for a device.
                Assert.Null(EngineInvariants.Violation(machine.Vcpu));
            }

            if (!sampled)
            {
                return outcome;
            }

            stage = "the same run again";
            Assert.Equal(outcome, machine.Run(guest));

            stage = "the run in slices";
            Assert.Equal(outcome, machine.Run(guest, new EdgeRandom(seed)));

            stage = "the watched run";
            Watcher watcher = new();
            machine.Vcpu.Observer = watcher;
            Assert.Equal(outcome, machine.Run(guest));
            Assert.True((ulong)(watcher.Instructions + watcher.Traps) >= outcome.Retired, $"{watcher.Instructions} instructions and {watcher.Traps} traps were told of, {outcome.Retired} retired");

            if (afresh)
            {
                stage = "the run on a fresh machine";
                using FuzzMachine fresh = new();
                Assert.Equal(outcome, fresh.Run(guest));
            }

            return outcome;
        }
        catch (Exception e)
        {
            throw new FuzzViolationException($"{guest}, in {stage}, {Where(machine.Vcpu)}: {e.GetType().Name}: {e.Message}\n{e.StackTrace}");
        }
        finally
        {
            machine.Vcpu.Observer = null;
        }
    }

    private static unsafe string Where(Vcpu vcpu)
    {
        CpuState* s = vcpu.State;
        Span<byte> code = stackalloc byte[32];
        _ = vcpu.Mmu.Peek(s->Cs.Base + s->Eip - 16) is { } address && vcpu.Memory.TryRead(address, code);
        return $"at {s->Cs.Selector:x4}:{s->Eip:x8} ({Convert.ToHexString(code)}), CR0 {s->Cr0:x8}, EFLAGS {LazyFlags.GetEflags(s):x8}, attention {s->Attention}";
    }

    private sealed class Watcher : IEngineObserver
    {
        public int Instructions { get; private set; }

        public int Traps { get; private set; }

        public bool WantsInstructions => true;

        public void BeforeInstruction(Vcpu vcpu) => Instructions++;

        public void BeforeTrap(Vcpu vcpu, in TrapInfo trap) => Traps++;
    }
}
