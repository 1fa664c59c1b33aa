using Iced.Intel;
using ToyVmm.Engines;
using ToyVmm.Engines.Interpretation;
using ToyVmm.Hardware;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Tests.Properties;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Loading;
using ToyVmm.VirtualMachines.Tracing;
using Xunit;
using static Iced.Intel.AssemblerRegisters;

namespace ToyVmm.Tests.Monitoring;

/// <summary>Port accesses in place go exactly the way of the monitor's loop: the same instructions, times, traps, counts and memory.</summary>
public sealed unsafe class PortAccessTests
{
    private static readonly EngineKind[] s_engines =
        Interpreter.TranslationUnavailable is null ? [EngineKind.Interpreter, EngineKind.Translator] : [EngineKind.Interpreter];

    [Fact]
    public void Random_port_programs_do_the_same_in_place_and_by_exits()
    {
        int interrupts = 0;
        int finished = 0;
        for (ulong seed = 1; seed <= 60; seed++)
        {
            byte[] image = PortGuest.Random(new EdgeRandom(seed));
            string byExits = Run(image, EngineKind.Interpreter, byExits: true, 60_000, out RunStatistics counted);
            interrupts += (int)counted.Traps.GetValueOrDefault(0x20) + (int)counted.Traps.GetValueOrDefault(0x24);
            finished += byExits.StartsWith("DebugExit", StringComparison.Ordinal) ? 1 : 0;
            Assert.True(counted.Exits[ExitReason.PortIo] > 20);
            foreach (EngineKind engine in s_engines)
            {
                Assert.Equal((seed, engine, byExits), (seed, engine, Run(image, engine, byExits: false, 60_000, out _)));
            }

            // Cut into slices, no trap and no time moves; only the spent budgets differ.
            Assert.Equal(
                (seed, Run(image, EngineKind.Interpreter, byExits: true, 60_000, out _, slice: 97)),
                (seed, Run(image, EngineKind.Interpreter, byExits: false, 60_000, out _, slice: 97)));
        }

        Assert.InRange(interrupts, 1000, int.MaxValue);
        Assert.InRange(finished, 30, 60);
    }

    /// <summary>Port 80 is a latch, which emitted code reaches itself; nobody is at port 1234. Each access counts.</summary>
    [Fact]
    public void Latches_are_read_and_written_as_by_exits()
    {
        Assembler a = new(32);
        Label again = a.CreateLabel();
        Label same = a.CreateLabel();
        a.mov(ecx, 5000);
        a.mov(edx, 0x1234);
        a.Label(ref again);
        a.@in(al, 0x80);
        a.add(ebx, eax);
        a.@out(0x80, al);
        a.@in(al, dx);
        a.add(esi, eax);
        a.@out(dx, al);
        a.test(cl, 0x3F);
        a.jne(same);
        a.mov(eax, ecx);
        a.@out(0x80, al);
        a.@out(dx, al);
        a.Label(ref same);
        a.dec(ecx);
        a.jne(again);
        a.xor(eax, eax);
        a.@out(0xF4, al);
        using MemoryStream stream = new();
        _ = a.Assemble(new StreamCodeWriter(stream), PortGuest.Origin);
        byte[] image = stream.ToArray();
        string byExits = Run(image, EngineKind.Interpreter, byExits: true, 1_000_000, out RunStatistics counted);
        Assert.Equal((5000ul * 4) + (2 * 78) + 1, counted.Exits[ExitReason.PortIo]);
        foreach (EngineKind engine in s_engines)
        {
            Assert.Equal((engine, byExits), (engine, Run(image, engine, byExits: false, 1_000_000, out _)));
        }

        if (s_engines.Length > 1)
        {
            using VirtualMachine vm = Create(image, EngineKind.Translator, new VirtualMachineOptions());
            _ = vm.Run(new RunLimits { MaxInstructions = 1_000_000 });
            Assert.InRange(vm.Vcpu.Translation!.CallOuts, 10_000ul, 10_500ul);
        }
    }

    /// <summary>A limit on every instruction of a run, those of IN and OUT among them.</summary>
    [Fact]
    public void A_run_ends_at_every_limit_as_it_does_by_exits()
    {
        byte[] image = PortGuest.Random(new EdgeRandom(7));
        for (ulong limit = 1640; limit < 1940; limit++)
        {
            string byExits = Run(image, EngineKind.Interpreter, byExits: true, limit, out _);
            Assert.StartsWith("InstructionLimit", byExits, StringComparison.Ordinal);
            Assert.Equal((limit, byExits), (limit, Run(image, EngineKind.Interpreter, byExits: false, limit, out _)));
        }
    }

    [Fact]
    public void A_timer_that_an_out_programs_interrupts_in_time()
    {
        Assembler a = new(32);
        PortGuest.EnterFlat(a, () =>
        {
            a.mov(eax, ecx);
            a.@out(0xF4, al);
        });
        PortGuest.Out(a, 0x43, 0x30); // mode 0: once
        PortGuest.Out(a, 0x40, 20);
        a.sti();
        PortGuest.Out(a, 0x40, 0);    // counts from here on, and nothing leaves the engine any more
        Label wait = a.CreateLabel();
        a.Label(ref wait);
        a.inc(ecx);
        a.jmp(wait);
        byte[] image = PortGuest.Assemble(a);
        string byExits = Run(image, EngineKind.Interpreter, byExits: true, 1_000_000, out RunStatistics counted);
        Assert.StartsWith("DebugExit", byExits, StringComparison.Ordinal);
        Assert.Equal(1ul, counted.Traps[0x20]);
        Assert.All(s_engines, engine => Assert.Equal(byExits, Run(image, engine, byExits: false, 1_000_000, out _)));
    }

    [Fact]
    public void A_debug_exit_stops_behind_its_out()
    {
        // inc eax; out 0xF4, al; inc eax
        using VirtualMachine vm = Create([0x40, 0xE6, 0xF4, 0x40], EngineKind.Interpreter, new VirtualMachineOptions());
        vm.Cpu.Eax = 4;
        StopReason stop = vm.Run();
        Assert.Equal((StopKind.DebugExit, 5u), (stop.Kind, stop.Code));
        Assert.Equal((5u, PortGuest.Origin + 3, 2ul), (vm.Cpu.Eax, vm.Cpu.Eip, vm.InstructionsRetired));
    }

    /// <summary>What the loop is asked for from within an access happens at that access.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_stop_that_a_device_asks_for_comes_behind_the_access(bool byExits)
    {
        // mov edx, 3F8h; l: inc eax; out dx, al; jmp l
        VirtualMachine? vm = null;
        using VirtualMachine machine = vm = Create(
            [0xBA, 0xF8, 0x03, 0, 0, 0x40, 0xEE, 0xEB, 0xFC],
            EngineKind.Interpreter,
            new VirtualMachineOptions { SerialOutput = _ => vm!.RequestStop(), ExitObserver = byExits ? (_, _) => { } : null });
        ulong stopped = 0;
        for (int n = 0; n < 3; n++)
        {
            Assert.Equal(StopKind.Stopped, vm.Run(new RunLimits { MaxInstructions = 100_000_000 }).Kind);
            Assert.Equal(PortGuest.Origin + 7, vm.Cpu.Eip);
            Assert.True(vm.InstructionsRetired > stopped);
            stopped = vm.InstructionsRetired;
        }
    }

    [Fact]
    public void The_host_is_looked_at_however_many_ports_a_guest_touches()
    {
        // l: in al, 80h; jmp l. And rep insb of 4 GiB.
        foreach (byte[] code in new byte[][] { [0xE4, 0x80, 0xEB, 0xFC], [0xBA, 0x80, 0, 0, 0, 0xBF, 0, 0, 0x20, 0, 0x83, 0xC9, 0xFF, 0xFD, 0xF3, 0x6C] })
        {
            using VirtualMachine vm = Create(code, EngineKind.Interpreter, new VirtualMachineOptions());
            Assert.Equal(StopKind.TimeLimit, vm.Run(new RunLimits { Timeout = TimeSpan.FromSeconds(0.05) }).Kind);
        }
    }

    /// <summary>Input that waits is taken at the same moments, as the UART gets room.</summary>
    [Fact]
    public void Input_is_taken_at_the_same_moments()
    {
        // mov edx, 3FDh; l: in al, dx; test al, 1; jz l; mov edx, 3F8h; in al, dx; out 80h, al; jmp back
        byte[] code = [0xBA, 0xFD, 0x03, 0, 0, 0xEC, 0xA8, 0x01, 0x74, 0xFB, 0xBA, 0xF8, 0x03, 0, 0, 0xEC, 0xE6, 0x80, 0xEB, 0xEC];
        Assert.Equal(Take(byExits: true), Take(byExits: false));

        List<StampedInput> Take(bool byExits)
        {
            using VirtualMachine vm = Create(code, EngineKind.Interpreter, new VirtualMachineOptions { ExitObserver = byExits ? (_, _) => { } : null });
            List<StampedInput> taken = [];
            vm.Input.Recorder = taken.Add;
            vm.Input.Enqueue("What is determined is the same."u8);
            _ = vm.Run(new RunLimits { MaxInstructions = 3000 });
            Assert.Equal(31, taken.Count);
            return taken;
        }
    }

    /// <summary>Everything that can be seen of a run, in words.</summary>
    private static string Run(byte[] image, EngineKind engine, bool byExits, ulong limit, out RunStatistics statistics, ulong slice = ulong.MaxValue)
    {
        TraceHash traps = new();
        using VirtualMachine vm = Create(image, engine, new VirtualMachineOptions { Observer = traps, ExitObserver = byExits ? (_, _) => { } : null });
        statistics = vm.Statistics;
        StopReason stop;
        do
        {
            stop = vm.Run(new RunLimits { MaxInstructions = Math.Min(slice, limit - vm.InstructionsRetired) });
        }
        while (stop.Kind == StopKind.InstructionLimit && vm.InstructionsRetired < limit);
        HashCode memory = default;
        memory.AddBytes(new ReadOnlySpan<byte>(vm.Machine.Memory.RamBase, (int)vm.Machine.Memory.RamSize));
        ref CpuState s = ref vm.Cpu;
        string registers = $"{s.Eax:X} {s.Ecx:X} {s.Edx:X} {s.Ebx:X} {s.Esp:X} {s.Esi:X} {s.Edi:X} {s.Eip:X} {s.OtherFlags:X} {s.Shadow} {s.Attention}";
        string exits = string.Join(", ", vm.Statistics.Exits.OrderBy(e => e.Key).Select(e => $"{e.Key} {e.Value}"));
        return $"{stop.Kind} {stop.Code}; {registers}; {exits}; {traps.Value:X} {traps.Events}; {vm.Now}; {memory.ToHashCode():X}; {vm.SerialOutput.Length}";
    }

    private static VirtualMachine Create(byte[] image, EngineKind engine, VirtualMachineOptions options) => VirtualMachine.Create(image, options with
    {
        Engine = engine,
        Translator = new TranslatorOptions { Hotness = 1 },
        Machine = new MachineConfig { MemorySize = 2u << 20 },
        Load = new LoadOptions { Format = ImageFormat.Raw, RealModeEntry = false, LoadAddress = PortGuest.Origin },
    });
}
