using System.Diagnostics;
using System.Text;
using Xunit;

namespace ToyVmm.GuestTests;

/// <summary>gdb as editors use it: one command of its machine interface at a time, with the answer awaited (gdb manual, 27).</summary>
internal sealed class GdbMachineInterface : IDisposable
{
    private static readonly TimeSpan s_timeout = TimeSpan.FromSeconds(60);
    private readonly Process _gdb;
    private readonly StringBuilder _said = new();

    public GdbMachineInterface()
    {
        _gdb = Process.Start(new ProcessStartInfo("gdb", ["-nx", "-q", "-i=mi"]) { RedirectStandardInput = true, RedirectStandardOutput = true })!;
    }

    /// <summary>Sends a command.</summary>
    /// <returns>What comes up to its result, and the result.</returns>
    public string Send(string command) => Send(command, line => line.StartsWith('^'));

    /// <summary>Sends a command that lets the guest go on.</summary>
    /// <returns>What comes up to its next stop, and the stop.</returns>
    public string Go(string command) => Send(command, line => line.StartsWith("*stopped", StringComparison.Ordinal));

    public void Dispose()
    {
        if (!_gdb.HasExited)
        {
            _gdb.Kill();
        }

        _gdb.Dispose();
    }

    private string Send(string command, Func<string, bool> isLast)
    {
        _gdb.StandardInput.WriteLine(command);
        StringBuilder answer = new();
        for (; ; )
        {
            Task<string?> next = _gdb.StandardOutput.ReadLineAsync();
            Assert.True(next.Wait(s_timeout), $"{command}: no answer behind\n{_said}");
            string? line = next.Result;
            Assert.True(line is not null, $"{command}: gdb has gone, behind\n{_said}");
            _ = _said.AppendLine(line);
            _ = answer.AppendLine(line);
            if (isLast(line) || line.StartsWith("^error", StringComparison.Ordinal))
            {
                return answer.ToString();
            }
        }
    }
}
