using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Loading;
using Xunit;

namespace ToyVmm.GuestTests;

/// <summary>The real gdb and the tiny kernel, in its source.</summary>
public sealed class GdbKernelTests(DebugKernel kernel) : IClassFixture<DebugKernel>
{
    private readonly DebugKernel _kernel = kernel;

    [RequiresToolFact("gdb", "gcc", "nasm", "ld")]
    public void The_kernel_is_debugged_in_its_source()
    {
        using VirtualMachine vm = Create();
        using GdbProgram gdb = new(vm);
        string output = gdb.Run(
            _kernel.Path,
            "break sys_fork",
            "continue",
            "backtrace 3",
            "print current->pid",
            "print current->name",
            "finish",
            "delete",
            "break process.c:151",
            "continue",
            "next",
            "next",
            "info source",
            "print frame->cs",
            "delete",
            "watch switches",
            "continue",
            "continue",
            "backtrace 1",
            "reverse-continue",
            "reverse-stepi",
            "stepi",
            "monitor where",
            "detach");
        GdbProgram.AssertInOrder(
            output,
            "Breakpoint 1, sys_fork (f=",
            "at kernel/syscall.c:7",
            "#1 ",
            "in trap (frame=",
            "at kernel/trap.c:100",
            "= 1",
            "\"selftest",
            "Value returned is",
            "= 2",
            "Breakpoint 2, process_fork",
            "at kernel/process.c:151",
            "152\t    child->parent = current;",
            "153\t    memcpy(child->name, current->name, NAME_SIZE);",
            "Current source file is kernel/process.c",
            "= 27",
            "Hardware watchpoint 3: switches",
            "Old value = 2",
            "schedule () at kernel/process.c:61",
            "Old value = 3",
            "#0  schedule ()",
            "Old value = 4",            // back before the last store
            "New value = 3",
            "schedule () at kernel/process.c:59",
            "detached]");
        Assert.Equal((StopKind.HypercallExit, 0u), (gdb.End().Kind, gdb.End().Code));
        Assert.Contains("all promises kept", vm.SerialOutput, StringComparison.Ordinal);
    }

    [RequiresToolFact("gdb", "gcc", "nasm", "ld")]
    public void The_documentations_session_is_a_real_transcript()
    {
        using VirtualMachine vm = Create();
        using GdbProgram gdb = new(vm);
        GdbTranscript transcript = GdbTranscript.OfDocumentation("A guest under gdb");
        transcript.AssertIsIn(gdb.RunApart(_kernel.Path, [.. transcript.Commands, "kill"]));
        Assert.Equal("killed from gdb", gdb.End().Detail);
    }

    [RequiresToolFact("gdb", "gcc", "nasm", "ld")]
    public void The_documentations_gdbinit_works()
    {
        using VirtualMachine vm = Create();
        using GdbProgram gdb = new(vm);
        string text = string.Join('\n', GdbTranscript.Lines(".gdbinit")).Replace("/tmp/kernel/kernel.elf", _kernel.Path, StringComparison.Ordinal).Replace("target remote :1234", "", StringComparison.Ordinal);
        using TemporaryFile file = CommandLine.File(text, ".gdbinit");
        string output = gdb.Run(null, $"source {file.Path}", "break sys_fork", "continue", "goto 5", "print $eip == 0x100019", "trap", "show disassembly-flavor", "help goto", "kill");
        GdbProgram.AssertInOrder(output, "Breakpoint 1, sys_fork", "#0  start () at kernel/entry.asm:21", "$1 = 1", "#0  outb", "\"intel\"", "goto N:", "instruction 5\n", "port I/O", "instruction 17\n");
        Assert.Equal("killed from gdb", gdb.End().Detail);
    }

    // The commands that the engine of VS Code's extension C/C++ sends gdb for the launch.json of docs/gdb.md, by its published source (microsoft/MIEngine), with what a user
    // then does: breakpoint, stack, variables, hover, memory, disassembly, watchpoint, steps, pause, stop. The editor itself is not run.
    [RequiresToolFact("gdb", "gcc", "nasm", "ld")]
    public void An_editor_drives_it_by_gdbs_machine_interface()
    {
        using VirtualMachine vm = Create();
        using GdbProgram gdb = new(vm);
        using GdbMachineInterface editor = new();
        Assert.Contains("^done", editor.Send("-gdb-set mi-async on"), StringComparison.Ordinal);
        foreach (string setting in (string[])["set pagination off", "set breakpoint pending on", "set disassembly-flavor intel", "set debuginfod enabled off"])
        {
            Assert.Contains("^done", editor.Send($"-interpreter-exec console \"{setting}\""), StringComparison.Ordinal);
        }

        Assert.Contains("^done", editor.Send("-environment-cd /tmp"), StringComparison.Ordinal);
        Assert.Contains("^done", editor.Send("-file-exec-and-symbols " + _kernel.Path), StringComparison.Ordinal);
        Assert.Contains("i386", editor.Send("-interpreter-exec console \"show architecture\""), StringComparison.Ordinal);
        Assert.Contains("not defined", editor.Send("-break-insert main"), StringComparison.Ordinal);
        GdbProgram.AssertInOrder(editor.Send("-target-select remote " + gdb.Path), "file=\"kernel/entry.asm\"", "line=\"16\"", "^connected");
        Assert.Contains("func=\"process_fork\"", editor.Send("-break-insert -f process.c:151"), StringComparison.Ordinal);
        GdbProgram.AssertInOrder(editor.Go("-exec-continue"), "^running", "reason=\"breakpoint-hit\"", "line=\"151\"");

        Assert.Contains("target-id=\"Thread 1\"", editor.Send("-thread-info"), StringComparison.Ordinal);
        GdbProgram.AssertInOrder(editor.Send("-stack-list-frames 0 20"), "func=\"process_fork\"", "func=\"trap\"", "file=\"kernel/trap.c\"");
        GdbProgram.AssertInOrder(editor.Send("-stack-list-variables 0"), "name=\"frame\"", "name=\"child\"");
        Assert.Contains("numchild=\"", editor.Send("-var-create --thread 1 --frame 0 - * \"frame\""), StringComparison.Ordinal);
        Assert.Contains("exp=\"cs\"", editor.Send("-var-list-children --simple-values \"var1\" 0 100"), StringComparison.Ordinal);
        Assert.Contains("value=\"27\"", editor.Send("-data-evaluate-expression \"frame->cs\""), StringComparison.Ordinal);
        Assert.Contains("\"eflags\",\"cs\"", editor.Send("-data-list-register-names"), StringComparison.Ordinal);
        Assert.Contains($"number=\"8\",value=\"0x{vm.Cpu.Eip:x}\"", editor.Send("-data-list-register-values x 0 8"), StringComparison.Ordinal);
        Assert.Contains("contents=\"02b0ad1b", editor.Send("-data-read-memory-bytes 0x100000 16"), StringComparison.Ordinal);
        Assert.Contains("func-name=\"process_fork\"", editor.Send("-data-disassemble -s $pc -e \"$pc + 20\" -- 2"), StringComparison.Ordinal);
        Assert.Contains("breakpoint 1: at 0x00", editor.Send("-interpreter-exec console \"monitor where\""), StringComparison.Ordinal);

        GdbProgram.AssertInOrder(editor.Go("-exec-next"), "reason=\"end-stepping-range\"", "line=\"152\"");
        GdbProgram.AssertInOrder(editor.Go("-exec-finish"), "reason=\"function-finished\"", "return-value=\"2\"");
        Assert.Contains("wpt={number=", editor.Send("-break-watch *(int*)(&switches)"), StringComparison.Ordinal);
        GdbProgram.AssertInOrder(editor.Go("-exec-continue"), "reason=\"watchpoint-trigger\"", "old=\"0\",new=\"1\"", "func=\"schedule\"");
        GdbProgram.AssertInOrder(editor.Go("-exec-step-instruction --reverse"), "line=\"59\"");

        Assert.Contains("^done", editor.Send("-break-delete 1 2 3"), StringComparison.Ordinal);
        Assert.Contains("^running", editor.Send("-exec-continue"), StringComparison.Ordinal);
        Assert.Contains("reason=\"signal-received\",signal-name=\"SIGINT\"", editor.Go("-exec-interrupt"), StringComparison.Ordinal);
        Assert.Contains("^done", editor.Send("kill"), StringComparison.Ordinal);
        Assert.Equal("killed from gdb", gdb.End().Detail);
    }

    private VirtualMachine Create() => VirtualMachine.Create(_kernel.Bytes, new VirtualMachineOptions { Load = new LoadOptions { CommandLine = "init=selftest" } });
}

/// <summary>The kernel with line numbers and types, built once for the tests that want it.</summary>
public sealed class DebugKernel : IDisposable
{
    private readonly Lazy<DirectoryInfo> _folder = new(Build);

    /// <summary>The file.</summary>
    internal string Path => System.IO.Path.Combine(_folder.Value.FullName, "kernel.elf");

    /// <summary>Its contents.</summary>
    internal byte[] Bytes => File.ReadAllBytes(Path);

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_folder.IsValueCreated)
        {
            _folder.Value.Delete(recursive: true);
        }
    }

    private static DirectoryInfo Build()
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("toyvmm-");
        ToolResult build = ToolProcess.Run(System.IO.Path.Combine(GuestCatalog.RepositoryRoot, "guest-images", "build.sh"), ["--out", folder.FullName, "--debug", "kernel"], TimeSpan.FromMinutes(2));
        Assert.True(build.Status == 0, build.Errors);
        return folder;
    }
}
