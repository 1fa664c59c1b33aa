using ToyVmm.Debugging.Registers;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Loading;
using Xunit;

namespace ToyVmm.GuestTests;

/// <summary>The real gdb through every mode: it sees what the session sees.</summary>
public sealed class GdbTests
{
    // Real mode with a based CS, protected mode, paging with the same memory twice, ring 3, a system call, the end with 0x33. The labels are where the tests look for them.
    private const string Modes = """
                bits 16
                org 0x7C00
        start:  cli
                xor ax, ax
                mov ds, ax
                jmp 0x07C0:based - 0x7C00
        based:  mov bx, 0x1234                  ; 7c0a
                jmp 0:flat
        flat:   lgdt [gdt_pointer]              ; 7c12
                mov eax, cr0
                or al, 1
                mov cr0, eax
                jmp dword 8:protected
                times 0x40 - ($ - $$) nop
                bits 32
        protected:                              ; 7c40
                mov ax, 0x10
                mov ds, ax
                mov es, ax
                mov ss, ax
                mov esp, 0x7C00
                lidt [idt_pointer]
                mov dword [0x1000], 0x87                ; 4 MiB: present, writable, user
                mov dword [0x1000 + 4 * 0x300], 0x87    ; and again at 0xC0000000
                mov eax, cr4
                or al, 0x10                             ; PSE
                mov cr4, eax
                mov eax, 0x1000
                mov cr3, eax
                mov eax, cr0
                or eax, 0x80000000
                mov cr0, eax
                times 0xA0 - ($ - $$) nop
        paged:  mov dword [0xC0009000], 0xCAFE  ; 7ca0
                mov eax, 0x28                   ; 7caa
                ltr ax
                push dword 0x23
                push dword 0x8000
                push dword 2
                push dword 0x1B
                push dword user
                iret
                times 0xE0 - ($ - $$) nop
        user:   mov ecx, 0x33                   ; 7ce0
                int 0x80                        ; 7ce5
                ud2
                times 0xF0 - ($ - $$) nop
        system: mov al, cl                      ; 7cf0
                out 0xF4, al                    ; 7cf2
                hlt
                align 8
        gdt:    dq 0, 0x00CF9A000000FFFF, 0x00CF92000000FFFF, 0x00CFFA000000FFFF, 0x00CFF2000000FFFF
                dw 0x67, tss, 0x8900, 0
        gdt_pointer: dw $ - gdt - 1
                dd gdt
        idt_pointer: dw 0x407
                dd idt - 0x400
        idt:    dw system, 8, 0xEE00, 0
        tss:    dd 0, 0x7000, 0x10
                times 510 - ($ - $$) db 0
                db 0x55, 0xAA
        """;

    [RequiresToolTheory("gdb", "nasm")]
    [InlineData(EngineKind.Interpreter)]
    [InlineData(EngineKind.Translator)]
    public void One_session_goes_through_every_mode(EngineKind engine)
    {
        if (engine == EngineKind.Translator && VirtualMachine.TranslatorUnavailable is not null)
        {
            return;
        }

        using VirtualMachine vm = Create(engine, diskBoot: true);
        using GdbProgram gdb = new(vm);
        string output = gdb.Run(
            null,
            "show architecture",
            "break *0x7c00",
            "continue",
            "x/3i $pc",
            "stepi 4",
            "info registers eip cs cs_base",
            "monitor where",
            "break *0x7c40",
            "continue",
            "set architecture i386",
            "x/2i $pc",
            "delete",
            "stepi",
            "info registers eip cs cpl",
            "watch *(int*)0xc0009000",
            "continue",
            "x/wx 0x9000",
            "print $cr0",
            "delete",
            "hbreak *0x7ce0",
            "continue",
            "info registers eip cs cpl",
            "print $cr3",
            "stepi",
            "awatch *(int*)0x6ffc",
            "continue",
            "info registers eip cpl",
            "set var $ecx = 0x21",
            "continue");
        GdbProgram.AssertInOrder(
            output,
            "currently \"i8086\"",
            "Breakpoint 1, 0x00007c00",
            "=> 0x7c00:\tcli",
            "0x7c01:\txor    %ax,%ax",
            "0x00007c0a in ?? ()",
            "0x7c0a",
            "0x7c0 ",
            "0x7c00 ",
            "Breakpoint 2, 0x00007c40",
            "=> 0x7c40:\tmov    $0x10,%ax",
            "0x7c44",
            "0x8 ",
            "0x0 ",
            "Hardware watchpoint 3: *(int*)0xc0009000",
            "Old value = <unreadable>",
            "New value = 51966",
            "0x00007caa in ?? ()",
            "0x9000:\t0x0000cafe",
            "[ PE ET NW CD PG ]",
            "Breakpoint 4, 0x00007ce0",
            "0x1b ",
            "0x3 ",
            "= 4096",
            "Hardware access (read/write) watchpoint 5",
            "0x00007cf0 in ?? ()",
            "0x0 ",
            "exited with code 0103]");      // (0x21 << 1) | 1, in octal
        Assert.Contains("07c0:000a (linear 0x00007c0a)", output, StringComparison.Ordinal);
        Assert.Equal((StopKind.DebugExit, 0x21u), (gdb.End().Kind, gdb.End().Code));
    }

    [RequiresToolFact("gdb", "nasm")]
    public void What_gdb_prints_of_registers_is_what_the_session_has()
    {
        using VirtualMachine vm = Create(EngineKind.Auto, diskBoot: false);
        using GdbProgram gdb = new(vm);
        string output = gdb.Run(null, "set architecture i386", "break *0x7ce5", "continue", "info all-registers", "kill");
        Assert.Equal("killed from gdb", gdb.End().Detail);
        Assert.Equal(0x7CE5u, vm.Cpu.Eip);
        Assert.Equal(3u, vm.Cpu.Cpl);
        HashSet<string> seen = [];
        foreach ((string name, ulong value) in GdbProgram.Registers(output))
        {
            RegisterField? register = RegisterTable.Find(name);
            Assert.True(register is not null, name);
            Assert.True((UInt128)value == register.Read(vm), $"{name}: gdb prints {value:x}, the session has {register.Read(vm):x}");
            _ = seen.Add(name);
        }

        Assert.Superset(new HashSet<string> { "eax", "esp", "eip", "eflags", "cs", "gs", "fctrl", "mxcsr", "cr0", "cr3", "cr4", "ss_base", "gdtr_base", "idtr_limit", "tr", "cpl", "efer" }, seen);
    }

    [RequiresToolFact("gdb", "nasm")]
    public void It_goes_back_through_the_modes()
    {
        using VirtualMachine vm = Create(EngineKind.Auto, diskBoot: false);
        using GdbProgram gdb = new(vm);
        string output = gdb.Run(
            null,
            "set architecture i386",
            "break *0x7c40",
            "break *0x7cf0",
            "continue",
            "continue",
            "info registers eip",
            "reverse-stepi",
            "info registers eip cpl",
            "reverse-continue",
            "info registers eip",
            "reverse-continue",
            "continue",
            "continue",
            "watch *(int*)0xc0009000",
            "reverse-continue",
            "info registers eip",
            "reverse-continue",
            "delete",
            "reverse-continue",
            "continue");
        GdbProgram.AssertInOrder(
            output,
            "Breakpoint 1, 0x00007c40",
            "Breakpoint 2, 0x00007cf0",
            "0x7cf0",
            "0x7ce5",
            "0x3 ",
            "Breakpoint 1, 0x00007c40",
            "0x7c40",
            "No more reverse-execution history.",
            "0x00007c00 in ?? ()",
            "Breakpoint 2, 0x00007cf0",
            "Hardware watchpoint 3",
            "Old value = 51966",
            "New value = 0",
            "0x7ca0",
            "Breakpoint 1, 0x00007c40",
            "No more reverse-execution history.",
            "exited with code 0147]");
        Assert.Equal((StopKind.DebugExit, 0x33u), (gdb.End().Kind, gdb.End().Code));
    }

    [RequiresToolFact("gdb", "nasm")]
    public void Clients_detach_disconnect_and_come_back()
    {
        using VirtualMachine vm = Create(EngineKind.Auto, diskBoot: false);
        using GdbProgram gdb = new(vm);
        string output = gdb.Run(
            null,
            "stepi 3",
            "disconnect",
            $"target remote {gdb.Path}",
            "info registers eip",
            "break *0x7c12",
            "continue",
            "delete",
            "kill");
        GdbProgram.AssertInOrder(output, "0x00007c05 in ?? ()", "0x00007c05 in ?? ()", "0x7c05", "Breakpoint 1, 0x00007c12", "killed]");
        Assert.Equal("killed from gdb", gdb.End().Detail);
        Assert.Empty(gdb.Session.Breakpoints);

        using VirtualMachine other = Create(EngineKind.Auto, diskBoot: false);
        using GdbProgram detached = new(other);
        Assert.Contains("detached]", detached.Run(null, "break *0x7ce0", "stepi", "detach"), StringComparison.Ordinal);
        Assert.Equal((StopKind.DebugExit, 0x33u), (detached.End().Kind, detached.End().Code));
    }

    [RequiresToolFact("gdb")]
    public void Ctrl_C_and_an_end_that_nobody_asked_for()
    {
        // jmp $
        using VirtualMachine vm = VirtualMachine.Create(new byte[] { 0xEB, 0xFE });
        using GdbProgram gdb = new(vm);
        string output = gdb.Run(null, "shell (sleep 1; kill -INT $PPID) &", "continue", "info registers eip", "kill");
        GdbProgram.AssertInOrder(output, "Program received signal SIGINT", "0x7c00");
        Assert.Equal("killed from gdb", gdb.End().Detail);

        // ud2 without an IDT: a triple fault, which can be looked at
        using VirtualMachine faulting = VirtualMachine.Create(new byte[] { 0x0F, 0x0B }, new VirtualMachineOptions { Load = new LoadOptions { RealModeEntry = false } });
        using GdbProgram end = new(faulting);
        string seen = end.Run(null, "continue", "info registers eip", "continue");
        GdbProgram.AssertInOrder(seen, "SIGSEGV", "0x7c00", "exited with code 0107]");
        Assert.Contains("triple fault", seen, StringComparison.Ordinal);
        Assert.Equal(StopKind.TripleFault, end.End().Kind);
    }

    [RequiresToolFact("gdb", "nasm")]
    public void The_documentations_real_mode_is_a_real_transcript()
    {
        using VirtualMachine vm = Create(EngineKind.Auto, diskBoot: true);
        using GdbProgram gdb = new(vm);
        GdbTranscript transcript = GdbTranscript.OfDocumentation("Real mode");
        transcript.AssertIsIn(gdb.RunApart(null, [.. transcript.Commands, "kill"]));
        Assert.Equal("killed from gdb", gdb.End().Detail);
    }

    private static VirtualMachine Create(EngineKind engine, bool diskBoot)
    {
        using TemporaryFile image = Assemble();
        return VirtualMachine.Create(File.ReadAllBytes(image.Path), new VirtualMachineOptions { Engine = engine, Load = new LoadOptions { Format = diskBoot ? null : ImageFormat.Raw } });
    }

    /// <summary>The guest that goes through every mode, as a disk image.</summary>
    internal static TemporaryFile Assemble()
    {
        using TemporaryFile source = CommandLine.File(Modes, ".asm");
        TemporaryFile image = new(".img");
        ToolResult result = ToolProcess.Run("nasm", ["-f", "bin", "-o", image.Path, source.Path], TimeSpan.FromSeconds(30));
        Assert.True(result.Status == 0, result.Errors);
        return image;
    }
}
