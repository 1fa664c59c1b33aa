using Iced.Intel;

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

    /// <summary>Have a verifier, which knows nothing of the translator, check every piece of emitted code before it runs.</summary>
    public bool Verify { get; init; }

    /// <summary>Instructions to leave to the interpreter because the host gives something else; null finds out.</summary>
    internal IReadOnlySet<Mnemonic>? Differing { get; init; }
}
