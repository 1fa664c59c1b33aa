using ToyVmm.Engines;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.VirtualMachines.Verification.Efficiency;

/// <summary>Counts, on the interpreter and without the translator's help, what a run executes: distinct instructions, and distinct blocks.</summary>
/// <remarks>A block begins where execution did not fall through to, and with each page; a branch of less than 16 bytes forward counts as falling through.</remarks>
internal sealed unsafe class TouchCounter : IEngineObserver
{
    private readonly HashSet<uint> _instructions = [];
    private readonly HashSet<uint> _blocks = [];
    private uint _last;
    private ulong _lastRetired;

    /// <summary>Distinct instructions, by address.</summary>
    public int Instructions => _instructions.Count;

    /// <summary>Distinct blocks.</summary>
    public int Blocks => _blocks.Count;

    /// <inheritdoc/>
    public bool WantsInstructions => true;

    /// <summary>Forgets everything: for another run.</summary>
    public void Clear()
    {
        _instructions.Clear();
        _blocks.Clear();
        (_last, _lastRetired) = (0, 0);
    }

    /// <inheritdoc/>
    public void BeforeInstruction(Vcpu vcpu)
    {
        ArgumentNullException.ThrowIfNull(vcpu);
        const uint Longest = 15;
        CpuState* s = vcpu.State;
        uint address = s->Cs.Base + s->Eip;
        if (s->Retired == _lastRetired && _last == address && s->Retired != 0)
        {
            // Another iteration of a REP string instruction.
            return;
        }

        bool fellThrough = address - _last is > 0 and <= Longest && (address ^ _last) >> 12 == 0;
        if (!fellThrough)
        {
            _ = _blocks.Add(address);
        }

        _ = _instructions.Add(address);
        (_last, _lastRetired) = (address, s->Retired);
    }

    /// <inheritdoc/>
    public void BeforeTrap(Vcpu vcpu, in TrapInfo trap)
    {
    }
}
