using Iced.Intel;
using ToyVmm.Hardware;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Loading;
using ToyVmm.VirtualMachines.Scheduling;
using static Iced.Intel.AssemblerRegisters;

namespace ToyVmm.Tests.Scheduling;

/// <summary>Small guests for fleets, 16-bit raw images at 7C00.</summary>
internal static class FleetFixture
{
    /// <summary>Never does anything else.</summary>
    public static byte[] Busy { get; } = [0xEB, 0xFE];

    /// <summary>Writes to port 80h, for ever: three instructions, one exit.</summary>
    public static byte[] ExitStorm { get; } = [0xE6, 0x80, 0x90, 0xEB, 0xFB];

    /// <summary>LIDT with no table, then UD2.</summary>
    public static byte[] TripleFault { get; } = [0x0F, 0x01, 0x1E, 0x00, 0x05, 0x0F, 0x0B];

    /// <summary>Powers off after so many loops.</summary>
    public static byte[] Work(uint loops) => Assemble(a =>
    {
        a.mov(ecx, loops);
        Label top = a.CreateLabel();
        a.Label(ref top);
        a.dec(ecx);
        a.jne(top);
        PowerOff(a);
    });

    /// <summary>Writes a value to the debug exit port.</summary>
    public static byte[] Exit(byte value) => Assemble(a =>
    {
        a.mov(al, value);
        a.@out(0xF4, al);
    });

    /// <summary>Sleeps until the timer wakes it, so many times, and each time runs a loop; then it powers off. The timer ticks 1,000 times a second.</summary>
    public static byte[] Sleeper(ushort times, uint loops) => Assemble(a =>
    {
        Timer(a, a => a.nop());
        a.mov(bx, times);
        Label top = a.CreateLabel();
        Label inner = a.CreateLabel();
        a.Label(ref top);
        a.sti();
        a.hlt();
        a.mov(ecx, loops);
        a.Label(ref inner);
        a.dec(ecx);
        a.jne(inner);
        a.dec(bx);
        a.jne(top);
        PowerOff(a);
    });

    /// <summary>Yields after every few instructions.</summary>
    public static byte[] Yielder { get; } = Assemble(a =>
    {
        Label top = a.CreateLabel();
        a.Label(ref top);
        a.mov(eax, 3);
        a.vmcall();
        a.jmp(top);
    });

    /// <summary>Sends letters through COM1, for ever.</summary>
    public static byte[] Chatterbox { get; } = Assemble(a =>
    {
        a.mov(dx, 0x3F8);
        a.mov(al, (byte)'x');
        Label top = a.CreateLabel();
        a.Label(ref top);
        a.@out(dx, al);
        a.jmp(top);
    });

    /// <summary>Writes strings to port 80h, for ever: one instruction, 50,000 exits.</summary>
    public static byte[] StringStorm { get; } = Assemble(a =>
    {
        a.mov(dx, 0x80);
        Label top = a.CreateLabel();
        a.Label(ref top);
        a.mov(ecx, 50_000);
        a.xor(si, si);
        a.rep.outsb();
        a.jmp(top);
    });

    /// <summary>Writes its own code to one sector of the first 64 after the other, for ever.</summary>
    public static byte[] DiskStorm { get; } = Assemble(a =>
    {
        Label top = a.CreateLabel();
        Label wait = a.CreateLabel();
        a.xor(bl, bl);
        a.Label(ref top);
        foreach ((ushort port, byte value) in (ReadOnlySpan<(ushort, byte)>)[(0x1F6, 0xE0), (0x1F2, 1), (0x1F4, 0), (0x1F5, 0)])
        {
            a.mov(dx, port);
            a.mov(al, value);
            a.@out(dx, al);
        }

        a.mov(dx, 0x1F3);
        a.mov(al, bl);
        a.@out(dx, al);
        a.mov(dx, 0x1F7);
        a.mov(al, 0x30);
        a.@out(dx, al);
        a.Label(ref wait);
        a.@in(al, dx);
        a.test(al, 8);
        a.je(wait);
        a.mov(dx, 0x1F0);
        a.mov(si, 0x7C00);
        a.mov(cx, 256);
        a.rep.outsw();
        a.inc(bl);
        a.and(bl, 63);
        a.jmp(top);
    });

    /// <summary>As <see cref="ExitStorm"/>, in flat 32-bit code (<see cref="Flat"/>), which the translator takes.</summary>
    public static byte[] ExitStorm32 { get; } = [0xE6, 0x80, 0x90, 0xEB, 0xFB];

    /// <summary>A machine that enters its image in flat protected mode.</summary>
    public static VirtualMachineOptions Flat(EngineKind engine) => Small(engine) with { Load = new LoadOptions { Format = ImageFormat.Raw, RealModeEntry = false } };

    /// <summary>A machine of 1 MiB.</summary>
    public static VirtualMachineOptions Small(EngineKind engine = EngineKind.Interpreter) =>
        new() { Engine = engine, Machine = new MachineConfig { MemorySize = 1 << 20 } };

    /// <summary>A guest with that image.</summary>
    public static FleetGuestOptions Guest(string name, byte[] image, uint weight = 100, EngineKind engine = EngineKind.Interpreter, VirtualMachineOptions? options = null) => new()
    {
        Name = name,
        Weight = weight,
        Create = seat => VirtualMachine.Create(image, seat.Apply(options ?? Small(engine))),
    };

    /// <summary>Assembles 16-bit code for 7C00.</summary>
    public static byte[] Assemble(Action<Assembler> code)
    {
        Assembler a = new(16);
        code(a);
        using MemoryStream image = new();
        _ = a.Assemble(new StreamCodeWriter(image), 0x7C00);
        return image.ToArray();
    }

    private static void PowerOff(Assembler a)
    {
        a.mov(dx, 0x604);
        a.mov(ax, 0x2000);
        a.@out(dx, ax);
    }

    // PIT channel 0 in mode 2 at 1193 clocks, on vector 8.
    private static void Timer(Assembler a, Action<Assembler> handler)
    {
        Label begin = a.CreateLabel();
        a.cli();
        a.xor(ax, ax);
        a.mov(ds, ax);
        a.mov(ss, ax);
        a.mov(sp, 0x7000);
        a.call(begin);
        handler(a);
        a.iret();
        a.Label(ref begin);
        a.pop(ax);
        a.mov(__word_ptr[0x20], ax);
        a.mov(__word_ptr[0x22], 0);
        foreach ((byte port, byte value) in (ReadOnlySpan<(byte, byte)>)[(0x20, 0x11), (0x21, 8), (0x21, 4), (0x21, 3), (0x43, 0x34), (0x40, 0xA9), (0x40, 0x04), (0x21, 0xFE)])
        {
            a.mov(al, value);
            a.@out(port, al);
        }
    }
}
