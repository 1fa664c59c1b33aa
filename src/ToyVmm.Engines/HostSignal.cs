using System.Runtime.InteropServices;

namespace ToyVmm.Engines;

/// <summary>Signal handlers in machine code (sigaction(2)); constants and layout are those of glibc and musl on x86-64.</summary>
internal static unsafe partial class HostSignal
{
    /// <summary>SA_SIGINFO: the handler gets the context.</summary>
    public const int Information = 4;

    /// <summary>SA_ONSTACK.</summary>
    public const int OnAlternateStack = 0x0800_0000;

    /// <summary>SA_NODEFER: the signal is not blocked while its handler runs, or if that never returns.</summary>
    public const int NoDefer = 0x4000_0000;

    /// <summary>What happens at a signal now; nothing (no handler) where the host does not tell.</summary>
    public static Action Current(int signal)
    {
        Action current;
        return SigAction(signal, null, &current) == 0 ? current : default;
    }

    /// <summary>Changes what happens at a signal.</summary>
    /// <returns>What happened before.</returns>
    public static Action Replace(int signal, Action action)
    {
        Action previous;
        return SigAction(signal, &action, &previous) == 0 ? previous : default;
    }

    [LibraryImport("libc", EntryPoint = "sigaction")]
    private static partial int SigAction(int signal, Action* action, Action* previous);

    /// <summary>struct sigaction.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct Action
    {
        /// <summary>The handler; 0 (the default) and 1 (ignored) are none.</summary>
        public nint Handler;

        /// <summary>Signals blocked while it runs.</summary>
        public fixed ulong Mask[16];

        /// <summary>See the constants.</summary>
        public int Flags;

        /// <summary>The C library's.</summary>
        public nint Restorer;
    }
}
