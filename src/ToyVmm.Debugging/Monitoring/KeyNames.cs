using ToyVmm.Hardware.Devices;
using ToyVmm.VirtualMachines;

namespace ToyVmm.Debugging.Monitoring;

/// <summary>Keys by name, as "sendkey" takes them: "ctrl-alt-delete", "shift-a", "f1", "ret".</summary>
internal static class KeyNames
{
    /// <summary>Takes a combination apart.</summary>
    /// <param name="text">Names with '-' between them; the key '-' itself is "minus".</param>
    /// <param name="keys">The keys, in the order of pressing.</param>
    /// <param name="unknown">The first name that is none.</param>
    public static bool TryParse(string text, out List<Ps2Key> keys, out string unknown)
    {
        keys = [];
        unknown = "";
        foreach (string name in text.Split('-'))
        {
            if (Find(name) is not { } key)
            {
                unknown = name;
                return false;
            }

            keys.Add(key);
        }

        return true;
    }

    // QEMU's short names, then one character as the keyboard types it, then the names of the keys themselves.
    private static Ps2Key? Find(string name) => name.ToLowerInvariant() switch
    {
        "ctrl" => Ps2Key.LeftControl,
        "ctrl_r" => Ps2Key.RightControl,
        "alt" => Ps2Key.LeftAlt,
        "alt_r" or "altgr" => Ps2Key.RightAlt,
        "shift" => Ps2Key.LeftShift,
        "shift_r" => Ps2Key.RightShift,
        "meta" or "win" => Ps2Key.LeftMeta,
        "ret" or "return" => Ps2Key.Enter,
        "esc" => Ps2Key.Escape,
        "spc" => Ps2Key.Space,
        "pgup" => Ps2Key.PageUp,
        "pgdn" => Ps2Key.PageDown,
        "del" => Ps2Key.Delete,
        "print" or "sysrq" => Ps2Key.PrintScreen,
        "dot" => Ps2Key.Period,
        string word => word.Length == 1 && Ps2UsLayout.TryFind(word[0], out Ps2Key typed, out _) ? typed
            : word.Length > 1 && Enum.TryParse(word.Replace("_", "", StringComparison.Ordinal), ignoreCase: true, out Ps2Key key) && Enum.IsDefined(key) && !char.IsAsciiDigit(word[0]) ? key
            : null,
    };
}
