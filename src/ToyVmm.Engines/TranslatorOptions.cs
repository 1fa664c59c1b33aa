using Iced.Intel;
using ToyVmm.Hardware.Paging;

namespace ToyVmm.Engines;

/// <summary>How the translator goes about it. None of it changes what a guest sees.</summary>
public sealed record TranslatorOptions
{
    /// <summary>The most that <see cref="CodeCacheBytes"/> may be: 32 MiB.</summary>
    public const int LargestCodeCache = 32 << 20;

    /// <summary>How often a block is interpreted before it is translated: blocks that run less often cost more to translate than they gain.</summary>
    public int Hotness { get; init; } = 16;

    /// <summary>Bytes of emitted code, at least 64 KiB; when they are used up, all of it is dropped and translation starts again.</summary>
    public int CodeCacheBytes { get; init; } = LargestCodeCache;

    /// <summary>
    /// Views of the guest's address spaces that are kept, at least 1. Two for each process that the guest switches between spare it the faults of
    /// filling them again.
    /// </summary>
    public int Views { get; init; } = 2 * Tlb.SpaceCount;

    /// <summary>
    /// Leave each instruction that cannot run as the guest wrote it by a fault of the host, as a VMM does that only traps and emulates: to
    /// measure what translating them saves (Adams and Agesen 2006). Not with <see cref="Verify"/>, which refuses the HLT that faults.
    /// </summary>
    public bool TrapOnly { get; init; }

    /// <summary>Have a verifier, which knows nothing of the translator, check every piece of emitted code before it runs.</summary>
    public bool Verify { get; init; }

    /// <summary>Instructions to leave to the interpreter because the host gives something else; null finds out.</summary>
    internal IReadOnlySet<Mnemonic>? Differing { get; init; }

    /// <summary>Host mappings that all views together may take; null for most of what Linux allows the process.</summary>
    public int? Mappings { get; init; }
}
