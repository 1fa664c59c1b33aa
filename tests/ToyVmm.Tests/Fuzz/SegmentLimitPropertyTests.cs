using ToyVmm.Engines;
using ToyVmm.Engines.Interpretation;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Memory;
using ToyVmm.Tests.Properties;
using Xunit;
using Xunit.Abstractions;

namespace ToyVmm.Tests.Fuzz;

/// <summary>
/// Segment limits and rights against a model written from the manual alone (SDM 3A 5.3-5.4, 21.1): QEMU does not check them on
/// accesses, so it cannot be the oracle here.
/// </summary>
public sealed unsafe class SegmentLimitPropertyTests : IDisposable
{
    private const int Cases = 30_000;
    private const uint CodeAddress = 0x1000;
    private const int NoFault = -1;

    private readonly ITestOutputHelper _output;
    private readonly GuestMemory _memory = new(1 << 20);
    private readonly Vcpu _vcpu;
    private readonly Interpreter _engine;
    private readonly FirstTrap _trap = new();

    public SegmentLimitPropertyTests(ITestOutputHelper output)
    {
        _output = output;
        _vcpu = new Vcpu(_memory) { Observer = _trap };
        _engine = new Interpreter(_vcpu);
    }

    public void Dispose()
    {
        _engine.Dispose();
        _vcpu.Dispose();
        _memory.Dispose();
    }

    /// <summary>Loads, stores and read-modify-writes of every width through every kind of descriptor, in protected mode.</summary>
    [Fact]
    public void Accesses_in_protected_mode_follow_the_descriptor() => ForAll(random =>
    {
        int segment = random.Below(6);
        (uint low, uint high) = Descriptor(random);
        Access access = Access.Pick(random);
        uint offset = Offset(random, Limit(low, high), access.Size);
        Start();
        CpuState* s = _vcpu.State;
        SegmentCache* cache = &s->Es + segment;
        if (segment == 1)
        {
            // CS itself must stay usable: a CS override through a code segment that is readable or not.
            (low, high) = (0x0000_FFFF, 0x00CF_9900u | ((uint)random.Below(2) << 9));
        }

        cache->LoadDescriptor(0x10, low, high);
        _vcpu.NotifyStateChanged();
        byte[] code = [SegmentPrefix(segment), .. access.Encode(offset)];
        int expected = Allows(low, high, offset, access.Size, access.Writes, access.Reads) ? NoFault : segment == 2 ? Vector.StackFault : Vector.GeneralProtection;
        return (Run(code), expected, $"segment {segment}, descriptor {high:X8}:{low:X8}, {access} at {offset:X}");
    });

    /// <summary>In real mode every segment has 64 KiB, whatever the address size; SS faults are vector 12, the others 13.</summary>
    [Fact]
    public void Accesses_in_real_mode_end_at_64_KiB() => ForAll(random => Sixteen(random, isVirtual: false));

    /// <summary>The same in virtual-8086 mode.</summary>
    [Fact]
    public void Accesses_in_virtual_8086_mode_end_at_64_KiB() => ForAll(random => Sixteen(random, isVirtual: true));

    /// <summary>An instruction must lie wholly within the limit of CS.</summary>
    [Fact]
    public void Code_ends_at_the_limit_of_CS() => ForAll(random =>
    {
        uint limit = 0x1000 + (uint)random.Below(0x1010);
        Start();
        _vcpu.State->Cs.LoadDescriptor(0x08, limit, 0x0040_9B00);
        _vcpu.NotifyStateChanged();
        byte[] code = random.Pick<byte[]>([[0x90], [0xB0, 1], [0xB8, 1, 2, 3, 4], [0x81, 0xC0, 1, 2, 3, 4], [0x66, 0xB8, 1, 2], [0xC7, 0x05, 0, 0x80, 0, 0, 1, 2, 3, 4]]);
        uint eip = Math.Max(0x1000, limit - 12 + (uint)random.Below(14));
        _ = _memory.TryWrite(new GuestPhysicalAddress(eip), code);
        int expected = eip + (uint)code.Length - 1 <= limit ? NoFault : Vector.GeneralProtection;
        return (RunAt(eip), expected, $"limit {limit:X}, EIP {eip:X}, {code.Length} bytes");
    });

    /// <summary>PUSH through 16- and 32-bit stacks that expand either way.</summary>
    [Fact]
    public void Pushes_follow_the_stack_segment() => ForAll(random =>
    {
        (uint low, uint high) = Descriptor(random);
        high = (high & ~0x0000_0800u) | 0x0000_0200; // a stack: writable data
        bool big = (high & 0x0040_0000) != 0;
        uint limit = Limit(low, high);
        int size = random.OneIn(2) ? 4 : 2;
        uint esp = Offset(random, limit, size) + (uint)size;
        Start();
        _vcpu.State->Ss.LoadDescriptor(0x10, low, high);
        _vcpu.State->Esp = esp;
        _vcpu.NotifyStateChanged();
        uint target = big ? esp - (uint)size : (ushort)(esp - (uint)size);
        int expected = Allows(low, high, target, size, writes: true, reads: false) ? NoFault : Vector.StackFault;
        return (Run(size == 4 ? [0x50] : [0x66, 0x50]), expected, $"stack {high:X8}:{low:X8}, PUSH of {size} bytes at ESP {esp:X}");
    });

    private (int Actual, int Expected, string What) Sixteen(EdgeRandom random, bool isVirtual)
    {
        int segment = random.Below(6);
        Access access = Access.Pick(random);
        uint offset = random.OneIn(3) ? random.UInt32() : 0xFFF8 + (uint)random.Below(16);
        _vcpu.Reset();
        CpuState* s = _vcpu.State;
        if (isVirtual)
        {
            s->Cr0 |= Cr0.PE;
            s->Cpl = 3;
            s->OtherFlags |= Eflags.VM;
            s->IdtLimit = 0;
        }

        for (int i = 0; i < 6; i++)
        {
            ushort selector = i == 1 ? (ushort)0 : (ushort)random.Below(0x800);
            if (isVirtual)
            {
                (&s->Es + i)->LoadVirtual8086(selector);
            }
            else
            {
                (&s->Es + i)->LoadReal(selector);
            }
        }

        _vcpu.NotifyStateChanged();
        bool fits = (ulong)offset + (uint)access.Size - 1 <= 0xFFFF;
        byte[] code = [SegmentPrefix(segment), 0x67, .. access.Encode(offset, code16: true)];
        return (Run(code), fits ? NoFault : segment == 2 ? Vector.StackFault : Vector.GeneralProtection, $"{(isVirtual ? "virtual-8086" : "real")} mode, segment {segment}, {access} at {offset:X}");
    }

    private void ForAll(Func<EdgeRandom, (int Actual, int Expected, string What)> property)
    {
        ulong first = FuzzSettings.FirstSeed();
        int cases = FuzzSettings.Cases(Cases);
        int faults = 0;
        for (int n = 0; n < cases; n++)
        {
            (int actual, int expected, string what) = property(new EdgeRandom(first + (ulong)n));
            if (actual != expected)
            {
                Assert.Fail($"{what}: vector {actual}, the model says {expected} (-1: none). TOYVMM_SEED=0x{first + (ulong)n:X} TOYVMM_FUZZ_CASES=0");
            }

            faults += expected == NoFault ? 0 : 1;
        }

        _output.WriteLine($"seed 0x{first:X}: {cases} cases, {faults} faults");
        if (cases > 1000)
        {
            // Both outcomes must be common, or nothing is tested.
            Assert.InRange(faults, cases / 20, cases - (cases / 20));
        }
    }

    // Flat, ring 0, no IDT: the first fault is noted, then the CPU shuts down.
    private void Start()
    {
        _vcpu.Reset();
        CpuState* s = _vcpu.State;
        s->Cr0 |= Cr0.PE;
        s->IdtLimit = 0;
        for (SegmentCache* segment = &s->Es; segment <= &s->Gs; segment++)
        {
            segment->LoadDescriptor(0x10, 0x0000_FFFF, 0x00CF_9300);
        }

        s->Cs.LoadDescriptor(0x08, 0x0000_FFFF, 0x00CF_9B00);
    }

    private int Run(byte[] code)
    {
        _ = _memory.TryWrite(new GuestPhysicalAddress(CodeAddress), code);
        return RunAt(CodeAddress);
    }

    // An access that passes its checks may lie outside memory: that is an exit, and no fault.
    private int RunAt(uint eip)
    {
        _vcpu.State->Eip = eip;
        _vcpu.NotifyStateChanged();
        _trap.Vector = NoFault;
        _ = _engine.Run(1);
        return _trap.Vector;
    }

    private static (uint Low, uint High) Descriptor(EdgeRandom random)
    {
        uint type = random.Pick<uint>([0x1, 0x3, 0x3, 0x5, 0x7, 0x7, 0x9, 0xB]);
        uint limit = random.UInt32() & 0xF_FFFF;
        uint address = 0x1_0000 + ((uint)random.Below(16) << 12);
        uint high = ((0x90 | type) << 8) | ((address >> 16) & 0xFF) | (limit & 0xF_0000) | ((uint)random.Below(2) << 23) | ((uint)random.Below(2) << 22);
        return ((limit & 0xFFFF) | (address << 16), high);
    }

    private static uint Offset(EdgeRandom random, uint limit, int size) => random.Below(6) switch
    {
        0 => random.UInt32(),
        1 => 0xFFFF - (uint)size + (uint)random.Below(5),
        2 => 0u - (uint)random.Below(8),
        _ => limit - (uint)size + (uint)random.Below(6),
    };

    private static byte SegmentPrefix(int segment) => (byte)(segment switch { 0 => 0x26, 1 => 0x2E, 2 => 0x36, 3 => 0x3E, 4 => 0x64, _ => 0x65 });

    // SDM 3A 3.4.5: the G bit makes the limit count 4 KiB units.
    private static uint Limit(uint low, uint high)
    {
        uint limit = (low & 0xFFFF) | (high & 0xF_0000);
        return (high & 0x0080_0000) != 0 ? (limit << 12) + 0xFFF : limit;
    }

    // SDM 3A 5.3 and 3.4.5.1. An access that wraps at 4 GiB is taken as outside - but not where the limit is 4 GiB and there is a base: the manual
    // leaves that open.
    private static bool Allows(uint low, uint high, uint offset, int size, bool writes, bool reads)
    {
        bool isCode = (high & 0x0800) != 0;
        bool hasRight = (high & 0x0200) != 0; // code: readable; data: writable
        bool expandsDown = !isCode && (high & 0x0400) != 0;
        ulong last = (ulong)offset + (uint)size - 1;
        if ((writes && (isCode || !hasRight)) || (reads && isCode && !hasRight))
        {
            return false;
        }

        ulong limit = Limit(low, high);
        return expandsDown
            ? offset > limit && last <= ((high & 0x0040_0000) != 0 ? uint.MaxValue : 0xFFFFu)
            : last <= limit || (limit == uint.MaxValue && ((low >> 16) | (high & 0xFF00_00FF)) != 0);
    }

    /// <summary>One form of access.</summary>
    private sealed record Access(string Name, byte[] Opcode, int Size, bool Reads, bool Writes)
    {
        private static readonly Access[] s_all =
        [
            new("MOV r8, m8", [0x8A], 1, true, false), new("MOV r16, m16", [0x66, 0x8B], 2, true, false), new("MOV r32, m32", [0x8B], 4, true, false),
            new("MOV m8, r8", [0x88], 1, false, true), new("MOV m16, r16", [0x66, 0x89], 2, false, true), new("MOV m32, r32", [0x89], 4, false, true),
            new("ADD m8, r8", [0x00], 1, true, true), new("ADD m16, r16", [0x66, 0x01], 2, true, true), new("ADD m32, r32", [0x01], 4, true, true),
            new("CMP m32, r32", [0x39], 4, true, false), new("MOVZX r32, m8", [0x0F, 0xB6], 1, true, false), new("XADD m32, r32", [0x0F, 0xC1], 4, true, true),
        ];

        public static Access Pick(EdgeRandom random) => s_all[random.Below(s_all.Length)];

        /// <summary>The instruction with a 32-bit displacement; in 16-bit code the operand-size prefix means the opposite.</summary>
        public byte[] Encode(uint offset, bool code16 = false)
        {
            byte[] opcode = !code16 || Size == 1 ? Opcode : Opcode[0] == 0x66 ? Opcode[1..] : [0x66, .. Opcode];
            return [.. opcode, 0x05, (byte)offset, (byte)(offset >> 8), (byte)(offset >> 16), (byte)(offset >> 24)];
        }

        public override string ToString() => Name;
    }

    private sealed class FirstTrap : IEngineObserver
    {
        public int Vector { get; set; } = NoFault;

        public bool WantsInstructions => false;

        public void BeforeInstruction(Vcpu vcpu)
        {
        }

        public void BeforeTrap(Vcpu vcpu, in TrapInfo trap) => Vector = Vector == NoFault ? trap.Vector : Vector;
    }
}
