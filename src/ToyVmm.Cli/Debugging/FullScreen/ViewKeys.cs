namespace ToyVmm.Cli.Debugging.FullScreen;

/// <summary>A key of the full-screen view.</summary>
/// <param name="Keys">Its names, as <see cref="KeyReader"/> gives them.</param>
/// <param name="Command">The debugger's command that it is; null for something about the view.</param>
/// <param name="Meaning">For the help.</param>
internal sealed record ViewKey(string[] Keys, string? Command, string Meaning);

/// <summary>What the keys of the full-screen view do.</summary>
internal static class ViewKeys
{
    /// <summary>All of them.</summary>
    public static IReadOnlyList<ViewKey> All { get; } =
    [
        new(["s", "F11"], "step", "one instruction, or one interrupt"),
        new(["n", "F10"], "next", "over calls and interrupts"),
        new(["f", "F12"], "finish", "to the end of this procedure"),
        new(["k"], "block", "to the end of this basic block"),
        new(["t", "F7"], "trap", "to the next trap"),
        new(["i"], "interrupt", "to the next external interrupt"),
        new(["m"], "mode", "to the next change of mode"),
        new(["c", "F5"], "continue", "until something stops the guest; Ctrl-C does"),
        new(["b", "F9"], null, "a breakpoint at the line of the cursor, on or off"),
        new(["h", "F4"], null, "run to the line of the cursor"),
        new(["Up"], null, "the cursor of the code, up"),
        new(["Down"], null, "and down"),
        new(["PageUp"], null, "a page of code up"),
        new(["PageDown"], null, "and down"),
        new(["g", "Home"], null, "back to the next instruction"),
        new([":", "Enter"], null, "a command; Tab completes, arrows recall"),
        new(["o", "F2"], null, "what the last command answered"),
        new(["?", "F1"], null, "this list"),
        new(["Ctrl-L"], null, "draw everything again"),
        new(["q", "F3"], null, "back to the prompt"),
    ];

    /// <summary>The key of a name.</summary>
    public static ViewKey? Find(string key) => All.FirstOrDefault(one => one.Keys.Contains(key));

    /// <summary>The list for people.</summary>
    public static IReadOnlyList<string> Help => [.. All.Select(key => $"{string.Join(", ", key.Keys),-14} {key.Meaning}")];
}
