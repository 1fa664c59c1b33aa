using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;
using L = ToyVmm.GuestTests.RandomPrograms.ProgramLayout;

namespace ToyVmm.GuestTests.RandomPrograms;

/// <summary>
/// The fixed part of a random system program: it sets up the machine, logs every interrupt and exception as one record, puts the
/// machine back into a known state between snippets, and prints the log at the end.
/// </summary>
internal static class ProgramRuntime
{
    /// <summary>Writes all of it into an image.</summary>
    public static void Write(ProgramImage image, int snippets, bool pae)
    {
        Header(image);
        image.Assemble(L.Entry, c => Start(c, pae));
        for (uint vector = 0; vector < L.IdtEntries; vector++)
        {
            image.Assemble(Stub(vector), c => StubCode(c, vector));
        }

        image.Assemble(L.Common, LogRecord);
        image.Assemble(L.Restore, c => Restore(c, snippets, pae));
        image.Assemble(L.Finish, PrintLog);
        image.Put(L.Landing, [0xCD, L.LandedVector]);
        image.Assemble(L.GateLanding, GateLanding);

        // RETF 8: the caller pushed two parameters.
        image.Put(L.GateReturn, [0xCA, 0x08, 0x00]);
        image.Word(L.LogPointer, L.Log);
        image.Word(L.GdtPointer, (((L.GdtEntries * 8) - 1) & 0xFFFF) | (L.Gdt << 16));
        image.Word(L.GdtPointer + 4, L.Gdt >> 16);
        image.Word(L.IdtPointer, (((L.IdtEntries * 8) - 1) & 0xFFFF) | (L.Idt << 16));
        image.Word(L.IdtPointer + 4, L.Idt >> 16);
    }

    /// <summary>The entry of a vector's handler.</summary>
    public static uint Stub(uint vector) => L.Stubs + (vector * 16);

    // Multiboot 0.6.96, 3.1: flag 16, so that the load address stands here and not in an ELF header.
    private static void Header(ProgramImage image)
    {
        const uint Magic = 0x1BAD_B002;
        const uint AddressFields = 1 << 16;
        uint[] words = [Magic, AddressFields, unchecked(0 - Magic - AddressFields), L.Base, L.Base, L.ImageEnd, L.ImageEnd, L.Entry];
        for (uint i = 0; i < words.Length; i++)
        {
            image.Word(L.Base + (i * 4), words[i]);
        }
    }

    private static void Start(Assembler c, bool pae)
    {
        c.cli();
        c.mov(esp, L.KernelStack);

        // Both 8259As masked: STI lets nothing in.
        c.mov(al, 0xFF);
        c.@out(0x21, al);
        c.@out(0xA1, al);
        c.cld();
        c.mov(esi, L.VirtualSource);
        c.mov(edi, L.VirtualCode);
        c.mov(ecx, (L.ImageEnd - L.VirtualSource) / 4);
        c.rep.movsd();
        c.mov(esi, L.MasterPages);
        c.mov(edi, L.PageDirectory);
        c.mov(ecx, 3 * 0x400);
        c.rep.movsd();
        c.mov(esi, L.MasterTables);
        c.mov(edi, L.Tables);
        c.mov(ecx, L.TablesLength / 4);
        c.rep.movsd();
        c.lgdt(__[L.GdtPointer]);
        c.lidt(__[L.IdtPointer]);
        c.mov(eax, L.PageDirectory);
        c.mov(cr3, eax);
        if (pae)
        {
            c.mov(eax, L.Cr4Pae);
            c.mov(cr4, eax);
            SetNoExecute(c);
        }

        c.mov(eax, L.Cr0);
        c.mov(cr0, eax);

        // What the loader left in these depends on the machine, and shrinking drops the snippets that would overwrite it.
        c.xor(ebx, ebx);
        c.xor(edx, edx);
        c.xor(ebp, ebp);
        FarJump(c, L.Restore);
    }

    private static void StubCode(Assembler c, uint vector)
    {
        if (vector is not (8 or (>= 10 and <= 14) or 17))
        {
            c.push(0);
        }

        c.push((int)vector);
        c.jmp(L.Common);
    }

    // Behind PUSHAD: vector +32, error +36, EIP +40, CS +44, EFLAGS +48, and from another ring ESP +52, SS +56.
    private static void LogRecord(Assembler c)
    {
        Label inner = c.CreateLabel();
        Label stack = c.CreateLabel();
        Label returns = c.CreateLabel();
        c.pushad();
        c.xor(ebx, ebx);
        c.mov(bx, ds);
        c.xor(ecx, ecx);
        c.mov(cx, es);
        c.mov(eax, L.Data0);
        c.mov(ds, ax);
        c.mov(es, ax);
        c.mov(edi, __dword_ptr[L.LogPointer]);
        c.cld();
        foreach (int offset in (int[])[32, 36, 40, 44, 48])
        {
            c.mov(eax, __dword_ptr[esp + offset]);
            c.stosd();
        }

        c.lea(edx, __[esp + 52]);
        c.xor(eax, eax);
        c.mov(ax, ss);
        c.test(__dword_ptr[esp + 48], 0x2_0000);
        c.jne(inner);
        c.test(__dword_ptr[esp + 44], 3);
        c.je(stack);
        c.Label(ref inner);
        c.mov(edx, __dword_ptr[esp + 52]);
        c.mov(eax, __dword_ptr[esp + 56]);
        c.Label(ref stack);
        c.stosd();
        c.mov(eax, edx);
        c.stosd();
        foreach (int offset in (int[])[28, 24, 20, 16, 8, 4, 0])
        {
            c.mov(eax, __dword_ptr[esp + offset]);
            c.stosd();
        }

        c.mov(eax, ebx);
        c.stosd();
        c.mov(eax, ecx);
        c.stosd();
        c.xor(eax, eax);
        c.mov(ax, fs);
        c.stosd();
        c.mov(ax, gs);
        c.stosd();
        c.mov(eax, cr2);
        c.stosd();
        c.mov(eax, cr0);
        c.stosd();
        c.mov(eax, dr6);
        c.stosd();
        c.xor(eax, eax);
        c.str(ax);
        c.stosd();
        c.sldt(ax);
        c.stosd();
        c.mov(eax, __dword_ptr[L.SnippetNumber]);
        c.stosd();
        c.mov(__dword_ptr[L.LogPointer], edi);
        c.mov(eax, __dword_ptr[esp + 32]);
        c.cmp(eax, L.ReturningVector);
        c.jae(returns);
        c.jmp(L.Restore);
        c.Label(ref returns);
        c.mov(ds, bx);
        c.mov(es, cx);
        c.popad();
        c.add(esp, 8);
        c.iretd();
    }

    private static void Restore(Assembler c, int snippets, bool pae)
    {
        Label more = c.CreateLabel();
        c.mov(eax, L.Data0);
        c.mov(ds, ax);
        c.mov(es, ax);
        c.mov(ss, ax);
        c.mov(esp, L.KernelStack);
        c.cld();
        c.mov(eax, L.Cr0);
        c.mov(cr0, eax);
        if (pae)
        {
            SetNoExecute(c);
        }

        c.mov(esi, L.MasterPages);
        c.mov(edi, L.PageDirectory);
        c.mov(ecx, 3 * 0x400);
        c.rep.movsd();
        c.mov(eax, L.PageDirectory);
        c.mov(cr3, eax);
        c.mov(esi, L.MasterTables);
        c.mov(edi, L.Tables);
        c.mov(ecx, L.TablesLength / 4);
        c.rep.movsd();
        c.lgdt(__[L.GdtPointer]);
        c.lidt(__[L.IdtPointer]);
        c.mov(eax, L.LocalTable);
        c.lldt(ax);
        c.mov(eax, L.MainTask);
        c.ltr(ax);
        c.mov(eax, 0x400);
        c.mov(dr7, eax);
        c.mov(eax, 0xFFFF_0FF0);
        c.mov(dr6, eax);
        c.xor(eax, eax);
        c.mov(cr2, eax);
        c.mov(eax, pae ? L.Cr4Pae : 0);
        c.mov(cr4, eax);
        c.mov(eax, L.Data3);
        c.mov(ds, ax);
        c.mov(es, ax);
        c.mov(fs, ax);
        c.mov(gs, ax);
        c.push(2);
        c.popfd();
        c.mov(eax, __dword_ptr[L.SnippetNumber]);
        c.cmp(eax, snippets);
        c.jb(more);
        c.jmp(L.Finish);
        c.Label(ref more);
        c.inc(__dword_ptr[L.SnippetNumber]);
        c.shl(eax, 8); // slots are 256 bytes long
        c.add(eax, L.Slots);

        // IRET, not JMP: it also gives CS back its ring-0 selector wherever the snippet had come from.
        c.push(2);
        c.push(L.Code0);
        c.push(eax);
        c.iretd();
    }

    private static void SetNoExecute(Assembler c)
    {
        c.mov(ecx, L.EferRegister);
        c.mov(eax, L.EferNxe);
        c.xor(edx, edx);
        c.wrmsr();
    }

    private static void GateLanding(Assembler c)
    {
        c.mov(eax, __dword_ptr[esp + 4]);
        c.mov(ebx, __dword_ptr[esp + 8]);
        c.mov(ecx, __dword_ptr[esp + 12]);
        c.db(0xCD, L.LandedVector);
    }

    // One line of hexadecimal digits for each record, on COM1; then the debug exit port.
    private static void PrintLog(Assembler c)
    {
        Label word = c.CreateLabel();
        Label digit = c.CreateLabel();
        Label letter = c.CreateLabel();
        Label wait = c.CreateLabel();
        Label done = c.CreateLabel();
        Label send = c.CreateLabel();
        Label next = c.CreateLabel();
        Label newLine = c.CreateLabel();

        // Words of 8 bits: after reset the line control register asks for 5.
        c.mov(dx, 0x3FB);
        c.mov(al, 3);
        c.@out(dx, al);
        c.mov(esi, L.Log);
        c.Label(ref newLine);
        c.cmp(esi, __dword_ptr[L.LogPointer]);
        c.jae(done);
        c.mov(ebp, L.RecordWords);
        c.Label(ref word);
        c.mov(ebx, __dword_ptr[esi]);
        c.add(esi, 4);
        c.mov(edi, 8);
        c.Label(ref digit);
        c.rol(ebx, 4);
        c.mov(eax, ebx);
        c.and(eax, 0xF);
        c.add(al, (sbyte)'0');
        c.cmp(al, (sbyte)'9');
        c.jbe(letter);
        c.add(al, 'A' - '0' - 10);
        c.Label(ref letter);
        c.call(send);
        c.dec(edi);
        c.jne(digit);
        c.mov(al, (sbyte)' ');
        c.call(send);
        c.dec(ebp);
        c.jne(word);
        c.mov(al, (sbyte)'\n');
        c.call(send);
        c.jmp(newLine);
        c.Label(ref done);
        c.mov(al, 0);
        c.@out(0xF4, al);
        c.Label(ref next);
        c.hlt();
        c.jmp(next);
        c.Label(ref send);
        c.mov(ah, al);
        c.mov(dx, 0x3FD);
        c.Label(ref wait);
        c.@in(al, dx);
        c.test(al, 0x20);
        c.je(wait);
        c.mov(al, ah);
        c.mov(dx, 0x3F8);
        c.@out(dx, al);
        c.ret();
    }

    private static void FarJump(Assembler c, uint target) =>
        c.db(0xEA, (byte)target, (byte)(target >> 8), (byte)(target >> 16), (byte)(target >> 24), (byte)L.Code0, 0);
}
