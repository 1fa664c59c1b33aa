using System.Buffers.Binary;
using ToyVmm.Engines;
using ToyVmm.Hardware;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Memory;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Comparing;
using ToyVmm.VirtualMachines.Hypercalls;
using ToyVmm.VirtualMachines.Loading;
using Xunit;

namespace ToyVmm.Tests.Hypercalls;

/// <summary>A guest in flat 32-bit protected mode whose code is given as bytes; calls can also be made one by one from outside.</summary>
internal sealed class HypercallGuest : IDisposable
{
    /// <summary>Where the code lies.</summary>
    public const uint Code = 0x7C00;

    /// <summary>RAM: 1 MiB.</summary>
    public const uint RamSize = 1 << 20;

    public HypercallGuest(ReadOnlySpan<byte> code = default, EngineKind engine = EngineKind.Interpreter, Func<VirtualMachineOptions, VirtualMachineOptions>? change = null)
    {
        // VMCALL; HLT
        byte[] image = code.IsEmpty ? [0x0F, 0x01, 0xC1, 0xF4] : code.ToArray();
        VirtualMachineOptions options = new()
        {
            Engine = engine,
            Translator = new TranslatorOptions { Hotness = 0 },
            Machine = new MachineConfig { MemorySize = RamSize },
            Load = new LoadOptions { Format = ImageFormat.Raw, RealModeEntry = false, LoadAddress = Code },
            MarkObserver = (_, mark) => Marks.Add(mark),
        };
        Machine = VirtualMachine.Create(image, change is null ? options : change(options));
    }

    public VirtualMachine Machine { get; }

    public List<TraceMark> Marks { get; } = [];

    public GuestMemory Memory => Machine.Machine.Memory;

    /// <summary>Makes one call.</summary>
    /// <returns>EAX.</returns>
    public uint Call(Hypercall call, uint ebx = 0, uint ecx = 0, uint edx = 0, uint esi = 0) => Call((uint)call, ebx, ecx, edx, esi);

    /// <summary>Makes one call, of any number; every other register and the flags must stay.</summary>
    public uint Call(uint number, uint ebx, uint ecx, uint edx, uint esi)
    {
        ref CpuState cpu = ref Machine.Cpu;
        cpu.Eip = Code;
        (cpu.Eax, cpu.Ebx, cpu.Ecx, cpu.Edx, cpu.Esi) = (number, ebx, ecx, edx, esi);
        (cpu.Edi, cpu.Ebp) = (0x1234_5678, 0x9ABC_DEF0);
        uint flags = Flags();
        StopReason why = Machine.Run(new RunLimits { MaxInstructions = 1 });
        Assert.Equal(StopKind.InstructionLimit, why.Kind);
        Assert.Equal((ebx, ecx, edx, esi), (cpu.Ebx, cpu.Ecx, cpu.Edx, cpu.Esi));
        Assert.Equal((0x1234_5678u, 0x9ABC_DEF0u), (cpu.Edi, cpu.Ebp));
        Assert.Equal(flags, Flags());
        return cpu.Eax;
    }

    /// <summary>Makes a call that must fail, and leave memory and the CPU's system registers as they were.</summary>
    public void Fails(HypercallError error, Hypercall call, uint ebx = 0, uint ecx = 0, uint edx = 0, uint esi = 0)
    {
        ulong before = StateHash.OfMemory(Memory);
        uint cr3 = Machine.Cpu.Cr3;
        Assert.Equal((uint)-(int)error, Call(call, ebx, ecx, edx, esi));
        Assert.Equal(before, StateHash.OfMemory(Memory));
        Assert.Equal(cr3, Machine.Cpu.Cr3);
    }

    public void Put(uint address, uint value)
    {
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
        Assert.True(Memory.TryWrite(new GuestPhysicalAddress(address), bytes));
    }

    public uint Get(uint address) => Memory.ReadUInt32(new GuestPhysicalAddress(address));

    public ulong GetLong(uint address) => Memory.ReadUInt64(new GuestPhysicalAddress(address));

    /// <summary>Writes an entry of mmu_update.</summary>
    public void PutEntry(uint address, uint entry, uint linear, ulong value)
    {
        Put(address, entry);
        Put(address + 4, linear);
        Put(address + 8, (uint)value);
        Put(address + 12, (uint)(value >> 32));
    }

    public void Dispose() => Machine.Dispose();

    private unsafe uint Flags()
    {
        fixed (CpuState* state = &Machine.Cpu)
        {
            return LazyFlags.GetEflags(state);
        }
    }
}
