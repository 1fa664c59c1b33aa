using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.IO.Pipes;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using ToyVmm.Hardware.Memory;

namespace ToyVmm.VirtualMachines.Verification.HostCpu;

/// <summary>
/// The runner's process: started from memory, spoken to by a byte on its standard input for each program and a byte on its standard output
/// when that has ended. It does not survive this process, nor <see cref="Dispose"/>.
/// </summary>
internal sealed unsafe class RunnerProcess : IDisposable
{
    private static readonly TimeSpan s_startLimit = TimeSpan.FromSeconds(20);

    private readonly Process _process;
    private readonly SafePipeHandle _commands;
    private readonly SafePipeHandle _answers;

    private RunnerProcess(Process process)
    {
        _process = process;
        _commands = ((PipeStream)process.StandardInput.BaseStream).SafePipeHandle;
        _answers = ((PipeStream)process.StandardOutput.BaseStream).SafePipeHandle;
    }

    /// <summary>What a wait ended with.</summary>
    public enum Answer
    {
        /// <summary>The runner has finished.</summary>
        Done,

        /// <summary>The time is over.</summary>
        Late,

        /// <summary>The process is gone.</summary>
        Gone,
    }

    /// <summary>The process's number.</summary>
    public int Id => _process.Id;

    /// <summary>Starts a runner and waits until it is ready.</summary>
    /// <param name="shared">The memory to speak through, <see cref="RunnerLayout.SharedSize"/> bytes.</param>
    /// <param name="reason">Why there is none.</param>
    public static RunnerProcess? TryStart(SharedMemory shared, out string? reason)
    {
        byte[] image = ReadImage();
        using SharedMemory? file = SharedMemory.TryCreate((nuint)(image.Length + RunnerLayout.PageSize - 1) & ~(nuint)(RunnerLayout.PageSize - 1));
        if (file is null)
        {
            reason = "the host has no memory with a file descriptor (memfd_create)";
            return null;
        }

        image.CopyTo(new Span<byte>(file.Address, image.Length));
        ProcessStartInfo start = new(DescriptorPath(file), [DescriptorPath(shared)])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true, // never used: its closing kills the runner, see runner.asm
            WorkingDirectory = "/",
        };
        start.Environment.Clear();
        RunnerProcess runner;
        try
        {
            runner = new RunnerProcess(Process.Start(start)!);
        }
        catch (Win32Exception e)
        {
            reason = $"the host does not start a 32-bit program from memory: {e.Message}";
            return null;
        }

        switch (runner.Wait(s_startLimit))
        {
            case Answer.Done:
                reason = null;
                return runner;
            case Answer.Late:
                reason = $"the 32-bit process was not ready within {s_startLimit.TotalSeconds} s";
                break;
            default:
                reason = Explain(runner.ExitStatus());
                break;
        }

        runner.Dispose();
        return null;
    }

    /// <summary>Lets the runner run what the shared memory describes.</summary>
    /// <returns>False where the process is gone.</returns>
    public bool Send()
    {
        byte command = 0;
        for (; ; )
        {
            nint sent = HostInterop.write(_commands, &command, 1);
            if (sent == 1)
            {
                return true;
            }

            if (Marshal.GetLastPInvokeError() != HostInterop.EINTR)
            {
                return false;
            }
        }
    }

    /// <summary>Waits until the runner has finished.</summary>
    public Answer Wait(TimeSpan limit)
    {
        long start = Stopwatch.GetTimestamp();
        for (; ; )
        {
            double left = (limit - Stopwatch.GetElapsedTime(start)).TotalMilliseconds;
            int milliseconds = (int)Math.Clamp(Math.Ceiling(left), 0, int.MaxValue);
            HostInterop.PollDescriptor descriptor = new() { Descriptor = (int)_answers.DangerousGetHandle(), Events = HostInterop.POLLIN };
            int ready = HostInterop.poll(&descriptor, 1, milliseconds);
            if (ready == 0)
            {
                return Answer.Late;
            }

            byte answer;
            nint received = ready > 0 ? HostInterop.read(_answers, &answer, 1) : -1;
            if (received >= 0)
            {
                return received == 1 ? Answer.Done : Answer.Gone;
            }

            if (Marshal.GetLastPInvokeError() is not (HostInterop.EINTR or HostInterop.EAGAIN))
            {
                return Answer.Gone;
            }
        }
    }

    /// <summary>Waits for a process that is gone, or nearly so. 128 + the signal it died of; its exit status otherwise.</summary>
    public int ExitStatus()
    {
        // A process that has closed its pipes and lives on does not exist: its end is what closes them.
        _process.WaitForExit();
        return _process.ExitCode;
    }

    /// <summary>Kills the process and waits for its end.</summary>
    public void Dispose()
    {
        _process.Kill();
        _process.WaitForExit();
        _process.StandardInput.Close();
        _process.StandardOutput.Close();
        _process.StandardError.Close();
        _process.Dispose();
    }

    /// <summary>The built runner.</summary>
    internal static byte[] ReadImage()
    {
        using Stream resource = typeof(RunnerProcess).Assembly.GetManifestResourceStream("runner.elf")
            ?? throw new InvalidOperationException("the assembly lacks its resource runner.elf");
        byte[] image = new byte[resource.Length];
        resource.ReadExactly(image);
        return image;
    }

    private static string DescriptorPath(SharedMemory memory) =>
        string.Create(CultureInfo.InvariantCulture, $"/proc/{Environment.ProcessId}/fd/{memory.Descriptor}");

    /// <summary>The statuses are those of runner.asm.</summary>
    private static string Explain(int status) => status switch
    {
        10 => "the 32-bit process cannot open the shared memory (/proc/PID/fd)",
        11 or 17 => "the 32-bit process cannot set up its signals",
        12 => "the 32-bit process cannot watch its parent (O_ASYNC)",
        13 => "the 32-bit process cannot unmap what the kernel mapped for it (vDSO, stack)",
        14 or 15 or 16 => "the 32-bit process cannot map its memory where programs expect it",
        18 => "the kernel has no system call filters (seccomp), without which a program could harm the host",
        > 128 => $"the 32-bit process died of signal {status - 128} before it was ready",
        _ => $"the 32-bit process ended with status {status} before it was ready",
    };
}
