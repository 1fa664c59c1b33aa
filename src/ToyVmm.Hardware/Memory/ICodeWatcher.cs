namespace ToyVmm.Hardware.Memory;

/// <summary>Told of stores to physical pages that hold decoded code, whoever stores: the guest, a device or the VMM.</summary>
public interface ICodeWatcher
{
    /// <summary>Bytes [<paramref name="address"/>, <paramref name="address"/> + <paramref name="length"/>) have changed.</summary>
    /// <param name="address">The first byte.</param>
    /// <param name="length">The number of bytes, within one page.</param>
    void CodeWritten(GuestPhysicalAddress address, int length);
}
