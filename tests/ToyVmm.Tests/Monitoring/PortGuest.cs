using Iced.Intel;
using ToyVmm.Tests.Properties;
using static Iced.Intel.AssemblerRegisters;

namespace ToyVmm.Tests.Monitoring;

/// <summary>
/// Random guests that do little but talk to devices: the timer is reprogrammed all the time, the UART talks to itself and interrupts, string
/// instructions move bytes to and from ports, and whatever comes back - time above all - goes into memory.
/// </summary>
internal static class PortGuest
{
    /// <summary>Where the image is loaded and entered, in flat 32-bit protected mode.</summary>
    public const uint Origin = 0x1_0000;

    private const int Gdt = 0x1000;
    private const int Idt = 0x2000;
    private const int Sum = 0x3000;
    private const int Count = 0x3004;
    private const int Buffer = 0x4000;
    private const ushort Com1 = 0x3F8;

    /// <summary>A guest that ends with a write of 5 to the debug exit port, unless an access of its own ends it before.</summary>
    public static byte[] Random(EdgeRandom random)
    {
        Assembler a = new(32);
        EnterFlat(a, () =>
        {
            a.pushad();
            In(a, 0x3FA);
            In(a, Com1);
            In(a, 0x40);
            a.popad();
            a.iretd();
        });
        Out(a, 0x3FC, 0x1B); // loop back; OUT2 lets the interrupt through
        Out(a, 0x3F9, 0x0F);
        a.mov(__dword_ptr[Count], 10 + random.Below(20));
        a.sti();
        Label top = a.CreateLabel();
        a.Label(ref top);
        for (int n = 10 + random.Below(40); n > 0; n--)
        {
            Step(a, random);
        }

        a.dec(__dword_ptr[Count]);
        a.jne(top);
        Out(a, 0xF4, 5);
        Label end = a.CreateLabel();
        a.Label(ref end);
        a.jmp(end);
        return Assemble(a);
    }

    /// <summary>Assembles for <see cref="Origin"/>.</summary>
    public static byte[] Assemble(Assembler a)
    {
        using MemoryStream code = new();
        _ = a.Assemble(new StreamCodeWriter(code), Origin);
        return code.ToArray();
    }

    /// <summary>A GDT of its own, one handler for all vectors, the PICs at vector 20h and 28h with automatic EOI, IRQ 0 and IRQ 4 unmasked.</summary>
    public static void EnterFlat(Assembler a, Action handler)
    {
        // The calls stand for addresses: what they push is where the code behind them lies.
        Label begin = a.CreateLabel();
        a.mov(esp, 0x8000);
        a.call(begin);
        handler();
        a.Label(ref begin);
        (uint Low, uint High)[] descriptors = [(0, 0), (0xFFFF, 0x00CF_9B00), (0xFFFF, 0x00CF_9300)];
        for (int n = 0; n < descriptors.Length; n++)
        {
            a.mov(__dword_ptr[Gdt + (n * 8)], descriptors[n].Low);
            a.mov(__dword_ptr[Gdt + (n * 8) + 4], descriptors[n].High);
        }

        a.mov(__word_ptr[Gdt - 8], 0x17);
        a.mov(__dword_ptr[Gdt - 6], Gdt);
        a.lgdt(__[Gdt - 8]);
        a.mov(__word_ptr[Gdt - 8], 0x7FF);
        a.mov(__dword_ptr[Gdt - 6], Idt);
        a.lidt(__[Gdt - 8]);
        a.pop(ebx);
        Label reload = a.CreateLabel();
        Label on = a.CreateLabel();
        a.push(8);
        a.call(reload);
        a.jmp(on);
        a.Label(ref reload);
        a.retf();
        a.Label(ref on);
        a.mov(eax, 0x10);
        a.mov(ds, ax);
        a.mov(es, ax);
        a.mov(ss, ax);
        a.mov(edi, Idt);
        a.mov(ecx, 256);
        Label gate = a.CreateLabel();
        a.Label(ref gate);
        a.mov(__word_ptr[edi], bx);
        a.mov(__word_ptr[edi + 2], 8);
        a.mov(__dword_ptr[edi + 4], ebx);
        a.mov(__word_ptr[edi + 4], 0x8E00);
        a.add(edi, 8);
        a.loop(gate);
        foreach ((ushort port, byte value) in new (ushort, byte)[] { (0x20, 0x11), (0x21, 0x20), (0x21, 4), (0x21, 3), (0xA0, 0x11), (0xA1, 0x28), (0xA1, 2), (0xA1, 3), (0x21, 0xEE) })
        {
            Out(a, port, value);
        }
    }

    /// <summary>MOV EDX, port; MOV AL, value; OUT DX, AL.</summary>
    public static void Out(Assembler a, ushort port, byte value)
    {
        a.mov(edx, port);
        a.mov(al, value);
        a.@out(dx, al);
    }

    private static void In(Assembler a, ushort port)
    {
        a.mov(edx, port);
        if (port == 0x608)
        {
            a.@in(eax, dx); // the power-management timer
        }
        else
        {
            a.@in(al, dx);
        }

        a.rol(__dword_ptr[Sum], 5);
        a.add(__dword_ptr[Sum], eax);
    }

    private static void Step(Assembler a, EdgeRandom random)
    {
        switch (random.Below(14))
        {
            case 0 or 1 or 2:
                In(a, random.Pick<ushort>([0x20, 0x21, 0x40, 0x61, 0x64, 0x71, 0x80, 0x608, 0x608, 0x3F8, 0x3FA, 0x3FB, 0x3FD, 0x3FE, 0x3DA, 0x1F7, 0x1234]));
                break;
            case 3:
                Out(a, 0x43, 0x00); // latch counter 0
                In(a, 0x40);
                In(a, 0x40);
                break;
            case 4 or 5:
                // A deadline that moves to and fro.
                Out(a, 0x43, (byte)random.Pick([0x34, 0x30, 0x36]));
                Out(a, 0x40, random.Byte());
                Out(a, 0x40, (byte)random.Below(3));
                break;
            case 6 or 7:
                Out(a, Com1, random.Byte());
                break;
            case 8:
                Out(a, random.Pick<ushort>([0x80, 0x3F9, 0x3FA, 0x61, 0xE9, 0x70, 0x3D4]), (byte)(random.Byte() & 0x0F));
                break;
            case 9:
                a.mov(edi, Buffer + random.Below(64));
                a.mov(ecx, random.Below(9));
                a.mov(edx, random.Pick<ushort>([0x40, Com1, 0x3FA, 0x3FD]));
                a.rep.insb();
                break;
            case 10:
                a.mov(esi, Buffer + random.Below(64));
                a.mov(ecx, random.Below(9));
                a.mov(edx, random.Pick<ushort>([0x80, Com1, 0x3F9, 0x40]));
                a.rep.outsb();
                break;
            case 11:
                a.cli();
                In(a, Com1);
                a.sti();
                a.@in(al, 0x40); // in the shadow of STI
                break;
            case 12:
                a.mov(eax, ss);
                a.mov(ss, ax);
                a.@out(0x80, al); // in the shadow of MOV SS
                break;
            default:
                a.pushfd();
                a.cli();
                a.popfd();
                a.rdtsc();
                a.add(__dword_ptr[Sum], eax);
                break;
        }
    }
}
