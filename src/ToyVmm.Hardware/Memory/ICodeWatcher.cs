namespace ToyVmm.Hardware.Memory;

/// <summary>Told of stores to physical pages that hold decoded code, whoever stores - the guest, a device or the VMM -, of pages that lie elsewhere from now on, and of checkpoints.</summary>
public interface ICodeWatcher
{
    /// <summary>Bytes [<paramref name="address"/>, <paramref name="address"/> + <paramref name="length"/>) have changed.</summary>
    /// <param name="address">The first byte.</param>
    /// <param name="length">The number of bytes, within one page.</param>
    void CodeWritten(GuestPhysicalAddress address, int length);

    /// <summary>Other host memory is behind a page, with the same bytes unless <see cref="CodeWritten"/> has said otherwise: what is mapped of it elsewhere must go.</summary>
    /// <param name="page">The page.</param>
    void PageReplaced(GuestPhysicalAddress page);

    /// <summary>Other host memory is behind any number of pages, as <see cref="PageReplaced"/>: everything that is mapped elsewhere must go.</summary>
    void PagesReplaced();

    /// <summary>Stores to every page must be noticed from now on: what is mapped elsewhere may be read only, until <see cref="GuestMemory.IsPlainRam"/> says otherwise again.</summary>
    void StoresWatched();
}
