using ToyVmm.Engines.Decoding;
using ToyVmm.Engines.Interpretation;
using ToyVmm.Engines.Translation;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines;

/// <summary>What an engine lets accesses to a linear page do without asking: its shadow of the guest's page table.</summary>
/// <param name="Exists">False where the engine has no shadow for this address space and privilege yet.</param>
/// <param name="Readable">Loads go straight to memory.</param>
/// <param name="Writable">Stores go straight to memory.</param>
/// <param name="Page">GPA of the page behind it, where one of the two is true and it is RAM.</param>
public readonly record struct ShadowPage(bool Exists, bool Readable, bool Writable, ulong Page);

/// <summary>A decoded block of guest code, and what became of it.</summary>
/// <param name="Linear">Where it begins.</param>
/// <param name="Physical">GPA of its first byte.</param>
/// <param name="Length">Bytes of guest code.</param>
/// <param name="Count">Instructions.</param>
/// <param name="Heat">How often it was interpreted before it was translated.</param>
/// <param name="HostOffset">Its emitted code in the code cache; null where it has none.</param>
/// <param name="HostLength">Bytes of emitted code.</param>
/// <param name="RunsOnHost">True where its first instruction runs on the host.</param>
/// <param name="LinksFrom">Linear addresses of the blocks whose branches were linked to it.</param>
/// <param name="Lines">The guest's instructions, the host's beside them, and why they differ.</param>
public sealed record LiveBlock(
    uint Linear, ulong Physical, int Length, int Count, int Heat, int? HostOffset, int HostLength, bool RunsOnHost, IReadOnlyList<uint> LinksFrom, IReadOnlyList<TranslationLine> Lines);

/// <summary>
/// A look at what an engine derives from a guest: the shadow of its page tables, and its code as decoded and translated. Nothing is decoded, mapped or
/// moved for it, so that the guest and the engine go on as if nobody had looked.
/// </summary>
public readonly unsafe struct EngineView
{
    private readonly Interpreter _engine;

    /// <summary>Looks at an engine.</summary>
    /// <param name="engine">The engine; not running meanwhile.</param>
    public EngineView(Interpreter engine) => _engine = engine;

    /// <summary>True where guest code is translated; false where all of it is interpreted.</summary>
    public bool IsTranslating => _engine.Translated is not null;

    /// <summary>The engine's shadow of a page: of the translator the view in host memory, of the interpreter its look-up table.</summary>
    /// <param name="linear">An address in the page.</param>
    /// <param name="user">True for what CPL 3 sees, false for the supervisor.</param>
    public ShadowPage Shadow(uint linear, bool user) =>
        _engine.Translated is { } translated ? translated.PeekView(linear, user) : _engine.PeekProjection(linear, user);

    /// <summary>True where a debugger waits for accesses to a page, which is then kept out of the shadow.</summary>
    /// <param name="linear">An address in the page.</param>
    /// <param name="physical">The GPA behind it.</param>
    public bool IsWatched(uint linear, ulong physical) => _engine.IsWatched(linear, physical);

    /// <summary>The block of the current mode that the instruction at an offset in CS is in.</summary>
    /// <param name="eip">The offset.</param>
    /// <returns>Null where it is not decoded, or its page is not mapped.</returns>
    public LiveBlock? BlockAt(uint eip)
    {
        CpuState* s = _engine.State;
        Block* block = _engine.Vcpu.Mmu.Peek(s->Cs.Base + eip) is { } physical ? _engine.PeekBlock(eip, physical.Value) : null;
        if (block == null)
        {
            return null;
        }

        TranslatedCode? translated = _engine.Translated;
        TranslatedBlock? host = translated is not null && block->Host != 0 ? translated.Blocks[block->HostIndex] : null;
        List<uint> from = [];
        foreach ((int branchEnd, _) in host?.Incoming ?? [])
        {
            if (translated!.Blocks.LastOrDefault(candidate => candidate.Start < branchEnd) is { } source)
            {
                from.Add(s->Cs.Base + source.Block->Eip);
            }
        }

        return new LiveBlock(
            s->Cs.Base + block->Eip, block->Physical, block->Length, block->Count, block->Heat, host?.Start, host?.Length ?? 0, host?.RunsOnHost ?? false,
            from, translated is null ? [] : TranslationListing.OfLive(_engine, block));
    }
}
