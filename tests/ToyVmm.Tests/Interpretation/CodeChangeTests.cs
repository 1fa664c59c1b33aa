using Iced.Intel;
using ToyVmm.Engines;
using ToyVmm.Engines.Interpretation;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Memory;
using Xunit;
using static Iced.Intel.AssemblerRegisters;

namespace ToyVmm.Tests.Interpretation;

/// <summary>Code that changes while it is cached (pitfall 4): at every distance, by the guest, by an alias page, by the VMM.</summary>
public abstract unsafe class CodeChangeTests : IDisposable
{
    private const uint Origin = 0x1000;

    private readonly GuestMemory _memory;
    private readonly Vcpu _vcpu;
    private readonly Interpreter _engine;

    protected CodeChangeTests(bool translates)
    {
        _memory = new GuestMemory(1 << 22, shared: translates);
        _vcpu = new Vcpu(_memory);
        _engine = new Interpreter(_vcpu);
        _ = translates ? _engine.TryTranslate(new TranslatorOptions { Hotness = 0, Verify = true }) : null;
        CpuState* s = _vcpu.State;
        s->Cr0 |= Cr0.PE;
        for (SegmentCache* segment = &s->Es; segment <= &s->Gs; segment++)
        {
            segment->LoadDescriptor(0x10, 0x0000FFFF, 0x00CF9300);
        }

        s->Cs.LoadDescriptor(0x08, 0x0000FFFF, 0x00CF9B00);
        s->Esp = 0x8000;
        _vcpu.NotifyStateChanged();
    }

    public void Dispose()
    {
        _engine.Dispose();
        _vcpu.Dispose();
        _memory.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>A store changes an INC EAX (40) into a NOP (90) that lies 0 to 15 bytes behind the store, in the same block.</summary>
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(5)]
    [InlineData(15)]
    public void A_store_changes_an_instruction_further_on_in_its_own_block(int distance)
    {
        byte[] store = [0xC6, 0x05, 0, 0, 0, 0, 0x90]; // mov byte [target], 0x90
        uint target = Origin + (uint)store.Length + (uint)distance;
        BitConverter.TryWriteBytes(store.AsSpan(2), target);
        byte[] code = [.. store, .. Enumerable.Repeat((byte)0x40, 20)];
        Load(Origin, code);
        // Twice: cold, and with the changed code put back and cached.
        for (int round = 0; round < 2; round++)
        {
            Load(target, [0x40]);
            Start(Origin);
            Run(21);
            Assert.Equal(19u, _vcpu.State->Eax);
            Assert.Equal(Origin + (uint)code.Length, _vcpu.State->Eip);
        }
    }

    /// <summary>A store inside a loop that is linked to itself is seen by the very next round.</summary>
    [Fact]
    public void A_loop_that_rewrites_its_own_immediate_sees_every_value()
    {
        // loop: add eax, imm8 ; inc byte [imm8] ; dec ecx ; jnz loop
        byte[] code = [0x83, 0xC0, 0x01, 0xFE, 0x05, 0x02, 0x10, 0, 0, 0x49, 0x75, 0xF4];
        Load(Origin, code);
        Start(Origin);
        _vcpu.State->Ecx = 100;
        Run(400);
        Assert.Equal(5050u, _vcpu.State->Eax);
    }

    /// <summary>The block that overwrites another one on a page of its own, back and forth, linked and unlinked.</summary>
    [Fact]
    public void A_call_runs_what_was_stored_before_it()
    {
        var a = new Assembler(32);
        Label again = a.CreateLabel();
        a.mov(ecx, 50);
        a.Label(ref again);
        a.mov(__byte_ptr[0x2000], 0x40);    // inc eax
        a.call(0x2000);
        a.mov(__byte_ptr[0x2000], 0x42);    // inc edx
        a.call(0x2000);
        a.dec(ecx);
        a.jne(again);
        Load(Origin, Assemble(a, Origin));
        Load(0x2000, [0x40, 0xC3]);
        Start(Origin);
        Run(1 + (50 * 10));
        Assert.Equal(50u, _vcpu.State->Eax);
        Assert.Equal(50u, _vcpu.State->Edx);
    }

    /// <summary>The same physical page at two linear addresses: a store through one changes what runs at the other.</summary>
    [Fact]
    public void A_store_through_an_alias_changes_the_code()
    {
        // 0x00400000 and 0x00000000 both map physical 0 (4 MiB pages).
        Load(0x100000, BitConverter.GetBytes(0x83u));
        Load(0x100004, BitConverter.GetBytes(0x83u));
        CpuState* s = _vcpu.State;
        s->Cr3 = 0x100000;
        s->Cr4 |= Cr4.PSE;
        s->Cr0 |= Cr0.PG;
        _vcpu.NotifyStateChanged();
        byte[] code = [0xC6, 0x05, 0x07, 0x10, 0x40, 0x00, 0x90, 0x40, 0x40]; // mov byte [0x401007], 0x90 ; inc eax ; inc eax
        for (int round = 0; round < 3; round++)
        {
            Load(Origin, code);
            Start(Origin);
            Run(3);
            Assert.Equal(1u, _vcpu.State->Eax);
        }
    }

    /// <summary>A store by the VMM or a device counts like the guest's.</summary>
    [Fact]
    public void The_machine_may_replace_cached_code()
    {
        Load(Origin, [0x40, 0x40, 0xEB, 0xFC]); // inc eax twice ; jmp
        Start(Origin);
        Run(300);
        Assert.Equal(200u, _vcpu.State->Eax);
        Load(Origin, [0x42]);
        Run(300);
        Assert.Equal(300u, _vcpu.State->Eax);
        Assert.Equal(100u, _vcpu.State->Edx);
    }

    /// <summary>An instruction across a page edge whose second half changes, for every split of a 5-byte MOV (pitfall 5).</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void The_second_half_of_an_instruction_across_a_page_edge_may_change(int firstBytes)
    {
        uint start = 0x3000 - (uint)firstBytes;
        Load(start, [0xB8, 1, 2, 3, 4]);
        Start(start);
        Run(1);
        Assert.Equal(0x04030201u, _vcpu.State->Eax);
        Load(0x3000, [0x55]);
        Start(start);
        Run(1);
        byte[] expected = [1, 2, 3, 4];
        if (firstBytes > 0)
        {
            expected[firstBytes - 1] = 0x55;
        }

        Assert.Equal(BitConverter.ToUInt32(expected), _vcpu.State->Eax);
        Assert.Equal(start + 5, _vcpu.State->Eip);
    }

    /// <summary>Budgets are exact wherever they end, and the end is the same as without them.</summary>
    [Fact]
    public void Every_budget_stops_at_exactly_that_instruction()
    {
        byte[] code = [0x40, 0x01, 0xC2, 0x83, 0xC3, 0x07, 0x43, 0xEB, 0xF7]; // inc eax ; add edx, eax ; add ebx, 7 ; inc ebx ; jmp
        Load(Origin, code);
        var byOnes = new List<(uint, uint, uint, uint)>();
        Start(Origin);
        for (int n = 0; n < 60; n++)
        {
            Run(1);
            byOnes.Add((_vcpu.State->Eax, _vcpu.State->Edx, _vcpu.State->Ebx, _vcpu.State->Eip));
        }

        for (int budget = 1; budget <= 60; budget++)
        {
            Start(Origin);
            Run(budget);
            Assert.Equal(byOnes[budget - 1], (_vcpu.State->Eax, _vcpu.State->Edx, _vcpu.State->Ebx, _vcpu.State->Eip));
        }
    }

    private static byte[] Assemble(Assembler assembler, uint origin)
    {
        using var stream = new MemoryStream();
        _ = assembler.Assemble(new StreamCodeWriter(stream), origin);
        return stream.ToArray();
    }

    private void Load(uint address, ReadOnlySpan<byte> bytes) => Assert.True(_memory.TryWrite(new GuestPhysicalAddress(address), bytes));

    private void Start(uint eip)
    {
        CpuState* s = _vcpu.State;
        (s->Eax, s->Edx, s->Ebx, s->Eip, s->Esp) = (0, 0, 0, eip, 0x8000);
    }

    private void Run(int instructions)
    {
        ulong before = _vcpu.State->Retired;
        Assert.Equal(ExitReason.BudgetSpent, _engine.Run((ulong)instructions).Reason);
        Assert.Equal(before + (ulong)instructions, _vcpu.State->Retired);
    }
}

/// <summary>Code that changes, when interpreted.</summary>
public sealed class InterpretedCodeChangeTests() : CodeChangeTests(translates: false);

/// <summary>Code that changes, when translated at once; where the host has no translator, this is the interpreter again.</summary>
public sealed class TranslatedCodeChangeTests() : CodeChangeTests(translates: true);
