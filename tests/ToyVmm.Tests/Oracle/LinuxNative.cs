using System.Runtime.InteropServices;

namespace ToyVmm.Tests.Oracle;

/// <summary>The Linux system calls that the host-CPU oracle needs; constants in the kernel's spelling.</summary>
internal static unsafe partial class LinuxNative
{
    public const int PROT_READ = 1;
    public const int PROT_WRITE = 2;
    public const int PROT_EXEC = 4;
    public const int MAP_PRIVATE = 0x02;
    public const int MAP_ANONYMOUS = 0x20;
    public const int MAP_32BIT = 0x40;

    public const nint SYS_rt_sigprocmask = 14;
    public const nint SYS_modify_ldt = 154;

    [StructLayout(LayoutKind.Sequential)]
    public struct user_desc
    {
        public uint entry_number;
        public uint base_addr;
        public uint limit;
        public uint flags; // seg_32bit:1 contents:2 read_exec_only:1 limit_in_pages:1 seg_not_present:1 useable:1
    }

    [LibraryImport("libc", SetLastError = true)]
    public static partial nint mmap(nint address, nuint length, int protection, int flags, int fd, nint offset);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int munmap(nint address, nuint length);

    // syscall(2) is variadic in C; with integer arguments only, its x86-64 calling convention is that of a fixed signature.
    [LibraryImport("libc", SetLastError = true)]
    public static partial nint syscall(nint number, nint function, void* pointer, nuint bytes);
}
