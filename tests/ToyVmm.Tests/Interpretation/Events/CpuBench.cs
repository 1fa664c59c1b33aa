using ToyVmm.Engines;
using ToyVmm.Engines.Interpretation;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Memory;
using Xunit;

namespace ToyVmm.Tests.Interpretation.Events;

/// <summary>
/// A CPU with tables laid out for tests of protected mode: a flat code and data segment for every ring, a TSS, an IDT whose
/// gates lead to ring 0, and slots for what a test wants to look at. Budgets do the stopping: Run(1) runs one
/// instruction or delivers one exception. Where the host has a translator, it runs beside and must agree (<see cref="TranslatorTwin"/>).
/// </summary>
internal sealed unsafe class CpuBench : IDisposable
{
    public const uint Gdt = 0x1000;
    public const uint Idt = 0x2000;
    public const uint Tss = 0x3000;
    public const uint OtherTss = 0x3400;
    public const uint Ldt = 0x3800;
    public const uint Handlers = 0x8000;
    public const uint Code = 0x10000;
    public const uint Ring0Stack = 0x20000;
    public const uint Ring3Stack = 0x30000;
    public const uint Data = 0x40000;
    public const byte TssSelector = 0x48;
    public const byte OtherTssSelector = 0x50;
    public const byte LdtSelector = 0x58;
    public const byte Slot = 0x60;
    public const byte Slot2 = 0x68;

    private readonly GuestMemory _memory;
    private readonly TranslatorTwin? _twin;

    /// <summary>Makes one that interprets, with a twin that translates; or, for tests of the translator's own doings, one that translates itself.</summary>
    public CpuBench(TranslatorOptions? translator = null)
    {
        _memory = new GuestMemory(1 << 22, shared: translator is not null);
        Cpu = new Vcpu(_memory);
        Engine = new Interpreter(Cpu);
        if (translator is null)
        {
            _twin = TranslatorTwin.TryCreate(Cpu, Engine);
        }
        else if (Engine.TryTranslate(translator) is { } unavailable)
        {
            throw new PlatformNotSupportedException(unavailable);
        }
    }

    public GuestMemory Memory
    {
        get
        {
            _twin?.LetMemoryBeSeen();
            return _memory;
        }
    }

    public Vcpu Cpu { get; }

    public Interpreter Engine { get; }

    public CpuState* State => Cpu.State;

    public uint Eflags
    {
        get => LazyFlags.GetEflags(State);
        set
        {
            LazyFlags.Set(State, value);
            State->OtherFlags = (value & ~Hardware.Cpu.Eflags.Arithmetic) | Hardware.Cpu.Eflags.Fixed;
        }
    }

    public static ushort CodeSelector(uint ring) => (ushort)(0x08 + (ring * 8) + ring);

    public static ushort DataSelector(uint ring) => (ushort)(0x28 + (ring * 8) + ring);

    /// <summary>A descriptor's access byte: present, S, type and DPL.</summary>
    public static uint Access(uint type, uint dpl, bool present = true, bool codeOrData = true) =>
        type | (codeOrData ? 0x10u : 0) | (dpl << 5) | (present ? 0x80u : 0);

    public void Dispose()
    {
        try
        {
            _twin?.Dispose();
        }
        finally
        {
            Engine.Dispose();
            Cpu.Dispose();
            _memory.Dispose();
        }
    }

    public void Write(uint address, params ReadOnlySpan<byte> bytes)
    {
        Assert.True(_memory.TryWrite(new GuestPhysicalAddress(address), bytes));
        _twin?.Write(address, bytes);
    }

    public void Write32(uint address, uint value) => Write(address, BitConverter.GetBytes(value));

    public void Write16(uint address, ushort value) => Write(address, BitConverter.GetBytes(value));

    public uint Read32(uint address) => _memory.ReadUInt32(new GuestPhysicalAddress(address));

    public ushort Read16(uint address) => (ushort)Read32(address);

    /// <summary>Writes a segment or system descriptor. Flags: G 8, D/B 4.</summary>
    public void Descriptor(ushort selector, uint address, uint limit, uint access, uint flags = 4, uint table = Gdt)
    {
        Write32(table + (selector & 0xFFF8u), (limit & 0xFFFF) | (address << 16));
        Write32(table + (selector & 0xFFF8u) + 4, ((address >> 16) & 0xFF) | (access << 8) | (limit & 0xF0000) | (flags << 20) | (address & 0xFF00_0000));
    }

    /// <summary>Writes a gate into the GDT or, with <paramref name="table"/> = <see cref="Idt"/>, for a vector.</summary>
    public void Gate(uint index, ushort selector, uint offset, uint type, uint dpl, uint parameters = 0, bool present = true, uint table = Idt)
    {
        Write32(table + (index * 8), (offset & 0xFFFF) | ((uint)selector << 16));
        Write32(table + (index * 8) + 4, (offset & 0xFFFF_0000) | (Access(type, dpl, present, codeOrData: false) << 8) | parameters);
    }

    public static uint Handler(int vector) => Handlers + ((uint)vector * 16);

    /// <summary>Fills the tables and puts the CPU into a ring of flat 32-bit protected mode at <see cref="Code"/>.</summary>
    public CpuBench Protected(uint ring)
    {
        for (uint n = 0; n < 4; n++)
        {
            Descriptor(CodeSelector(n), 0, 0xFFFFF, Access(0xB, n), 0xC);
            Descriptor(DataSelector(n), 0, 0xFFFFF, Access(0x3, n), 0xC);
        }

        Descriptor(TssSelector, Tss, 0x67, Access(0xB, 0, codeOrData: false), 0);
        Descriptor(OtherTssSelector, OtherTss, 0x67, Access(0x9, 0, codeOrData: false), 0);
        Descriptor(LdtSelector, Ldt, 0x7F, Access(0x2, 0, codeOrData: false), 0);
        for (int vector = 0; vector < 256; vector++)
        {
            Gate((uint)vector, CodeSelector(0), Handler(vector), 0xE, 3);
            Write(Handler(vector), 0xF4);
        }

        for (uint n = 0; n < 3; n++)
        {
            Write32(Tss + 4 + (n * 8), Ring0Stack - (n * 0x1000));
            Write32(Tss + 8 + (n * 8), DataSelector(n));
        }

        CpuState* s = State;
        s->Cr0 |= Cr0.PE;
        (s->GdtBase, s->GdtLimit) = (Gdt, 0x7F);
        (s->IdtBase, s->IdtLimit) = (Idt, 0x7FF);
        s->Tr.LoadDescriptor(TssSelector, Read32(Gdt + TssSelector), Read32(Gdt + TssSelector + 4));
        for (SegmentCache* cache = &s->Es; cache <= &s->Gs; cache++)
        {
            Load(cache, DataSelector(ring));
        }

        Load(&s->Cs, CodeSelector(ring));
        s->Cpl = ring;
        s->Esp = ring == 3 ? Ring3Stack : Ring0Stack;
        s->Eip = Code;
        Eflags = 2;
        Cpu.NotifyStateChanged();
        return this;
    }

    /// <summary>Virtual-8086 mode at 1000:0000, with the stack at 3000:0000 (wrapping to FFFE).</summary>
    public CpuBench Virtual8086(uint iopl)
    {
        _ = Protected(0);
        CpuState* s = State;
        for (SegmentCache* cache = &s->Es; cache <= &s->Gs; cache++)
        {
            cache->LoadVirtual8086((ushort)((cache - &s->Es) + 0x4000));
        }

        s->Cs.LoadVirtual8086(0x1000);
        s->Ss.LoadVirtual8086(0x3000);
        s->Esp = 0x1000;
        s->Eip = 0;
        s->Cpl = 3;
        Eflags = Hardware.Cpu.Eflags.VM | (iopl << 12) | 2;
        Cpu.NotifyStateChanged();
        return this;
    }

    /// <summary>Real mode at 1000:0000, stack 3000:1000, vector n leads to 0800:n*16 where a HLT stands.</summary>
    public CpuBench Real()
    {
        CpuState* s = State;
        for (int vector = 0; vector < 256; vector++)
        {
            Write32((uint)vector * 4, 0x0800_0000 | ((uint)vector * 16));
            Write(Handler(vector), 0xF4);
        }

        s->IdtLimit = 0x3FF;
        s->Cs.LoadReal(0x1000);
        s->Ss.LoadReal(0x3000);
        s->Ds.LoadReal(0x4000);
        s->Eip = 0;
        s->Esp = 0x1000;
        Eflags = 2;
        Cpu.NotifyStateChanged();
        return this;
    }

    /// <summary>Puts code at <see cref="Code"/>.</summary>
    public CpuBench Program(params ReadOnlySpan<byte> code)
    {
        Write(Code, code);
        return this;
    }

    /// <summary>Forgets what the TLB holds.</summary>
    public void FlushTlb()
    {
        Cpu.Mmu.Tlb.FlushAll();
        _twin?.FlushTlb();
    }

    public VmExit Run(ulong count) => _twin?.Run(count) ?? Engine.Run(count);

    /// <summary>Runs one instruction; gives the vector whose handler was entered, or -1.</summary>
    public int Step()
    {
        VmExit exit = Run(1);
        return exit.Reason == ExitReason.Shutdown ? int.MaxValue : VectorAtEip();
    }

    /// <summary>The vector whose handler EIP points to, or -1.</summary>
    public int VectorAtEip()
    {
        uint linear = State->Cs.Base + State->Eip;
        return linear is >= Handlers and < Handlers + 0x1000 && (linear & 0xF) == 0 ? (int)(linear - Handlers) / 16 : -1;
    }

    public uint Stack32(int index) => Read32(State->Ss.Base + State->Esp + ((uint)index * 4));

    public ushort Stack16(int index) => Read16(State->Ss.Base + (State->Ss.Big ? State->Esp : (ushort)State->Esp) + ((uint)index * 2));

    private void Load(SegmentCache* cache, ushort selector) =>
        cache->LoadDescriptor(selector, Read32(Gdt + (selector & 0xFFF8u)), Read32(Gdt + (selector & 0xFFF8u) + 4));
}
