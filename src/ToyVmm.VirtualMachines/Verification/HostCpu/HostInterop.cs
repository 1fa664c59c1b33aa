using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace ToyVmm.VirtualMachines.Verification.HostCpu;

/// <summary>The system calls that .NET's pipes do not have: waiting with a limit (poll(2)), and reading and writing without a stream's detours.</summary>
internal static unsafe partial class HostInterop
{
    public const int EINTR = 4;
    public const int EAGAIN = 11; // Linux
    public const short POLLIN = 1;

    [LibraryImport("libc", SetLastError = true)]
    public static partial nint read(SafePipeHandle descriptor, byte* buffer, nuint count);

    [LibraryImport("libc", SetLastError = true)]
    public static partial nint write(SafePipeHandle descriptor, byte* buffer, nuint count);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int poll(PollDescriptor* descriptors, nuint count, int timeoutMilliseconds);

    /// <summary>struct pollfd.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct PollDescriptor
    {
        public int Descriptor;
        public short Events;
        public short Returned;
    }
}
