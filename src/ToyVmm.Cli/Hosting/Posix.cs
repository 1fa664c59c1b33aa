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
