using System.Text;
using ToyVmm.Debugging.Inspecting;
using ToyVmm.Tests.State;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Loading;
using ToyVmm.VirtualMachines.Symbols;
using Xunit;

namespace ToyVmm.Tests.Debugging;

/// <summary>
/// What is seen inside guests of the course at chosen moments, held by files (TOYVMM_ACCEPT=1 writes them anew), and that looking leaves no trace.
/// </summary>
public sealed class InspectionTests
{
    // Guest, instructions, what to look at. The moments are inside main, a handler, a task, another mode.
    public static TheoryData<string, int, string> Moments => new()
    {
        { "paging/paging.elf", 20_000, "segments;gdt;idt 14;walk 0x100000;walk 0x400000;walk 0xfffffffc;mem;tlb;shadow 0x100000;stack 6;frames;code eip 5" },
        { "paging-pae/paging-pae.elf", 20_000, "registers;walk 0x100000;walk 0x40000000;walk 0xc0000000;mem;shadow supervisor" },
        { "tasks/tasks.elf", 30_000, "segments;gdt;tss;idt;frames;pic;pit" },
        { "tss/tss.elf", 4_000, "segments;gdt;ldt;tss" },
        { "unreal/unreal.bin", 2_000, "registers;segments;gdt;idt 8;code eip 4" },
        { "v8086/v8086.elf", 6_000, "segments;tss;code cs:eip 3;symbol" },
        { "kernel/kernel.elf", 400_000, "segments;tss;walk eip;shadow eip;code eip 6;stack 8;frames;uart;ata;rtc;keyboard;apic" },
    };

    [Theory]
    [MemberData(nameof(Moments))]
    public void A_guest_looks_as_it_did(string guest, int instructions, string looks)
    {
        (VirtualMachine vm, Inspector inspector) = Start(guest, EngineKind.Interpreter, instructions);
        using (vm)
        {
            StringBuilder text = new();
            foreach (string look in looks.Split(';'))
            {
                _ = text.Append("# ").Append(look).Append('\n').Append(Look(inspector, look)).Append("\n\n");
            }

            string name = Path.GetFileNameWithoutExtension(guest);
            Compare($"{name}.txt", text.ToString());
        }
    }

    /// <summary>Every question, at many moments, on both engines: the machine is the same before and after, and the run comes to the same end.</summary>
    [Theory]
    [InlineData("paging/paging.elf")]
    [InlineData("paging-pae/paging-pae.elf")]
    [InlineData("tasks/tasks.elf")]
    [InlineData("v8086/v8086.elf")]
    [InlineData("smc/smc.elf")]
    [InlineData("unreal/unreal.bin")]
    public void Looking_changes_nothing(string guest)
    {
        foreach (EngineKind engine in Engines)
        {
            (VirtualMachine undisturbed, _) = Start(guest, engine, 0);
            (VirtualMachine vm, Inspector inspector) = Start(guest, engine, 0);
            using (undisturbed)
            using (vm)
            {
                bool goesOn = true;
                for (int n = 0; goesOn && vm.InstructionsRetired < 200_000; n++)
                {
                    RunLimits piece = new() { MaxInstructions = n < 12 ? 997u : 200_000 };
                    _ = undisturbed.Run(piece);
                    goesOn = vm.Run(piece).Kind == StopKind.InstructionLimit;
                    byte[] before = vm.SaveState();
                    foreach (InspectionSubject subject in n < 12 ? InspectionSubjects(n) : [])
                    {
                        string look = subject.Name + (subject.Arguments.StartsWith("ADDRESS", StringComparison.Ordinal) ? n % 2 == 0 ? " eip" : " 0x80001000" : "");
                        Assert.NotEmpty(Look(inspector, look));
                        Assert.True(before.AsSpan().SequenceEqual(vm.SaveState()), look);
                    }
                }

                Assert.Equal(undisturbed.SaveState(), vm.SaveState());
            }
        }
    }

    /// <summary>The shadow never lets more through than the TLB, and whatever it lacks has a reason.</summary>
    [Theory]
    [InlineData("paging/paging.elf")]
    [InlineData("paging-pae/paging-pae.elf")]
    [InlineData("tasks/tasks.elf")]
    [InlineData("rings/rings.elf")]
    [InlineData("kernel/kernel.elf")]
    public void Every_difference_between_the_guests_table_and_the_shadow_has_a_reason(string guest)
    {
        foreach (EngineKind engine in Engines)
        {
            (VirtualMachine vm, _) = Start(guest, engine, 0);
            using (vm)
            {
                for (int n = 0; n < 5; n++)
                {
                    _ = vm.Run(new RunLimits { MaxInstructions = 7_919 });
                    foreach (uint page in Enumerable.Range(0, 2048).Select(page => (uint)page << 12).Concat(Enumerable.Range(0, 64).Select(page => 0xC000_0000 + ((uint)page << 12))))
                    {
                        foreach (bool user in (bool[])[false, true])
                        {
                            ShadowReport report = ShadowReport.Read(vm, page, user);
                            Assert.Equal(PageRights.None, report.Shadow & ~(report.Tlb ?? PageRights.None));
                            Assert.True(report.Reasons.Count > 0 || (report.Shadow == report.Guest && (report.Tlb is null || report.Tlb == report.Guest)), $"{engine} {n}: {report}");
                        }
                    }
                }
            }
        }
    }

    [Fact]
    public void Translated_code_stands_beside_the_guests()
    {
        if (VirtualMachine.TranslatorUnavailable is not null)
        {
            return;
        }

        (VirtualMachine vm, Inspector inspector) = Start("compute-sieve/compute-sieve.elf", EngineKind.Translator, 2_000_000);
        using (vm)
        {
            string text = Look(inspector, "translated");
            Assert.Contains("runs on the host", text, StringComparison.Ordinal);
            Assert.Contains("=> ", text, StringComparison.Ordinal);
            Assert.Contains("linked from", text, StringComparison.Ordinal);
            Assert.Contains("(block ", text, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("walk", "walk: of which address?")]
    [InlineData("walk nowhere", "no register, symbol or count is called 'nowhere'")]
    [InlineData("walk [0xfee00000]", "cannot be read")]
    [InlineData("walk 0x100000000", "no address of 32 bits")]
    [InlineData("pic 1", "pic: takes no arguments")]
    [InlineData("idt 256", "a vector is 0 to 255")]
    [InlineData("tss", "TR is null")]
    [InlineData("tss 0x10", "names no TSS")]
    [InlineData("stack x", "how many words?")]
    [InlineData("code eip 0", "a count is 1 to")]
    [InlineData("translated", "has decoded no block")]
    public void What_makes_no_sense_is_told(string look, string message)
    {
        using VirtualMachine vm = VirtualMachine.Create(new byte[] { 0xF4 });
        string[] words = look.Split(' ', 2);
        Assert.False(new Inspector(vm).TryShow(words[0], words.Length > 1 ? words[1] : "", out InspectionText? text, out string? problem));
        Assert.Null(text);
        Assert.Contains(message, problem, StringComparison.Ordinal);
    }

    [Fact]
    public void A_subject_may_be_shortened_and_marks_lie_in_the_text()
    {
        using MachineFixture fixture = new();
        Inspector inspector = new(fixture.Vm);
        Assert.True(inspector.TryShow("key", "", out InspectionText? text, out _));
        Assert.StartsWith("8042:", text.Text, StringComparison.Ordinal);
        Assert.False(inspector.TryShow("p", "", out _, out string? problem));        // pic or pit
        Assert.Null(problem);
        Assert.False(inspector.TryShow("", "", out _, out _));
        foreach (InspectionSubject subject in Inspector.Subjects)
        {
            _ = inspector.TryShow(subject.Name, subject.Arguments.StartsWith("ADDRESS", StringComparison.Ordinal) ? "eip" : "", out text, out _);
            foreach (TextMark mark in text?.Marks ?? [])
            {
                Assert.InRange(mark.Start + mark.Length, mark.Start + 1, text!.Text.Length);
            }
        }
    }

    private static EngineKind[] Engines => VirtualMachine.TranslatorUnavailable is null ? [EngineKind.Interpreter, EngineKind.Translator] : [EngineKind.Interpreter];

    // Whole address spaces take their time: once is enough.
    private static IEnumerable<InspectionSubject> InspectionSubjects(int moment) =>
        Inspector.Subjects.Where(subject => moment is 3 || subject.Name is not ("mem" or "tlb" or "shadow"));

    private static string Look(Inspector inspector, string look)
    {
        string[] words = look.Split(' ', 2);
        return inspector.TryShow(words[0], words.Length > 1 ? words[1] : "", out InspectionText? text, out string? problem) ? text.Text : problem ?? "nothing is known of that";
    }

    private static (VirtualMachine Vm, Inspector Inspector) Start(string guest, EngineKind engine, int instructions)
    {
        byte[] image = File.ReadAllBytes(Path.Combine(RepositoryFiles.Root, "guest-images", guest));
        VirtualMachine vm = VirtualMachine.Create(image, new VirtualMachineOptions
        {
            Engine = engine,
            Load = new LoadOptions { Format = guest.EndsWith(".bin", StringComparison.Ordinal) ? ImageFormat.Raw : null },
        });
        while ((int)vm.InstructionsRetired < instructions && vm.Run(new RunLimits { MaxInstructions = (ulong)instructions - vm.InstructionsRetired }).Kind == StopKind.InstructionLimit)
        {
        }

        return (vm, new Inspector(vm) { Symbols = SymbolFile.ReadFromImage(image, out _), Lines = SourceLines.Read(image, out _) });
    }

    private static void Compare(string name, string actual)
    {
        string file = Path.Combine(RepositoryFiles.Root, "tests", "ToyVmm.Tests", "Debugging", "Golden", name);
        if (Environment.GetEnvironmentVariable("TOYVMM_ACCEPT") == "1")
        {
            _ = Directory.CreateDirectory(Path.GetDirectoryName(file)!);
            File.WriteAllText(file, actual);
        }

        Assert.True(File.Exists(file), $"{file} is missing: run the tests with TOYVMM_ACCEPT=1 and review the diff");
        Assert.Equal(File.ReadAllText(file), actual);
    }
}
