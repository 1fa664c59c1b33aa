using System.Globalization;
using System.Text;
using Xunit;

namespace ToyVmm.GuestTests;

/// <summary>Debian's kernel with a shell on a terminal: keys, job control, a clock that keeps host time, and what idling costs.</summary>
public sealed class LinuxTerminalTests(Xunit.Abstractions.ITestOutputHelper output)
{
    private const double MostIdleShare = 0.03;      // 1.4 % on a quiet machine; beside other tests its caches are cold

    private const string Init = """
        #!/bin/busybox sh
        /bin/busybox mount -t proc proc /proc; /bin/busybox mount -t devtmpfs dev /dev
        export PATH=/bin PS1='guest'':# '
        /bin/busybox setsid /bin/busybox cttyhack /bin/busybox sh
        /bin/busybox poweroff -f

        """;

    [RequiresFileFact(".guests/linux/initrd.gz")]
    public void An_idle_shell_costs_next_to_nothing_and_its_clock_keeps_host_time()
    {
        if (ToolProcess.ReasonToSkip(["script", "sh"]) is not null)
        {
            return; // only where script(1) can make a terminal
        }

        string folder = Path.Combine(GuestCatalog.RepositoryRoot, ".guests", "linux");
        using TemporaryFile initrd = CommandLine.File(Archive(File.ReadAllBytes(Path.Combine(folder, "root", "bin", "busybox"))), ".cpio");
        using PseudoTerminal terminal = new($"echo pid $$ end; exec dotnet '{CommandLine.Tool}' run {folder}/vmlinuz --initrd {initrd.Path} --append 'console=ttyS0 quiet' --memory 128M");
        int process = int.Parse(terminal.WaitFor(" end").Split("pid ")[1].Split(' ')[0], CultureInfo.InvariantCulture);
        _ = terminal.WaitFor("guest:# ");

        // Ctrl-C kills what runs in the guest, and nothing else. While the shell still edits the line it would be a character like others: the
        // command has begun when it says so.
        terminal.Send("echo beg''un; busybox sleep 1000\r");
        _ = terminal.WaitFor("begun\r\n");
        terminal.Send("\x03");
        _ = terminal.WaitFor("guest:# ");
        terminal.Send("echo st''atus $?\r");
        _ = terminal.WaitFor("status 130");

        // The boot was busy, and slower than the host: that lag is made up first.
        Thread.Sleep(10_000);
        double guestBefore = Uptime(terminal);
        DateTime hostBefore = DateTime.UtcNow;
        double share = double.MaxValue;
        for (int n = 0; n < 6 && share > MostIdleShare; n++)
        {
            TimeSpan before = CpuTime(process);
            Thread.Sleep(5000);
            share = Math.Min(share, (CpuTime(process) - before).TotalSeconds / 5);
        }

        double host = (DateTime.UtcNow - hostBefore).TotalSeconds;
        Assert.InRange(Uptime(terminal) - guestBefore, host - 2, host + 2);
        Assert.True(share <= MostIdleShare, $"an idle guest took {share:P1} of a core");
        output.WriteLine($"an idle guest took {share:P1} of a core");
        terminal.Send("exit\r");
        Assert.Equal(0, terminal.WaitForExit());
    }

    private static double Uptime(PseudoTerminal terminal)
    {
        terminal.Send("echo up''time $(busybox cut -d' ' -f1 /proc/uptime) \r");
        _ = terminal.WaitFor("uptime ");
        return double.Parse(terminal.WaitFor("\r\n").Trim(), CultureInfo.InvariantCulture);
    }

    private static TimeSpan CpuTime(int process) => System.Diagnostics.Process.GetProcessById(process).TotalProcessorTime;

    // cpio in the "new ASCII" format (Linux Documentation/driver-api/early-userspace/buffer-format.rst).
    private static byte[] Archive(byte[] busybox)
    {
        using MemoryStream archive = new();
        int inode = 1;
        void Add(string name, int mode, ReadOnlySpan<byte> contents)
        {
            string header = string.Create(CultureInfo.InvariantCulture,
                $"070701{inode++:x8}{mode:x8}{0:x8}{0:x8}{1:x8}{0:x8}{contents.Length:x8}{0:x8}{0:x8}{0:x8}{0:x8}{name.Length + 1:x8}{0:x8}{name}\0");
            archive.Write(Encoding.ASCII.GetBytes(header));
            Pad();
            archive.Write(contents);
            Pad();
        }

        void Pad() => archive.Write(new byte[(4 - (archive.Length % 4)) % 4]);

        const int directory = 0x41ED;               // octal 040755
        const int program = 0x81ED;                 // octal 100755
        Add("bin", directory, []);
        Add("dev", directory, []);
        Add("proc", directory, []);
        Add("bin/busybox", program, busybox);
        Add("init", program, Encoding.ASCII.GetBytes(Init.ReplaceLineEndings("\n")));
        Add("TRAILER!!!", 0, []);
        return archive.ToArray();
    }
}
