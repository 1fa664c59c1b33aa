using System.Globalization;
using System.Text;
using ToyVmm.Engines;
using ToyVmm.VirtualMachines.Comparing;

namespace ToyVmm.VirtualMachines.Verification.Isolation;

/// <summary>Checks isolation on cases: see <see cref="IsolationProperty.Statement"/>. A case's machines are new ones, so that it can be repeated alone.</summary>
internal sealed class IsolationChecker(string property, ReaderWriterLock? gate, IsolationSabotage? sabotage) : ICaseChecker
{
    // What grows by chance does not grow every time.
    private const int MostRounds = 8;

    private readonly DriveFiles _drives = new();
    private readonly Dictionary<(int Kind, EngineKind Engine), NeighbourHistory> _alone = [];
    private bool _warm;

    /// <inheritdoc/>
    public Counterexample? Check(ulong seed, VerificationTally tally)
    {
        ArgumentNullException.ThrowIfNull(tally);
        IsolationCase @case = new(seed);
        tally.Count("cases");
        tally.Count($"cases: {@case.Kind}");
        return gate is null ? CheckRuns(@case, tally) : @case.CountsResources && HostResources.IsAvailable ? CheckResources(gate, @case, tally) : Shared(gate, @case, tally);
    }

    /// <inheritdoc/>
    public void Dispose() => _drives.Dispose();

    private Counterexample? Shared(ReaderWriterLock gate, IsolationCase @case, VerificationTally tally)
    {
        gate.AcquireReaderLock(Timeout.Infinite);
        try
        {
            return CheckRuns(@case, tally);
        }
        finally
        {
            gate.ReleaseReaderLock();
        }
    }

    // Alone in the process: once for whatever is made at the first time, then until a round takes no more than the one before.
    private Counterexample? CheckResources(ReaderWriterLock gate, IsolationCase @case, VerificationTally tally)
    {
        gate.AcquireWriterLock(Timeout.Infinite);
        try
        {
            Counterexample? found = CheckRuns(@case, tally);
            tally.Count("machines whose host resources were counted");
            HostResources first = HostResources.Now();
            HostResources before = first;
            HostGrowth growing = HostGrowth.All;
            for (int round = 0; round < (_warm ? MostRounds : 2 * MostRounds) && found is null && growing != HostGrowth.None; round++)
            {
                found = CheckRuns(@case, new VerificationTally());
                sabotage?.AfterDispose?.Invoke();
                HostResources after = HostResources.Now();
                growing &= after.GrownSince(before);
                before = after;
            }

            _warm = true;
            return found ?? (growing == HostGrowth.None ? null : Found(@case, $"a machine keeps something of the host each time that it is disposed of: {growing}", $"at first {first}\nat last  {before}"));
        }
        finally
        {
            gate.ReleaseWriterLock();
        }
    }

    private Counterexample? CheckRuns(IsolationCase @case, VerificationTally tally)
    {
        using HostileRun interpreted = new(@case, EngineKind.Interpreter, _drives, sabotage);
        while (interpreted.RunSlice())
        {
        }

        if (Conclude(@case, interpreted, tally) is { } found)
        {
            return found;
        }

        if (VirtualMachine.TranslatorUnavailable is not null)
        {
            return @case.HasNeighbour ? CheckNeighbour(@case, EngineKind.Interpreter, tally) : null;
        }

        using HostileRun translated = new(@case, EngineKind.Translator, _drives, sabotage);
        while (translated.RunSlice())
        {
        }

        return Conclude(@case, translated, tally)
            ?? Compare(@case, interpreted, translated, tally)
            ?? (@case.HasNeighbour ? CheckNeighbour(@case, EngineKind.Translator, tally) : null);
    }

    private Counterexample? Conclude(IsolationCase @case, HostileRun run, VerificationTally tally)
    {
        string engine = run.Engine.ToString();
        if (run.Violation is { } violation)
        {
            int line = violation.IndexOf('\n', StringComparison.Ordinal);
            return Found(@case, $"{engine}: {(line < 0 ? violation : violation[..line])}", violation);
        }

        tally.Count($"ends: {run.Stop?.Kind ?? StopKind.InstructionLimit}");
        tally.Count("instructions", run.Machine.InstructionsRetired);
        if (run.Machine.Vcpu.Translation is { } translation)
        {
            tally.Count("blocks verified", translation.BlocksVerified);
            tally.Count("instructions on the host CPU", translation.HostInstructions);
            tally.Count("code caches filled", translation.CacheFlushes);
            tally.Measure("blocks translated", translation.BlocksTranslated, @case.Seed);
        }

        if (@case.HasDrives)
        {
            tally.Count("machines with drives");
            if (!_drives.AreIntact)
            {
                return Found(@case, $"{engine}: the image of a drive that must not be written was changed", "");
            }
        }

        if (@case.AsksForWindows && run.Machine.HostRanges.Count > 0)
        {
            tally.Count("machines whose windows the host was asked about");
            return (HostWindows.Check(run.Machine) ?? run.Machine.VerifyEmittedCode()) is { } wrong ? Found(@case, $"{engine}: {wrong}", wrong) : null;
        }

        return null;
    }

    private Counterexample? Compare(IsolationCase @case, HostileRun interpreted, HostileRun translated, VerificationTally tally)
    {
        if (interpreted.RanOutOfTime || translated.RanOutOfTime)
        {
            tally.Count("cases cut by host time");
            return null;
        }

        tally.Count("cases compared between engines");
        HostileOutcome expected = interpreted.Outcome();
        HostileOutcome outcome = translated.Outcome();
        if (expected == outcome)
        {
            return null;
        }

        StringBuilder detail = new();
        _ = detail.Append(CultureInfo.InvariantCulture, $"interpreter: {expected}\ntranslator:  {outcome}\n")
            .Append(StateDifference.OfCpus(interpreted.Machine.Vcpu, translated.Machine.Vcpu))
            .Append(StateDifference.OfMemories(interpreted.Machine.Machine.Memory, translated.Machine.Machine.Memory));
        return Found(@case, "the engines do not end alike", detail.ToString());
    }

    // Once more, with a neighbour between the attacker's slices; and the neighbour's last slices come when the attacker is gone.
    private Counterexample? CheckNeighbour(IsolationCase @case, EngineKind attacker, VerificationTally tally)
    {
        int kind = (int)(@case.Seed % Neighbour.Kinds);
        EngineKind engine = @case.Seed / Neighbour.Kinds % 2 == 0 ? attacker : EngineKind.Interpreter;
        if (!_alone.TryGetValue((kind, engine), out NeighbourHistory? alone))
        {
            alone = Neighbour.Alone(kind, engine);
            _alone.Add((kind, engine), alone);
        }

        using Neighbour neighbour = new(kind, engine);
        int slice = 0;
        using (HostileRun run = new(@case, attacker, _drives, sabotage: null))
        {
            bool goesOn = true;
            for (; slice < Neighbour.Slices - 2 && goesOn; slice++)
            {
                neighbour.RunSlice();
                goesOn = run.RunSlice();
                sabotage?.BesideNeighbour?.Invoke(run, neighbour.Machine);
            }
        }

        for (; slice < Neighbour.Slices; slice++)
        {
            neighbour.RunSlice();
        }

        tally.Count("neighbours compared with themselves alone");
        NeighbourHistory beside = neighbour.History();
        return beside == alone ? null : Found(@case, "a neighbour's history is another one beside this guest", $"alone:  {alone}\nbeside: {beside}");
    }

    private Counterexample Found(IsolationCase @case, string summary, string detail)
    {
        StringBuilder text = new(detail);
        _ = text.Append(CultureInfo.InvariantCulture, $"\n{@case.Kind}");
        _ = @case.Guest is { } guest
            ? text.Append(CultureInfo.InvariantCulture, $", a {guest.Kind} guest")
            : text.Append(@case.RealMode ? ", a raw image in real mode" : ", a raw image in protected mode");
        _ = text.Append(CultureInfo.InvariantCulture, $"; hotness {@case.Translator.Hotness}, code cache of {@case.Translator.CodeCacheBytes} bytes, {@case.Translator.Views} views; stops at {string.Join(' ', @case.Schedule)}");
        return new Counterexample(property, @case.Seed, summary, text.ToString().Trim())
        {
            Image = @case.Guest is null ? @case.Image : (ReadOnlyMemory<byte>?)null,
        };
    }
}
