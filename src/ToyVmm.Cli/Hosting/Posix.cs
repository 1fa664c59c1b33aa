using System.Runtime.InteropServices;

namespace ToyVmm.Cli.Hosting;

/// <summary>The system calls that <see cref="Console"/> hides or bends: see POSIX.1-2017, System Interfaces.</summary>
/// <remarks>.NET's console stream swallows EPIPE, and its terminal set-up is not the one that a serial line needs.</remarks>
internal static unsafe partial class Posix
{
    public const int EINTR = 4;
    public const int EPIPE = 32;
    public const short POLLIN = 1;
    public const short POLLNVAL = 0x20;
    public const int TCSANOW = 0;
    public const int CLOCK_THREAD_CPUTIME_ID = 3;   // Linux, include/uapi/linux/time.h
    public const int RUSAGE_CHILDREN = -1;
    public const int O_RDONLY = 0;
    public const int O_WRONLY = 1;
    public const int SIGKILL = 9;

    /// <summary>True where these calls exist.</summary>
    public static bool IsAvailable => !OperatingSystem.IsWindows();

    /// <summary>EAGAIN differs between Linux and the BSDs.</summary>
    public static int EAGAIN => OperatingSystem.IsLinux() ? 11 : 35;

    [LibraryImport("libc", SetLastError = true)]
    public static partial nint read(int descriptor, byte* buffer, nuint count);

    [LibraryImport("libc", SetLastError = true)]
    public static partial nint write(int descriptor, byte* buffer, nuint count);

    [LibraryImport("libc")]
    public static partial int isatty(int descriptor);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int poll(PollDescriptor* descriptors, nuint count, int timeoutMilliseconds);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int tcgetattr(int descriptor, byte* attributes);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int tcsetattr(int descriptor, int actions, byte* attributes);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int ioctl(int descriptor, nuint request, void* argument);

    /// <summary>clock_gettime(2) of a 64-bit Linux: seconds and nanoseconds.</summary>
    [LibraryImport("libc", SetLastError = true)]
    public static partial int clock_gettime(int clock, long* time);

    /// <summary>getrusage(2) of a 64-bit Linux: 18 words, of which the first four are user and system time, each in seconds and microseconds.</summary>
    [LibraryImport("libc", SetLastError = true)]
    public static partial int getrusage(int who, long* usage);

    [LibraryImport("libc")]
    public static partial int posix_spawn(int* process, byte* path, byte* fileActions, void* attributes, byte** arguments, byte** environment);

    [LibraryImport("libc")]
    public static partial int posix_spawn_file_actions_init(byte* fileActions);

    [LibraryImport("libc")]
    public static partial int posix_spawn_file_actions_addopen(byte* fileActions, int descriptor, byte* path, int flags, uint mode);

    [LibraryImport("libc")]
    public static partial int posix_spawn_file_actions_destroy(byte* fileActions);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int waitpid(int process, int* status, int options);

    [LibraryImport("libc")]
    public static partial int kill(int process, int signal);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fstat(int descriptor, byte* status);

    /// <summary>Bytes that the host has set aside for a file, holes not counted; 0 where it does not tell. On a 64-bit Linux.</summary>
    public static long AllocatedBytes(int descriptor)
    {
        const int BlocksOffset = 64;    // st_blocks of struct stat on x86-64, in units of 512 bytes
        byte* status = stackalloc byte[256];
        return fstat(descriptor, status) == 0 ? 512 * *(long*)(status + BlocksOffset) : 0;
    }

    /// <summary>The size of the terminal on a descriptor (Linux ioctl_tty(2)); null where it is not known.</summary>
    public static (int Rows, int Columns)? TerminalSize(int descriptor)
    {
        const nuint TIOCGWINSZ = 0x5413;
        ushort* size = stackalloc ushort[4]; // struct winsize: rows, columns, and both in dots
        return OperatingSystem.IsLinux() && ioctl(descriptor, TIOCGWINSZ, size) == 0 && size[0] > 0 && size[1] > 0 ? (size[0], size[1]) : null;
    }

    /// <summary>struct pollfd.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct PollDescriptor
    {
        public int Descriptor;
        public short Events;
        public short Returned;
    }
}
