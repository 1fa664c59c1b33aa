using System.Runtime.InteropServices;

namespace ToyVmm.Engines;

/// <summary>The system calls behind views, code caches and pages of stubs (mmap(2), madvise(2), getauxval(3)); constants are Linux x86-64's.</summary>
internal static unsafe partial class HostMemory
{
    public const int None = 0;
    public const int Read = 1;
    public const int Write = 2;
    public const int Execute = 4;
    public const nuint PageSize = 4096;

    private const int FlagShared = 0x01;
    private const int MapPrivate = 0x02;
    private const int MapFixed = 0x10;
    private const int MapAnonymous = 0x20;
    private const int MapNoReserve = 0x4000;
    private const int MapPopulate = 0x8000;
    private const int AdviceDontNeed = 4;
    private const int AdviceNoHugePage = 15;
    private const ulong AuxHwcap2 = 26;

    /// <summary>True where Linux lets user code write the GS base (AT_HWCAP2 bit 1, Linux 5.9).</summary>
    public static bool HasFsGsBase => (GetAuxVal(AuxHwcap2) & 2) != 0;

    /// <summary>Reserves addresses without memory behind them; every access faults. 0 on failure.</summary>
    public static nint Reserve(nuint length) => Map(0, length, None, MapPrivate | MapAnonymous | MapNoReserve, -1, 0);

    /// <summary>Takes whatever is mapped at an address out, keeping the addresses reserved.</summary>
    public static bool Decommit(nint address, nuint length) =>
        Map(address, length, None, MapPrivate | MapAnonymous | MapNoReserve | MapFixed, -1, 0) != 0;

    /// <summary>Zeroed memory, sparse: pages appear when they are first touched. 0 on failure.</summary>
    public static nint AllocateSparse(nuint length, int protection)
    {
        nint address = Map(0, length, protection, MapPrivate | MapAnonymous | MapNoReserve, -1, 0);
        if (address != 0)
        {
            _ = MAdvise(address, length, AdviceNoHugePage);
        }

        return address;
    }

    /// <summary>Maps a part of a file at an address that is reserved, or zeros.</summary>
    /// <param name="address">Where.</param>
    /// <param name="length">Bytes, whole pages.</param>
    /// <param name="protection">What may be done with it.</param>
    /// <param name="descriptor">The file; -1 for zeros, which are only read.</param>
    /// <param name="offset">Its first byte.</param>
    /// <param name="populate">True to have the pages there at once, where each will be used.</param>
    public static bool MapShared(nint address, nuint length, int protection, int descriptor, nint offset, bool populate) =>
        Map(address, length, protection, (descriptor < 0 ? MapPrivate | MapAnonymous | MapNoReserve : FlagShared) | MapFixed | (populate ? MapPopulate : 0), descriptor, offset) != 0;

    /// <summary>Changes the protection of whole pages.</summary>
    public static bool Protect(nint address, nuint length, int protection) => MProtect(address, length, protection) == 0;

    /// <summary>Gives the memory behind sparse memory back, which reads as zeros afterwards.</summary>
    public static void Discard(nint address, nuint length)
    {
        if (MAdvise(address, length, AdviceDontNeed) != 0)
        {
            throw new InvalidOperationException("the host refused to take memory back");
        }
    }

    /// <summary>Gives addresses back.</summary>
    public static void Unmap(nint address, nuint length) => _ = MUnmap(address, length);

    private static nint Map(nint address, nuint length, int protection, int flags, int descriptor, nint offset)
    {
        nint mapped = MMap(address, length, protection, flags, descriptor, offset);
        return mapped == -1 ? 0 : mapped;
    }

    [LibraryImport("libc", EntryPoint = "mmap")]
    private static partial nint MMap(nint address, nuint length, int protection, int flags, int descriptor, nint offset);

    [LibraryImport("libc", EntryPoint = "munmap")]
    private static partial int MUnmap(nint address, nuint length);

    [LibraryImport("libc", EntryPoint = "mprotect")]
    private static partial int MProtect(nint address, nuint length, int protection);

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int MAdvise(nint address, nuint length, int advice);

    [LibraryImport("libc", EntryPoint = "getauxval")]
    private static partial ulong GetAuxVal(ulong type);
}
