using System.Buffers.Binary;
using ToyVmm.Engines.Decoding;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Memory;
using ToyVmm.Hardware.Paging;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Symbols;

namespace ToyVmm.Debugging.Autopsies;

/// <summary>What a stopped guest's memory holds, in words. Reads leave no trace, and touch no device.</summary>
/// <param name="machine">The machine.</param>
/// <param name="symbols">Names for its addresses.</param>
internal sealed unsafe class GuestView(VirtualMachine machine, SymbolTable symbols)
{
    // Of code that is none there is a lot: this much must be zeros (or ones) to be called nothing.
    private const int NothingBytes = 16;

    private readonly Disassembler _disassembler = new();

    public VirtualMachine Machine => machine;

    public CpuState* State => machine.Vcpu.State;

    public bool IsPaging => (State->Cr0 & Cr0.PG) != 0;

    /// <summary>An address, and its symbol where there is one: "00100123 (kmain+0x3)".</summary>
    public string Name(uint linear) => symbols.Find(linear) is { } symbol ? $"{linear:x8} ({symbol})" : $"{linear:x8}";

    /// <summary>A place in code: "0008:00100123 kmain+0x3: div ecx".</summary>
    public string Place(ushort selector, uint codeBase, uint eip, bool code32)
    {
        uint linear = codeBase + eip;
        string symbol = symbols.Find(linear) is { } found ? $" {found}" : "";
        string instruction = Instruction(linear, eip, code32) is { } text ? $": {text}" : "";
        return $"{selector:x4}:{eip:x8}{symbol}{instruction}";
    }

    /// <summary>The instruction at an address; null where there is no memory.</summary>
    public string? Instruction(uint linear, uint eip, bool code32)
    {
        Span<byte> bytes = stackalloc byte[Disassembler.MaxInstructionLength];
        int count = Disassembler.ReadCode(machine.Vcpu, linear, bytes);
        return count == 0 ? null : _disassembler.Disassemble(bytes[..count], code32 ? 32 : 16, eip).Text;
    }

    /// <summary>The instruction's bytes as they stand in a listing.</summary>
    public string Bytes(uint linear, int most)
    {
        Span<byte> bytes = stackalloc byte[Disassembler.MaxInstructionLength];
        int count = Disassembler.ReadCode(machine.Vcpu, linear, bytes[..Math.Min(most, Disassembler.MaxInstructionLength)]);
        return string.Join(' ', bytes[..count].ToArray().Select(value => $"{value:X2}"));
    }

    /// <summary>Why no code can lie at an address, in words; null where some may.</summary>
    public string? WhyNoCode(uint linear)
    {
        if (machine.Vcpu.Mmu.Peek(linear) is not { } physical)
        {
            return "the page tables map no page there";
        }

        switch (machine.Machine.Memory.KindAt(physical))
        {
            case PageKind.Hole:
                return $"there is no memory at physical {physical.Value:x8}: reads give FF, and FF FF is no instruction";
            case PageKind.Mmio:
                return $"physical {physical.Value:x8} belongs to a device, not to memory";
        }

        Span<byte> bytes = stackalloc byte[NothingBytes];
        int count = Disassembler.ReadCode(machine.Vcpu, linear, bytes);
        bytes = bytes[..count];
        return bytes.IndexOfAnyExcept((byte)0) < 0 ? "there are only zeros (00 00 is ADD [EAX],AL): no code was put there, or it was overwritten"
            : bytes.IndexOfAnyExcept((byte)0xFF) < 0 ? "there are only FF bytes: no code was put there"
            : bytes.IndexOfAnyExceptInRange((byte)0x20, (byte)0x7E) < 0 ? $"there is text (\"{System.Text.Encoding.ASCII.GetString(bytes)}\"), not code"
            : null;
    }

    /// <summary>Reads memory by its linear address; null where a page is missing, or it is not memory.</summary>
    public uint? Read32(uint linear)
    {
        Span<byte> bytes = stackalloc byte[4];
        return Disassembler.ReadCode(machine.Vcpu, linear, bytes) == 4 ? BinaryPrimitives.ReadUInt32LittleEndian(bytes) : null;
    }

    /// <summary>What the page tables say of an address; null without paging.</summary>
    public PageWalk? Walk(uint linear) => IsPaging ? PageWalker.Walk(machine.Machine.Memory, State, machine.Vcpu.Mmu.PhysicalMask, linear) : null;

    /// <summary>Where in the tables the translation of an address ends: "page-table entry 3 at physical 00102c0c is 00000000".</summary>
    public static string Describe(in PageWalk walk, uint linear)
    {
        bool wide = walk.PointerIndex is not null;
        return walk.HasTableEntry
            ? $"page-table entry {(linear >> 12) & (wide ? 0x1FFu : 0x3FF)} at physical {walk.TableEntryAddress:x8} is {Hex(walk.TableEntry, wide)}"
            : walk.HasDirectoryEntry
            ? $"page-directory entry {(wide ? (linear >> 21) & 0x1FF : linear >> 22)} at physical {walk.DirectoryEntryAddress:x8} is {Hex(walk.DirectoryEntry, wide)}"
            : $"page-directory pointer {walk.PointerIndex} is {walk.PointerEntry:x16}";
    }

    private static string Hex(ulong entry, bool wide) => wide ? $"{entry:x16}" : $"{entry:x8}";
}
