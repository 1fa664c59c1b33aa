using ToyVmm.Engines;
using ToyVmm.Engines.Interpretation;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Memory;
using ToyVmm.VirtualMachines.Comparing;
using Xunit;

namespace ToyVmm.Tests.Interpretation;

/// <summary>
/// A second CPU beside a test's own, on which the translator runs what the test has the interpreter run: everything is translated at once and
/// verified. After each run the exit, the traps with the state of each, and all architectural state must be equal; memory
/// and the TLB whenever the test looks at memory and at the end. So whatever a test asserts of the interpreter holds for the translator too.
/// </summary>
/// <remarks>
/// The twin has the same past as the test's CPU: what the test changes in between is passed on before the next run (state, injected
/// interrupts, answers to reads) or as it happens (resets, notifications, and writes, since those invalidate code).
/// </remarks>
internal sealed unsafe class TranslatorTwin : IDisposable
{
    private const int TranslatedBlock = 64;

    private readonly Vcpu _original;
    private readonly Interpreter _originalEngine;
    private readonly Vcpu _twin;
    private readonly Interpreter _engine;
    private readonly GuestMemory _memory;
    private readonly TrapRecorder _expected;
    private readonly TrapRecorder _traps = new(null);

    // The test may have changed memory by itself.
    private bool _mayDiffer = true;
    private bool _isPaging;

    private TranslatorTwin(Vcpu original, Interpreter originalEngine, GuestMemory memory, bool portable)
    {
        _original = original;
        _originalEngine = originalEngine;
        _memory = memory;
        _twin = new Vcpu(memory, original.Model) { Observer = _traps };
        _engine = new Interpreter(_twin, portable);
        if (_engine.TryTranslate(new TranslatorOptions { Hotness = 0, Verify = true, CodeCacheBytes = 64 << 10, Views = 2 }) is { } unavailable)
        {
            throw new PlatformNotSupportedException(unavailable);
        }

        _expected = new TrapRecorder(original.Observer);
        original.Observer = _expected;
        original.WasReset += _twin.Reset;
        original.StateReplaced += OnStateReplaced;
        OnStateReplaced();
    }

    /// <summary>Instructions that ran on the host.</summary>
    public ulong HostInstructions => _twin.Translation!.HostInstructions;

    /// <summary>Makes one; null where this host has no translator, so that tests judge the interpreter alone.</summary>
    /// <param name="original">The test's CPU, its observer attached.</param>
    /// <param name="engine">Its engine.</param>
    /// <param name="portable">As the engine was made.</param>
    public static TranslatorTwin? TryCreate(Vcpu original, Interpreter engine, bool portable = false) =>
        Interpreter.TranslationUnavailable is null
            ? new TranslatorTwin(original, engine, new GuestMemory(original.Memory.RamSize, shared: true), portable)
            : null;

    /// <summary>The test writes to memory as a device would.</summary>
    public void Write(uint address, ReadOnlySpan<byte> bytes) => _ = _memory.TryWrite(new GuestPhysicalAddress(address), bytes);

    /// <summary>The test forgets what the TLB holds.</summary>
    public void FlushTlb() => _twin.Mmu.Tlb.FlushAll();

    /// <summary>The test is about to see memory, and may change it by itself.</summary>
    public void LetMemoryBeSeen()
    {
        if (!_mayDiffer)
        {
            _mayDiffer = true;
            CompareMemory();
        }
    }

    /// <summary>Runs both.</summary>
    /// <returns>The exit of the test's own CPU, which the twin's equals.</returns>
    public VmExit Run(ulong count)
    {
        PassOn();
        (ushort selector, uint eip) = (_original.State->Cs.Selector, _original.State->Eip);

        // A block that the budget does not suffice for is interpreted. It must suffice for all that are decoded now.
        _engine.LongestBlock = (int)Math.Clamp(count, 1, TranslatedBlock);
        VmExit exit = _originalEngine.Run(count);
        VmExit other = _engine.Run(count);
        _isPaging |= (_original.State->Cr0 & Cr0.PG) != 0;

        if (exit != other)
        {
            Assert.Fail($"{count} instructions from {selector:X4}:{eip:X8}: the interpreter leaves with {exit}, the translator with {other}");
        }

        if (StateDifference.OfCpus(_original, _twin) is { } difference)
        {
            Assert.Fail($"{count} instructions from {selector:X4}:{eip:X8}: the interpreter and the translator differ:\n{difference}");
        }

        if (!_expected.Seen.SequenceEqual(_traps.Seen))
        {
            Assert.Fail($"{count} instructions from {selector:X4}:{eip:X8}: the interpreter's traps are {_expected}, the translator's {_traps}");
        }

        Assert.True(_original.InjectedVector == _twin.InjectedVector && _original.ApicBase == _twin.ApicBase);
        if (_original.Autopsy is not null || _twin.Autopsy is not null)
        {
            Assert.Equal(Describe(_original.Autopsy), Describe(_twin.Autopsy));
        }

        return exit;
    }

    /// <summary>Compares memory and the TLB for the last time, and frees the twin.</summary>
    public void Dispose()
    {
        try
        {
            LetMemoryBeSeen();
            if (_isPaging)
            {
                Assert.Null(StateDifference.OfTlbs(_original.Mmu.Tlb, _twin.Mmu.Tlb));
            }
        }
        finally
        {
            _original.WasReset -= _twin.Reset;
            _original.StateReplaced -= OnStateReplaced;
            _engine.Dispose();
            _twin.Dispose();
            _memory.Dispose();
        }
    }

    private static string Describe(Autopsy? autopsy) =>
        autopsy is null ? "no shutdown" : string.Join('\n', [.. autopsy.Chain.Select(fault => fault.ToString()), .. autopsy.Tables]);

    private void OnStateReplaced()
    {
        CopyState();
        _twin.NotifyStateChanged();
    }

    // All that is architectural, in the engines' own representation.
    private void CopyState()
    {
        int length = (int)((byte*)&_original.State->Tlb - (byte*)_original.State);
        new Span<byte>(_original.State, length).CopyTo(new Span<byte>(_twin.State, length));
    }

    private void PassOn()
    {
        CopyState();
        if ((_original.State->Attention & Attention.Completion) != 0)
        {
            _twin.CompleteRead(_original.Io.LastAnswer);
        }

        _twin.InjectedVector = _original.InjectedVector;
        _twin.CancelRequested = _original.CancelRequested;
        _twin.State->Attention = _original.State->Attention;
        _expected.Seen.Clear();
        _traps.Seen.Clear();
        if (_mayDiffer)
        {
            CopyMemory();
            _mayDiffer = false;
        }
    }

    // As the test has done it: without a word to whoever decodes code.
    private void CopyMemory()
    {
        const int PageSize = (int)GuestPhysicalAddress.PageSize;
        for (uint at = 0; at < _memory.RamSize; at += GuestPhysicalAddress.PageSize)
        {
            GuestPhysicalAddress page = new(at);
            if (_original.Memory.KindAt(page) is var kind && kind != _memory.KindAt(page))
            {
                _memory.SetKind(page, GuestPhysicalAddress.PageSize, kind);
            }

            ReadOnlySpan<byte> from = new(_original.Memory.RamBase + at, PageSize);
            Span<byte> to = new(_memory.RamBase + at, PageSize);
            if (!from.SequenceEqual(to))
            {
                from.CopyTo(to);
            }
        }
    }

    private void CompareMemory()
    {
        int size = (int)_memory.RamSize;
        if (!new ReadOnlySpan<byte>(_original.Memory.RamBase, size).SequenceEqual(new ReadOnlySpan<byte>(_memory.RamBase, size)))
        {
            Assert.Fail($"the interpreter and the translator differ:\n{StateDifference.OfMemories(_original.Memory, _memory)}");
        }
    }

    // Every trap with the state that it found.
    private sealed class TrapRecorder(IEngineObserver? inner) : IEngineObserver
    {
        public List<(TrapInfo Trap, ulong State)> Seen { get; } = [];

        public bool WantsInstructions => inner?.WantsInstructions ?? false;

        public void BeforeInstruction(Vcpu vcpu) => inner?.BeforeInstruction(vcpu);

        public void BeforeTrap(Vcpu vcpu, in TrapInfo trap)
        {
            Seen.Add((trap, StateHash.OfCpu(vcpu)));
            inner?.BeforeTrap(vcpu, trap);
        }

        public override string ToString() => Seen.Count == 0 ? "none" : string.Join(", ", Seen);
    }
}
