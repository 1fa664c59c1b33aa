using BenchmarkDotNet.Attributes;
using Iced.Intel;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Loading;
using static Iced.Intel.AssemblerRegisters;

namespace ToyVmm.Benchmarks;

/// <summary>What the sensitive instructions cost, in a whole machine: time for 1,000 rounds of a loop that holds each eight times.</summary>
public class SensitiveBenchmarks
{
    private const int Rounds = 1000;
    private const int Unrolled = 8;
    private const uint Origin = 0x1_0000;

    private static readonly Dictionary<string, (int Instructions, Action<Assembler> Body)> s_bodies = new()
    {
        ["in"] = (1, a => a.@in(al, 0x80)),
        ["out"] = (1, a => a.@out(0x80, al)),
        ["int, iret"] = (2, a => a.@int(0x80)),
        ["undefined opcode, iret"] = (3, a => a.ud2()),
        ["pushf, popf"] = (2, a =>
        {
            a.pushfd();
            a.popfd();
        }
        ),
        ["cli, sti"] = (2, a =>
        {
            a.cli();
            a.sti();
        }
        ),
        ["clts, set CR0.TS"] = (3, a =>
        {
            a.clts();
            a.mov(eax, ebp);
            a.mov(cr0, eax);
        }
        ),
        ["mov fs"] = (1, a => a.mov(fs, bx)),
    };

    private VirtualMachine _machine = null!;
    private ulong _instructions;

    /// <summary>What is measured.</summary>
    [ParamsSource(nameof(Names))]
    public string Operation { get; set; } = "in";

    /// <summary>All there are.</summary>
    public static IEnumerable<string> Names => s_bodies.Keys;

    /// <summary>Builds the machine, and runs its set-up code.</summary>
    [GlobalSetup]
    public void Build()
    {
        (int instructions, Action<Assembler> body) = s_bodies[Operation];
        _instructions = (ulong)(((instructions * Unrolled) + 1) * Rounds);
        _machine = VirtualMachine.Create(
            Assemble(body),
            new VirtualMachineOptions { Load = new LoadOptions { Format = ImageFormat.Raw, RealModeEntry = false, LoadAddress = Origin } });
        _ = _machine.Run(new RunLimits { MaxInstructions = 100_000 });
    }

    /// <summary>Frees it.</summary>
    [GlobalCleanup]
    public void Free() => _machine.Dispose();

    /// <summary>The rounds.</summary>
    [Benchmark(OperationsPerInvoke = Rounds * Unrolled)]
    public ulong Run()
    {
        _ = _machine.Run(new RunLimits { MaxInstructions = _instructions });
        return _machine.InstructionsRetired;
    }

    // Flat protected mode in ring 0, one handler for everything at 0x8000: it steps over UD2, of which INT n has nothing to step over.
    private static byte[] Assemble(Action<Assembler> body)
    {
        const int Gdt = 0x1000;
        const int Idt = 0x2000;
        const int Handler = 0x8000;
        Assembler a = new(32);
        a.mov(esp, 0x7000);
        foreach ((int at, uint value) in new (int, uint)[] { (8, 0xFFFF), (12, 0x00CF_9B00), (16, 0xFFFF), (20, 0x00CF_9300), (-8, 0x1000_0017), (-4, 0) })
        {
            a.mov(__dword_ptr[Gdt + at], value);
        }

        a.lgdt(__[Gdt - 8]);
        a.mov(__dword_ptr[Gdt - 8], 0x2000_07FF);
        a.lidt(__[Gdt - 8]);
        foreach ((int vector, int offset) in new[] { (6, Handler), (0x80, Handler + 0x10) })
        {
            a.mov(__dword_ptr[Idt + (vector * 8)], 0x0008_0000 | offset);
            a.mov(__dword_ptr[Idt + (vector * 8) + 4], 0x8E00);
        }

        a.mov(__dword_ptr[Handler], 0x0224_0483); // add dword [esp], 2
        a.mov(__byte_ptr[Handler + 4], 0xCF);     // iretd
        a.mov(__byte_ptr[Handler + 0x10], 0xCF);
        Label on = a.CreateLabel();
        Label reload = a.CreateLabel();
        a.push(8);
        a.call(reload);
        a.jmp(on);
        a.Label(ref reload);
        a.retf();
        a.Label(ref on);
        a.mov(ebx, 0x10);
        a.mov(ss, bx);
        a.mov(ebp, cr0);
        a.or(ebp, 8);
        Label top = a.CreateLabel();
        a.Label(ref top);
        for (int n = 0; n < Unrolled; n++)
        {
            body(a);
        }

        a.jmp(top);
        using MemoryStream code = new();
        _ = a.Assemble(new StreamCodeWriter(code), Origin);
        return code.ToArray();
    }
}
