using ToyVmm.Engines;
using ToyVmm.Engines.Interpretation;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Memory;
using Xunit;

namespace ToyVmm.Tests.Fuzz;

/// <summary>What fuzzing found, each as the smallest guest that shows it.</summary>
public abstract unsafe class FuzzRegressionTests : IDisposable
{
    private const uint Gdt = 0x1000;
    private const uint Idt = 0x2000;
    private const uint Tasks = 0x3000;
    private const uint Directory = 0x4000;
    private const uint Table = 0x5000;
    private const uint Handler = 0x6000;
    private const uint Code = 0x7000;
    private const uint Stack = 0xD000;

    // A second linear page for the physical page 0x8000.
    private const uint Alias = 0x3F_0000;
    private const uint AliasEntry = Table + ((Alias >> 12) * 4);

    private readonly GuestMemory _memory;
    private readonly Vcpu _vcpu;
    private readonly Interpreter _engine;
    private readonly Traps _traps = new();

    protected FuzzRegressionTests(bool translates)
    {
        _memory = new GuestMemory(1 << 20, shared: translates);
        _vcpu = new Vcpu(_memory) { Observer = _traps };
        _engine = new Interpreter(_vcpu);
        _ = translates ? _engine.TryTranslate(new TranslatorOptions { Hotness = 0, Verify = true }) : null;
    }

    public void Dispose()
    {
        _engine.Dispose();
        _vcpu.Dispose();
        _memory.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>A #PF on a store takes the page's translation away from instruction fetches too (SDM 3A 4.10.4.1).</summary>
    [Fact]
    public void A_page_fault_drops_the_translation_that_fetches_use()
    {
        Start();

        // ADD ESP, 4; ADD dword [ESP], 5; IRET: goes on behind the five-byte instruction that faulted.
        Load(Handler, [0x83, 0xC4, 0x04, 0x83, 0x04, 0x24, 0x05, 0xCF]);
        Load(0x8000, [0xC3]);
        Load(Code, [.. Call(Code, Alias), .. StoreEntry(0), .. Call(Code + 15, Alias), 0xA3, .. Bytes(Alias), .. Call(Code + 25, Alias), 0xF4]);
        _ = _engine.Run(30);
        Assert.Equal([(Vector.PageFault, Alias, 2u), (Vector.PageFault, Alias, 0u)], _traps.Seen.Take(2));
    }

    /// <summary>A store that lacked the dirty bit walks again; what the tables map by then is where fetches go, too.</summary>
    [Fact]
    public void A_walk_that_sets_the_dirty_bit_moves_the_fetches_to_the_new_page()
    {
        Start();
        Load(0x8000, [0xC3]);
        Load(0x9000, [0x40, 0xC3]);
        Load(Code, [.. Call(Code, Alias), .. StoreEntry(0x9007), .. Call(Code + 15, Alias), 0xC6, 0x05, .. Bytes(Alias + 0xFFF), 0x00, .. Call(Code + 27, Alias), 0xF4]);
        Assert.Equal(ExitReason.Halt, _engine.Run(30).Reason);
        Assert.Equal(1u, _vcpu.State->Eax);
        Assert.Empty(_traps.Seen);
    }

    /// <summary>A #PF through a task gate whose task faults at once is one delivery: a budget of one is not overdrawn.</summary>
    [Fact]
    public void A_fault_behind_a_committed_task_switch_keeps_to_the_budget()
    {
        Start();
        Gate(Vector.PageFault, 0x0000_8500, 0x30);
        Gate(Vector.DoubleFault, 0x0000_8E00, 0x08);
        uint task = Tasks + 0x100;
        (uint Offset, uint Value)[] fields = [(28, Directory), (32, Code), (36, 2), (56, Stack), (72, 0x10), (76, 0x08), (80, 0x10), (84, 0xFFF8)];
        foreach ((uint offset, uint value) in fields)
        {
            Load(task + offset, Bytes(value)); // DS is no selector of the GDT: #TS in the new task, and behind a #PF that makes #DF
        }

        Load(Handler, [0xF4]);
        Load(Code, [0xA1, .. Bytes(0x80_0000)]);
        for (ulong retired = 1; _engine.Run(1).Reason == ExitReason.BudgetSpent; retired++)
        {
            Assert.Equal(retired, _vcpu.State->Retired);
        }

        Assert.Equal([Vector.PageFault, Vector.DoubleFault], _traps.Seen.Select(t => t.Vector));
    }

    /// <summary>RF marks events inside a REP string (SDM 3B 17.3.1.1); a reset in the middle of one ends that.</summary>
    [Fact]
    public void A_reset_inside_a_repeated_string_leaves_nothing_behind()
    {
        Start();
        Load(Code, [0xF3, 0xAA]);
        _vcpu.State->Ecx = 0x8000;
        _vcpu.State->Edi = 0x1_0000;
        _vcpu.CancelRequested = true;
        Assert.Equal(ExitReason.Cancelled, _engine.Run(1).Reason);
        _vcpu.CancelRequested = false;

        Start();
        Load(Code, [0x90]);
        Gate(0x20, 0x0000_8E00, 0x08);
        _vcpu.State->OtherFlags |= Eflags.IF;
        _vcpu.InjectInterrupt(0x20);
        Load(Handler, [0xF4]);
        _ = _engine.Run(1);
        Assert.Equal(Stack - 12, _vcpu.State->Esp);
        Assert.Equal(0u, _memory.ReadUInt32(new GuestPhysicalAddress(Stack - 4)) & Eflags.RF);
    }

    /// <summary>An instruction that overwrites itself has its single-step trap like any other, at the very next boundary.</summary>
    [Fact]
    public void A_single_step_is_reported_behind_an_instruction_that_overwrites_itself()
    {
        Start();
        Gate(Vector.Debug, 0x0000_8E00, 0x08);
        Load(Handler, [0xF4]);
        Load(Code, [0xC6, 0x05, .. Bytes(Code), 0x90, 0x90, 0x90]);
        _vcpu.State->OtherFlags |= Eflags.TF;
        _vcpu.NotifyStateChanged();
        _ = _engine.Run(10);
        Assert.Equal(Vector.Debug, Assert.Single(_traps.Seen).Vector);
        Assert.Equal(Code + 7, _memory.ReadUInt32(new GuestPhysicalAddress(Stack - 12)));
    }

    // Ring 0, flat, paging on with 4 MiB mapped one to one but for the alias; #PF goes to the handler.
    private void Start()
    {
        _vcpu.Reset();
        CpuState* s = _vcpu.State;
        s->Cr0 |= Cr0.PE | Cr0.PG;
        s->Cr3 = Directory;
        (s->GdtBase, s->GdtLimit, s->IdtBase, s->IdtLimit) = (Gdt, 0x3F, Idt, 0x1FF);
        for (SegmentCache* segment = &s->Es; segment <= &s->Gs; segment++)
        {
            segment->LoadDescriptor(0x10, 0x0000_FFFF, 0x00CF_9300);
        }

        s->Cs.LoadDescriptor(0x08, 0x0000_FFFF, 0x00CF_9B00);
        s->Tr.LoadDescriptor(0x28, (Tasks << 16) | 0x67, 0x8B00);
        (s->Eip, s->Esp) = (Code, Stack);
        Load(Gdt + 0x08, [.. Bytes(0x0000_FFFF), .. Bytes(0x00CF_9B00), .. Bytes(0x0000_FFFF), .. Bytes(0x00CF_9300)]);
        Load(Gdt + 0x28, [.. Bytes((Tasks << 16) | 0x67), .. Bytes(0x8B00), .. Bytes(((Tasks + 0x100) << 16) | 0x67), .. Bytes(0x8900)]);
        Load(Directory, Bytes(Table | 7));
        for (uint page = 0; page < 1024; page++)
        {
            Load(Table + (page * 4), Bytes((page << 12) | 7));
        }

        Load(AliasEntry, Bytes(0x8007));
        Gate(Vector.PageFault, 0x0000_8E00, 0x08);
        _traps.Seen.Clear();
        _vcpu.NotifyStateChanged();
    }

    private void Gate(int vector, uint type, uint selector) =>
        Load(Idt + ((uint)vector * 8), [.. Bytes((selector << 16) | Handler), .. Bytes(type)]);

    // MOV dword [AliasEntry], value
    private static byte[] StoreEntry(uint value) => [0xC7, 0x05, .. Bytes(AliasEntry), .. Bytes(value)];

    private static byte[] Call(uint at, uint target) => [0xE8, .. Bytes(target - at - 5)];

    private static byte[] Bytes(uint value) => BitConverter.GetBytes(value);

    private void Load(uint address, byte[] bytes) => Assert.True(_memory.TryWrite(new GuestPhysicalAddress(address), bytes));

    private sealed class Traps : IEngineObserver
    {
        public List<(int Vector, uint Address, uint Error)> Seen { get; } = [];

        public bool WantsInstructions => false;

        public void BeforeInstruction(Vcpu vcpu)
        {
        }

        public void BeforeTrap(Vcpu vcpu, in TrapInfo trap) => Seen.Add((trap.Vector, trap.FaultAddress, trap.ErrorCode));
    }
}

/// <summary>What fuzzing found, when interpreted.</summary>
public sealed class InterpretedFuzzRegressionTests() : FuzzRegressionTests(translates: false);

/// <summary>What fuzzing found, when translated at once; where the host has no translator, this is the interpreter again.</summary>
public sealed class TranslatedFuzzRegressionTests() : FuzzRegressionTests(translates: true);
