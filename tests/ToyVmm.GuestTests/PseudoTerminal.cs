using System.Diagnostics;
using System.Text;

namespace ToyVmm.GuestTests;

/// <summary>
/// A shell command on a terminal of its own, made by script(1) of util-linux: what is sent is typed there, and what appears is collected.
/// </summary>
internal sealed class PseudoTerminal : IDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(120);
    private readonly Process _process;
    private readonly StringBuilder _seen = new();
    private readonly Lock _lock = new();
    private readonly Thread _reader;

    /// <summary>Starts a command.</summary>
    /// <param name="command">For the shell.</param>
    public PseudoTerminal(string command)
    {
        ProcessStartInfo start = new("script", ["-qefc", command, "/dev/null"])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            StandardInputEncoding = Encoding.Latin1,
            StandardOutputEncoding = Encoding.Latin1,
            Environment = { ["SHELL"] = "/bin/sh", ["TERM"] = "xterm" },
        };
        _process = Process.Start(start) ?? throw new InvalidOperationException("script did not start");
        _reader = new Thread(Collect) { IsBackground = true };
        _reader.Start();
    }

    /// <summary>Everything that has appeared so far.</summary>
    public string Seen
    {
        get
        {
            lock (_lock)
            {
                return _seen.ToString();
            }
        }
    }

    /// <summary>Types.</summary>
    public void Send(string keys)
    {
        _process.StandardInput.Write(keys);
        _process.StandardInput.Flush();
    }

    /// <summary>Waits until a text has appeared, behind everything that was waited for before.</summary>
    /// <returns>What has appeared up to its end.</returns>
    public string WaitFor(string text)
    {
        for (long started = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(started) < s_patience; Thread.Sleep(20))
        {
            string seen = Seen;
            int at = seen.IndexOf(text, _waitedFor, StringComparison.Ordinal);
            if (at >= 0)
            {
                string part = seen[_waitedFor..(at + text.Length)];
                _waitedFor = at + text.Length;
                return part;
            }
        }

        throw new TimeoutException($"'{text}' has not appeared; this has:\n{Seen}");
    }

    private int _waitedFor;

    /// <summary>Waits for the end.</summary>
    /// <returns>The command's exit status.</returns>
    public int WaitForExit()
    {
        if (!_process.WaitForExit(s_patience))
        {
            throw new TimeoutException($"the command has not ended; this has appeared:\n{Seen}");
        }

        _ = _reader.Join(s_patience);
        return _process.ExitCode;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _process.Kill(entireProcessTree: true);
        }

        _process.Dispose();
    }

    private void Collect()
    {
        char[] buffer = new char[4096];
        for (int count = _process.StandardOutput.Read(buffer); count > 0; count = _process.StandardOutput.Read(buffer))
        {
            lock (_lock)
            {
                _ = _seen.Append(buffer, 0, count);
            }
        }
    }
}
