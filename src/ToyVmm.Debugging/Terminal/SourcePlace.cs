namespace ToyVmm.Debugging.Terminal;

/// <summary>Places by file and line.</summary>
internal static class SourcePlace
{
    /// <summary>The linear address of the first instruction of "file.c:12".</summary>
    /// <returns>Null where the text is no such place.</returns>
    public static uint? Find(DebugSession session, string text) => null;
}
