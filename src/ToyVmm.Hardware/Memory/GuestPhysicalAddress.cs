namespace ToyVmm.Hardware.Memory;

/// <summary>An address on the guest's physical bus (GPA), in bytes. Not an offset into host memory, and not a linear address.</summary>
/// <param name="Value">The address: 32 bits, or 36 through the tables of PAE paging.</param>
public readonly record struct GuestPhysicalAddress(ulong Value)
{
    /// <summary>Bytes a page: 4096 (SDM 3A 4.3).</summary>
    public const uint PageSize = 4096;

    /// <summary>The address <paramref name="offset"/> bytes above <paramref name="address"/>.</summary>
    public static GuestPhysicalAddress operator +(GuestPhysicalAddress address, ulong offset) => new(address.Value + offset);

    /// <summary>The address as the manuals write it: eight hexadecimal digits, nine above 4 GiB.</summary>
    public override string ToString() => $"0x{Value:x8}";
}
