using Iced.Intel;
using ToyVmm.Engines;
using ToyVmm.Hardware;
using ToyVmm.Hardware.Devices;
using ToyVmm.Tests.Monitoring;
using ToyVmm.Tests.Properties;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Loading;
using static Iced.Intel.AssemblerRegisters;

namespace ToyVmm.Tests.Replay;

/// <summary>
/// Guests that everything which comes from outside leads astray: COM1, keyboard, mouse and timer interrupt them, the handler mixes what it reads and when into a sum,
/// and between the interrupts they sleep, move bytes from ports with string instructions, and work.
/// </summary>
internal static class InputGuest
{
    private const int Sum = 0x3000;
    private const int Count = 0x3004;

    /// <summary>A guest that ends after so many interrupts, with a write to the debug exit port.</summary>
    public static byte[] Random(EdgeRandom random, int interrupts)
    {
        Assembler a = new(32);
        PortGuest.EnterFlat(a, () =>
        {
            a.pushad();
            foreach (ushort port in (ushort[])[0x3FA, 0x3FD, 0x3F8, 0x64, 0x60, 0x40])
            {
                Mix(a, port);
            }

            a.rdtsc();
            a.add(__dword_ptr[Sum], eax);
            a.dec(__dword_ptr[Count]);
            a.mov(al, 0x20);
            a.@out(0xA0, al);
            a.@out(0x20, al);
            a.popad();
            a.iretd();
        });
        PortGuest.Out(a, 0x3FC, 0x0B);
        PortGuest.Out(a, 0x3F9, 0x01);
        PortGuest.Out(a, 0x64, 0x60);
        PortGuest.Out(a, 0x60, 0x43);   // IRQ 1 and 12, codes translated
        PortGuest.Out(a, 0x21, 0xE8);   // IRQ 0, 1, 2 and 4
        PortGuest.Out(a, 0xA1, 0xEF);   // IRQ 12
        PortGuest.Out(a, 0x43, 0x34);
        PortGuest.Out(a, 0x40, random.Byte());
        PortGuest.Out(a, 0x40, (byte)random.Below(20));
        a.mov(__dword_ptr[Count], interrupts);
        a.sti();
        Label top = a.CreateLabel();
        Label end = a.CreateLabel();
        a.Label(ref top);
        for (int n = 5 + random.Below(20); n > 0; n--)
        {
            Step(a, random);
        }

        a.cmp(__dword_ptr[Count], 0);
        a.jg(top);
        a.cli();
        PortGuest.Out(a, 0xF4, 5);
        a.Label(ref end);
        a.jmp(end);
        return PortGuest.Assemble(a);
    }

    /// <summary>A machine for it.</summary>
    public static VirtualMachine Create(byte[] image, EngineKind engine, VirtualMachineOptions? options = null) => VirtualMachine.Create(image, Options(engine, options));

    /// <summary>How its machine is made.</summary>
    public static VirtualMachineOptions Options(EngineKind engine, VirtualMachineOptions? options = null) => (options ?? new VirtualMachineOptions()) with
    {
        Engine = engine,
        Translator = new TranslatorOptions { Hotness = 1 },
        Machine = new MachineConfig { MemorySize = 2u << 20 },
        Load = new LoadOptions { Format = ImageFormat.Raw, RealModeEntry = false, LoadAddress = PortGuest.Origin },
    };

    /// <summary>Something from outside.</summary>
    public static void Poke(VirtualMachine vm, EdgeRandom random)
    {
        switch (random.Below(6))
        {
            case 0:
                _ = vm.Input.Enqueue([new KeyInput(Ps2Key.A, true), new KeyInput(Ps2Key.A, false)]);
                break;
            case 1:
                vm.Input.Enqueue(new MouseEvent(random.Below(100) - 50, 3, 0, MouseButtons.Left));
                break;
            case 2:
                vm.Input.Ring(2 + random.Below(20));
                break;
            case 3:
                vm.Input.SetBalloonTarget((uint)random.Below(100));
                break;
            default:
                vm.Input.Enqueue([random.Byte(), random.Byte()]);
                break;
        }
    }

    private static void Mix(Assembler a, ushort port)
    {
        a.mov(edx, port);
        a.@in(al, dx);
        a.rol(__dword_ptr[Sum], 5);
        a.add(__dword_ptr[Sum], eax);
    }

    private static void Step(Assembler a, EdgeRandom random)
    {
        switch (random.Below(9))
        {
            case 0:
                a.hlt();
                break;
            case 1 or 2:
                Mix(a, random.Pick<ushort>([0x40, 0x61, 0x64, 0x80, 0x3FD, 0x3FA]));
                break;
            case 3:
                a.@out(0x80, al);   // a latch
                a.@in(al, 0x80);
                break;
            case 4:
                a.mov(edi, 0x4000);
                a.mov(ecx, random.Below(30));
                a.mov(edx, random.Pick<ushort>([0x40, 0x3FD, 0x61]));
                a.rep.insb();
                break;
            case 5:
                a.mov(esi, 0x4000);
                a.mov(edi, 0x5000);
                a.mov(ecx, random.Below(300));
                a.rep.movsb();
                break;
            case 6:
                a.cli();
                Mix(a, 0x3F8);
                Mix(a, 0x60);
                a.sti();
                a.@in(al, 0x40);
                break;
            default:
                Label again = a.CreateLabel();
                a.mov(ecx, random.Below(200) + 1);
                a.Label(ref again);
                a.add(__dword_ptr[Sum], ecx);
                a.dec(ecx);
                a.jne(again);
                break;
        }
    }
}
