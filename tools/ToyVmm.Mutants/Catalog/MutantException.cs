namespace ToyVmm.Mutants.Catalog;

/// <summary>A record that makes no sense, or no longer matches the source that it names.</summary>
internal sealed class MutantException(string message) : Exception(message);
