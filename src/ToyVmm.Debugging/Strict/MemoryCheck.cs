using ToyVmm.Engines.Decoding;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Memory;
using ToyVmm.Hardware.Paging;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Loading;

namespace ToyVmm.Debugging.Strict;

/// <summary>
/// Finds uses of RAM that nothing has written since power-on: here it is zero, on hardware it is anything. To copy such memory is no use; what was copied
/// is followed through registers and memory, and whoever computes, compares, branches or addresses with it is reported. Only a datum of which no byte
/// has a value counts, so that words that are read beyond the end of a string are no findings.
/// </summary>
internal sealed unsafe class MemoryCheck
{
    private const ulong FirmwareData = 0x500;   // interrupt vectors and the BIOS data area
    private const int LargestFrame = 64;        // of an interrupt out of virtual-8086 mode, with room
    private const int TaskStateBytes = 104;

    private readonly StrictChecker _checker;
    private readonly GuestMemory _memory;
    private readonly Mmu _mmu;
    private readonly DefinedBytes _defined;
    private readonly List<(ulong Physical, int Length, bool Defined)> _writes = [];
    private uint _undefined;
    private uint _next;
    private bool _frameToCome;
    private ushort _cs;
    private uint _task;

    /// <summary>Begins with a machine that has just been made.</summary>
    public MemoryCheck(StrictChecker checker, VirtualMachine vm)
    {
        _checker = checker;
        _memory = vm.Machine.Memory;
        _mmu = vm.Vcpu.Mmu;
        _defined = new DefinedBytes(_memory.RamSize);
        uint bios = MemoryMap.ExtendedBiosDataArea;
        _defined.Set(0, FirmwareData, defined: true);
        _defined.Set(bios, MemoryMap.ExtendedMemory - bios, defined: true);
        foreach (LoadedRange range in vm.Image.Ranges)
        {
            _defined.Set(range.Base, range.Length, defined: true);
        }

        // Whatever else is not zero was written by somebody. A machine in the middle of its life has written anything.
        bool fresh = vm.InstructionsRetired == 0;
        for (ulong page = 0; page < _memory.RamSize; page += GuestPhysicalAddress.PageSize)
        {
            GuestPhysicalAddress address = new(page);
            if (!fresh || _memory.KindAt(address) != PageKind.Ram || !_memory.IsZero(address))
            {
                _defined.Set(page, GuestPhysicalAddress.PageSize, defined: true);
            }
        }

        // Disks, the loader, the monitor.
        _memory.Written += (address, length) => _defined.Set(address.Value, (ulong)length, defined: true);
    }

    /// <summary>An interrupt or exception is about to be delivered: the CPU pushes a frame.</summary>
    public void BeforeTrap() => _frameToCome = true;

    /// <summary>The instruction has completed.</summary>
    public void Complete()
    {
        _undefined = _next;
        foreach ((ulong physical, int length, bool defined) in _writes)
        {
            _defined.Set(physical, (ulong)length, defined);
        }

        _writes.Clear();
    }

    /// <summary>The instruction has faulted.</summary>
    public void Abandon()
    {
        _next = _undefined;
        _writes.Clear();
    }

    /// <summary>Looks at an instruction before it runs.</summary>
    public void Before(InstructionFacts? facts, CpuState* s)
    {
        NoteFrames(s);
        _next = _undefined;
        if (facts is null || (facts.IsRepeated && (facts.Memory.Count > 0 && facts.Memory[0].AddressBits == 16 ? s->Ecx & 0xFFFF : s->Ecx) == 0))
        {
            return;
        }

        _next = _undefined & ~facts.RegistersWritten;
        CheckAddresses(facts);
        switch (facts.Kind)
        {
            case InstructionKind.Copy or InstructionKind.Extend:
                Copy(facts, s);
                break;
            case InstructionKind.Exchange:
                Exchange(facts, s);
                break;
            default:
                Use(facts, s);
                Write(facts, s, defined: true);
                break;
        }
    }

    // What the CPU itself stores: frames on the stack, and the state of the task that it leaves.
    private void NoteFrames(CpuState* s)
    {
        if (_frameToCome || s->Cs.Selector != _cs)
        {
            uint top = s->Ss.Base + (s->Ss.Big ? s->Esp : s->Esp & 0xFFFF);
            for (uint n = 0; n < LargestFrame; n++)
            {
                Define(top + n);
            }
        }

        if (s->Tr.Base != _task)
        {
            for (uint n = 0; n < TaskStateBytes; n++)
            {
                Define(_task + n);
                Define(s->Tr.Base + n);
            }
        }

        (_frameToCome, _cs, _task) = (false, s->Cs.Selector, s->Tr.Base);
    }

    private void Define(uint linear)
    {
        if (Physical(linear) is { } physical)
        {
            _defined.Set(physical, 1, defined: true);
        }
    }

    private void CheckAddresses(InstructionFacts facts)
    {
        if (_undefined == 0)
        {
            return;
        }

        foreach (MemoryFacts access in facts.Memory)
        {
            uint used = 0;
            uint width = access.AddressBits == 16 ? 3u : 0xF;
            foreach (int register in (ReadOnlySpan<int>)[access.Base, access.Index])
            {
                uint bytes = register >= 0 ? width << (4 * register) : 0;
                used |= bytes != 0 && (_undefined & bytes) == bytes ? bytes : 0;
            }

            if (used != 0)
            {
                Report("The address of this access is computed from");
                _undefined &= ~used;
                _next &= ~used;
            }
        }
    }

    private void Copy(InstructionFacts facts, CpuState* s)
    {
        bool undefined = SourceIsUndefined(facts, s);
        Write(facts, s, defined: !undefined);
        if (undefined && facts.Operands.Count > 0 && facts.Operands[0].Kind == OperandKind.Register)
        {
            // PUSH has its source there, and writes only ESP.
            _next |= facts.Operands[0].RegisterBytes & facts.RegistersWritten;
        }
    }

    private bool SourceIsUndefined(InstructionFacts facts, CpuState* s)
    {
        foreach (MemoryFacts access in facts.Memory)
        {
            if (access.Reads)
            {
                return IsUndefined(access, s);
            }
        }

        OperandFacts source = facts.Operands.Count > 1 ? facts.Operands[1] : facts.Operands[0];
        return source.Kind == OperandKind.Register && (_undefined & source.RegisterBytes) == source.RegisterBytes;
    }

    private void Exchange(InstructionFacts facts, CpuState* s)
    {
        MemoryFacts memory = facts.Memory.FirstOrDefault();
        OperandFacts left = facts.Operands[0];
        OperandFacts right = facts.Operands[1];
        bool IsBad(OperandFacts operand) => operand.Kind == OperandKind.Memory ? IsUndefined(memory, s) : operand.Kind == OperandKind.Register && (_undefined & operand.RegisterBytes) == operand.RegisterBytes;
        bool leftBad = IsBad(left);
        bool rightBad = IsBad(right);
        _next |= (rightBad ? left.RegisterBytes : 0) | (leftBad ? right.RegisterBytes : 0);
        Write(facts, s, defined: !(left.Kind == OperandKind.Memory ? rightBad : leftBad));
    }

    private void Use(InstructionFacts facts, CpuState* s)
    {
        bool isUse = facts.Kind is InstructionKind.Use or InstructionKind.IndirectBranch or InstructionKind.Return;
        if (!isUse)
        {
            return;
        }

        IReadOnlyList<OperandFacts> operands = facts.Operands;
        if (facts.Name is "sub" && operands[0].Kind == OperandKind.Register && operands[0] == operands[1])
        {
            return; // zero, whatever it was
        }

        for (int n = 0; n < operands.Count && _undefined != 0; n++)
        {
            uint bytes = operands[n].RegisterBytes;
            bool isOnlyWritten = n == 0 && ((facts.Name is "imul" && operands.Count == 3) || facts.Name is "mov");
            bool isOnlyStored = n == 1 && facts.Name is "cmpxchg" or "xadd";
            if (bytes != 0 && !isOnlyWritten && !isOnlyStored && (_undefined & bytes) == bytes)
            {
                Report(Deed(facts) + " a register that was loaded from");
                _undefined &= ~bytes;
                _next &= ~bytes;
            }
        }

        foreach (MemoryFacts access in facts.Memory)
        {
            if (access.Reads && IsUndefined(access, s))
            {
                Report(Deed(facts), access.Linear(s));
                for (uint n = 0; n < access.Size; n++)
                {
                    Define(access.Linear(s) + n);
                }
            }
        }
    }

    private static string Deed(InstructionFacts facts) => facts.Kind switch
    {
        InstructionKind.IndirectBranch => "The CPU is sent where it is told by",
        InstructionKind.Return => "The CPU returns to where it is told by",
        _ => facts.Name switch
        {
            "cmp" or "test" or "cmpsb" or "cmpsw" or "cmpsd" or "scasb" or "scasw" or "scasd" or "cmpxchg" => $"{facts.Name.ToUpperInvariant()} compares",
            "mov" or "out" => $"{facts.Name.ToUpperInvariant()} passes on",
            _ => $"{facts.Name.ToUpperInvariant()} computes with",
        },
    };

    private void Report(string deed, uint? linear = null) => _checker.Report(
        StrictChecks.Memory, $"{deed} memory{(linear is { } at ? $" at {at:x8}" : "")} that nothing has written since power-on. Here it is zero; on hardware it is anything.",
        "Initialise it. Does the loader clear .bss; was the variable, the page or the heap block ever set?", "SDM 3A 9.1 (memory is undefined after power-up)");

    private void Write(InstructionFacts facts, CpuState* s, bool defined)
    {
        foreach (MemoryFacts access in facts.Memory)
        {
            if (!access.Writes || !Fits(access, s))
            {
                continue;
            }

            uint linear = access.Linear(s);
            for (int done = 0; done < access.Size;)
            {
                int piece = Math.Min(access.Size - done, (int)(GuestPhysicalAddress.PageSize - ((linear + (uint)done) % GuestPhysicalAddress.PageSize)));
                if (Physical(linear + (uint)done) is { } physical)
                {
                    _writes.Add((physical, piece, defined));
                }

                done += piece;
            }
        }
    }

    private bool IsUndefined(in MemoryFacts access, CpuState* s)
    {
        uint linear = access.Linear(s);
        if (access.Size == 0 || !Fits(access, s) || Physical(linear) is not { } physical)
        {
            return false;
        }

        bool crosses = (linear % GuestPhysicalAddress.PageSize) + (uint)access.Size > GuestPhysicalAddress.PageSize;
        if (crosses || !_defined.IsUndefined(physical, access.Size))
        {
            return false;
        }

        // Not zero: somebody has stored there past all that we know of.
        for (uint n = 0; n < access.Size; n++)
        {
            GuestPhysicalAddress at = new(physical + n);
            if (_memory.KindAt(at) != PageKind.Ram || _memory.ReadByte(at) != 0)
            {
                return false;
            }
        }

        return true;
    }

    // Where code and stack have different sizes, the stack accesses are not where the table says.
    private static bool Fits(in MemoryFacts access, CpuState* s) => access.Segment != 2 || s->Cs.Big == s->Ss.Big;

    private ulong? Physical(uint linear)
    {
        if (_mmu.Tlb.TryGet(linear, out ulong page, out _))
        {
            return (page | (linear & 0xFFF)) & _mmu.PhysicalMask;
        }

        return _mmu.Peek(linear)?.Value;
    }
}
