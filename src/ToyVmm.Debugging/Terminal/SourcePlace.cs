using System.Globalization;
using ToyVmm.VirtualMachines.Symbols;

namespace ToyVmm.Debugging.Terminal;

/// <summary>Places by file and line.</summary>
internal static class SourcePlace
{
    /// <summary>The linear address of the first instruction of "file.c:12".</summary>
    /// <returns>Null where the text is no such place, or the guest has no such source.</returns>
    public static uint? Find(DebugSession session, string text)
    {
        int colon = text.LastIndexOf(':');
        return colon > 0 && int.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out int line)
            && session.Lines.Find(text[..colon].Trim(), line) is [SourceLine first, ..] ? first.First : null;
    }
}
