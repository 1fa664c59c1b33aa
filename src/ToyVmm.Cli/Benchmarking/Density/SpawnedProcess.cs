using System.Runtime.InteropServices;
using System.Text;
using ToyVmm.Cli.Hosting;

namespace ToyVmm.Cli.Benchmarking.Density;

/// <summary>
/// A child process made as cheaply as the host can: posix_spawn, which on Linux is vfork and exec. <see cref="System.Diagnostics.Process"/> would measure its own
/// threads and pipes too. Its standard streams are /dev/null.
/// </summary>
internal sealed unsafe class SpawnedProcess
{
    // posix_spawn_file_actions_t is 80 bytes in glibc, 84 in musl.
    private const int FileActionsBytes = 256;

    private SpawnedProcess(int id) => Id = id;

    /// <summary>Its number.</summary>
    public int Id { get; }

    /// <summary>Starts a program.</summary>
    /// <param name="command">The program, as a path, and its arguments.</param>
    /// <exception cref="IOException">The host refuses.</exception>
    public static SpawnedProcess Start(params IReadOnlyList<string> command)
    {
        byte* actions = stackalloc byte[FileActionsBytes];
        Check(Posix.posix_spawn_file_actions_init(actions), command[0]);
        nint[] arguments = [.. command.Select(Allocate), 0];
        nint[] environment = [Allocate("PATH=" + (Environment.GetEnvironmentVariable("PATH") ?? "/usr/bin:/bin")), Allocate("HOME=/tmp"), 0];
        fixed (nint* argv = arguments, envp = environment)
        fixed (byte* nothing = "/dev/null\0"u8)
        {
            try
            {
                for (int descriptor = 0; descriptor < 3; descriptor++)
                {
                    Check(Posix.posix_spawn_file_actions_addopen(actions, descriptor, nothing, descriptor == 0 ? Posix.O_RDONLY : Posix.O_WRONLY, 0), command[0]);
                }

                int id;
                Check(Posix.posix_spawn(&id, (byte*)argv[0], actions, null, (byte**)argv, (byte**)envp), command[0]);
                return new SpawnedProcess(id);
            }
            finally
            {
                _ = Posix.posix_spawn_file_actions_destroy(actions);
                foreach (nint text in (ReadOnlySpan<nint>)[.. arguments, .. environment])
                {
                    NativeMemory.Free((void*)text);
                }
            }
        }
    }

    /// <summary>Starts a program and waits for its end.</summary>
    /// <returns>Its exit status; 128 and the signal where one ended it.</returns>
    public static int Run(params IReadOnlyList<string> command) => Start(command).Wait();

    /// <summary>Waits for its end.</summary>
    /// <returns>Its exit status; 128 and the signal where one ended it.</returns>
    public int Wait()
    {
        int status = 0;
        while (Posix.waitpid(Id, &status, 0) < 0)
        {
            if (Marshal.GetLastPInvokeError() != Posix.EINTR)
            {
                throw new IOException($"cannot wait for process {Id}");
            }
        }

        int signal = status & 0x7F;
        return signal != 0 ? 128 + signal : (status >> 8) & 0xFF;
    }

    /// <summary>Ends it.</summary>
    public void Kill()
    {
        _ = Posix.kill(Id, Posix.SIGKILL);
        _ = Wait();
    }

    private static void Check(int error, string program)
    {
        if (error != 0)
        {
            throw new IOException($"cannot start {program}: {Marshal.GetPInvokeErrorMessage(error)}");
        }
    }

    private static nint Allocate(string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        byte* copy = (byte*)NativeMemory.AllocZeroed((nuint)bytes.Length + 1);
        bytes.CopyTo(new Span<byte>(copy, bytes.Length));
        return (nint)copy;
    }
}
