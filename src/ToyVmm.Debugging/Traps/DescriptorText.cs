using System.Globalization;

namespace ToyVmm.Debugging.Traps;

/// <summary>Descriptors in words (SDM 3A 3.4.5, 3.5, 6.11).</summary>
internal static class DescriptorText
{
    private static readonly string[] s_systemTypes =
    [
        "reserved type 0", "16-bit TSS", "LDT", "busy 16-bit TSS", "16-bit call gate", "task gate", "16-bit interrupt gate", "16-bit trap gate",
        "reserved type 8", "32-bit TSS", "reserved type 10", "busy 32-bit TSS", "32-bit call gate", "reserved type 13", "32-bit interrupt gate", "32-bit trap gate",
    ];

    /// <summary>An entry of the GDT or an LDT.</summary>
    public static string Describe(ulong bits)
    {
        uint low = (uint)bits;
        uint high = (uint)(bits >> 32);
        bool isSystem = (high & 0x1000) == 0;
        uint type = (high >> 8) & 0xF;
        if (isSystem && type is 4 or 5 or 6 or 7 or 12 or 14 or 15)
        {
            return Gate(bits);
        }

        uint limit = (low & 0xFFFF) | (high & 0xF_0000);
        limit = (high & 0x80_0000) != 0 ? (limit << 12) | 0xFFF : limit;
        uint address = (low >> 16) | ((high & 0xFF) << 16) | (high & 0xFF00_0000);
        string width = isSystem ? "" : (high & 0x40_0000) != 0 ? "32-bit " : "16-bit ";
        return string.Create(CultureInfo.InvariantCulture, $"{width}{AccessByte((byte)(high >> 8))}, base {address:x8}, limit {limit:x8}");
    }

    /// <summary>An entry of the IDT, or a call gate.</summary>
    public static string Gate(ulong bits)
    {
        uint low = (uint)bits;
        uint high = (uint)(bits >> 32);
        uint type = (high >> 8) & 0xF;
        string kind = (high & 0x1000) != 0 ? "no gate" : s_systemTypes[type];
        string present = (high & 0x8000) != 0 ? "present" : "not present";
        uint offset = (type & 8) != 0 ? (high & 0xFFFF_0000) | (low & 0xFFFF) : low & 0xFFFF;
        return string.Create(CultureInfo.InvariantCulture, $"{kind}, {present}, DPL {(high >> 13) & 3}, to {low >> 16:x4}{(type == 5 ? "" : string.Create(CultureInfo.InvariantCulture, $":{offset:x8}"))}");
    }

    /// <summary>The access byte.</summary>
    public static string AccessByte(byte access)
    {
        string kind = (access & 0x10) == 0 ? s_systemTypes[access & 0xF]
            : (access & 8) != 0 ? $"code{((access & 4) != 0 ? ", conforming" : "")}{((access & 2) != 0 ? ", readable" : "")}"
            : $"data{((access & 4) != 0 ? ", expand-down" : "")}{((access & 2) != 0 ? ", writable" : "")}";
        string accessed = (access & 0x11) == 0x11 ? ", accessed" : "";
        return string.Create(CultureInfo.InvariantCulture, $"{kind}{accessed}, {((access & 0x80) != 0 ? "present" : "not present")}, DPL {(access >> 5) & 3}");
    }
}
