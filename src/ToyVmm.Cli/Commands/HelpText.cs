using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;

namespace ToyVmm.Cli.Commands;

/// <summary>What --help says beyond the list of options: examples, exit statuses, where to go on.</summary>
internal static class HelpText
{
    private const string Root = """
        Examples:
          toyvmm guests                        what there is to run
          toyvmm run hello                     run a built-in guest
          toyvmm run kernel.elf --stats        run a Multiboot kernel of yours, with counts at the end
          toyvmm run boot.asm --trace traps    assemble a source with nasm, run it, show every trap
          toyvmm snapshot bzImage -o booted.toyvmm --at-serial "login:"    save a machine, to go on from it: run --from
          toyvmm debug hello                   step through it; help lists the debugger's commands
          toyvmm disasm hello                  the code at a guest's entry
          toyvmm bench                         how fast it is
          toyvmm classify                      why this processor could not be virtualized by trapping alone
        """;

    private const string Run = """
        Examples:
          toyvmm run hello
          toyvmm run triple-fault                              an autopsy of a machine that died
          toyvmm run kernel.elf --append "root=none quiet" --module "initrd.img arg"
          toyvmm run bzImage --initrd initramfs.gz --append console=ttyS0 --memory 256M
          toyvmm run --disk disk.img,snapshot --bios /usr/share/seabios/bios.bin --vga-bios /usr/share/vgabios/vgabios.bin
          toyvmm run code.bin --format raw --entry protected --load-address 0x100000
          toyvmm run kernel.elf --timeout 10 --json report.json -q    for a CI job
          toyvmm run kernel.elf --trace exits:trace.txt
          echo 'a line for COM1' | toyvmm run kernel.elf
          toyvmm run server.elf client.elf client.elf          several guests, which share the host
          toyvmm run --from booted.toyvmm                      go on from a snapshot

        On a terminal every key goes to the guest, Ctrl-C too - to COM1, with --display text to the PS/2 keyboard - but for:
          Ctrl-A X leaves    Ctrl-A C the monitor prompt (help lists its commands)    Ctrl-A A sends Ctrl-A    Ctrl-A H help

        Exit status:
          0      the guest asked for success: power-off (0x2000 to port 0x604), or the hypercall exit(0)
          n      the hypercall exit(n); a write of v to port 0xF4 gives (v << 1) | 1, as in QEMU
          64     the command line makes no sense
          65     the image is malformed, or has no entry that is supported
          66     a file or a tool is missing, unreadable or unwritable
          70     the guest halted for ever (0 with --halt-ok)
          71     triple fault; the autopsy tells the first cause
          72, 73 the instruction limit, the time limit is reached
          74     ToyVmm itself failed: a bug
          75     the guest asked for a reset
          76-80  a limit is reached: exits, memory, disk writes, trace, serial output
          128+n  signal n stopped the run: 130 for Ctrl-C, or Ctrl-A X on a terminal, 141 when nobody reads the output
        Of several guests the first that did not end as it should gives the status, in the order in which they are named.
        """;

    private const string Snapshot = """
        Examples:
          toyvmm snapshot tasks -o tasks.toyvmm --at-instructions 100_000
          toyvmm snapshot bzImage --initrd initramfs.gz --append console=ttyS0 -o booted.toyvmm --at-serial "login: "
          toyvmm snapshot kernel.elf -o ready.toyvmm --at-mark 1     where the guest makes the hypercall trace_mark(1, ...)
          toyvmm snapshot --from ready.toyvmm -o later.toyvmm --at-time 2.5
          toyvmm run --from ready.toyvmm --engine interpreter

        The file has everything but the contents of disks: these must be there, and the same, when a run goes on. docs/snapshots.md tells the format.

        Exit status: 0 the snapshot is written; 1 the guest ended before the moment came; otherwise as of `toyvmm run`.
        """;

    private const string Debug = """
        Examples:
          toyvmm debug hello                                   a prompt at the guest's first instruction
          toyvmm debug kernel.elf --break kernel_main --tui    the full-screen view
          toyvmm debug traps -c "vector #PF" -c continue       commands to begin with
          toyvmm debug kernel.elf --script check.txt           for a CI job: the first command that fails ends it
          echo 'continue' | toyvmm debug hello                 commands from a pipe
          toyvmm debug --from booted.toyvmm --linear           a snapshot, for a screen reader

        At the prompt `help` lists the commands, and `help COMMAND` tells about one, with examples; docs/debug.md has them all. Ctrl-C stops a guest
        that runs. On a terminal -c commands come before the prompt; --script, and commands from a pipe, are echoed with their answers, and end the session.

        Exit status: what `quit N` says; otherwise the guest's, as of `toyvmm run`, where it has ended, and else 0; 1 where a command of a script failed.
        """;

    private const string Disasm = """
        Examples:
          toyvmm disasm hello
          toyvmm disasm kernel.elf --count 40
          toyvmm disasm kernel.elf --address 0x100000
          toyvmm disasm kernel.elf --translated
        """;

    private const string Guests = """
        Examples:
          toyvmm guests                     the list
          toyvmm guests paging              what a guest teaches, and how to run it
          toyvmm guests --extract course    write sources and images into a directory
        """;

    private const string Bench = """
        Examples:
          toyvmm bench
          toyvmm bench compute-sieve compute-sha256 --repeat 5
          toyvmm bench --engine all                       every engine, side by side; some minutes
          toyvmm bench nano --engine translator           what single operations cost
          toyvmm bench nano:int-iret nano:page-fault
          toyvmm bench --json -
        """;

    private const string Classify = """
        Examples:
          toyvmm classify                              the instructions that are not innocuous, and what follows from them
          toyvmm classify --class hole                 sensitive and not privileged: what a monitor that only traps cannot see
          toyvmm classify --class all                  every form, the innocuous ones too
          toyvmm classify --mnemonic POPF --witness    and the two states that prove it, executed again
          toyvmm classify --json -                     everything, as a JSON document (docs/classification.md)
          toyvmm classify popek                        which of them a guest executes, how often, in which mode
          toyvmm run popek --engine naive              what happens to it under such a monitor
          toyvmm classify --search --mnemonic SMSW     search anew instead of taking the stored table

        Classes: innocuous, privileged, sensitive, control, behaviour, location, mode, state, user, hole, all.
        """;

    /// <summary>Adds the texts to the help of every command.</summary>
    public static void Install(RootCommand root)
    {
        foreach (Option option in root.Options)
        {
            if (option is HelpOption { Action: HelpAction standard } help)
            {
                help.Action = new WithEpilogue(standard);
            }
        }
    }

    private static string? Epilogue(Command command) => command switch
    {
        RootCommand => Root,
        { Name: "run" } => Run,
        { Name: "debug" } => Debug,
        { Name: "snapshot" } => Snapshot,
        { Name: "disasm" } => Disasm,
        { Name: "guests" } => Guests,
        { Name: "bench" } => Bench,
        { Name: "classify" } => Classify,
        _ => null,
    };

    private sealed class WithEpilogue(HelpAction standard) : SynchronousCommandLineAction
    {
        // Help is asked for when the rest of the line may make no sense yet.
        public override bool ClearsParseErrors => true;

        public override int Invoke(ParseResult parseResult)
        {
            int status = standard.Invoke(parseResult);
            if (Epilogue(parseResult.CommandResult.Command) is { } text)
            {
                parseResult.InvocationConfiguration.Output.WriteLine(text);
            }

            return status;
        }
    }
}
