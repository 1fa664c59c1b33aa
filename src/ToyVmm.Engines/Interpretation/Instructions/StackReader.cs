using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation.Instructions;

/// <summary>Pops from the current stack without moving ESP until everything has been checked.</summary>
internal unsafe struct StackReader(Interpreter cpu)
{
    private readonly bool _wide = (cpu.State->Mode & DecodeMode.Stack32) != 0;
    private uint _pointer = cpu.State->Esp;

    /// <summary>Reads the next word.</summary>
    /// <returns>False for a fault or an exit.</returns>
    public bool Pop<T>(out uint value)
        where T : unmanaged
    {
        value = 0;
        byte* source = cpu.BeginSegmentRead(Interpreter.StackSegment, _wide ? _pointer : (ushort)_pointer, sizeof(T));
        if (source == null)
        {
            return false;
        }

        value = Operand.Load<T>(source);
        _pointer += (uint)sizeof(T);
        return true;
    }

    /// <summary>Skips bytes: the parameters that RETF n releases.</summary>
    public void Skip(uint bytes) => _pointer += bytes;

    /// <summary>Moves ESP (or SP) behind what was read.</summary>
    public readonly void Commit(CpuState* s) => s->Esp = _wide ? _pointer : (s->Esp & 0xFFFF_0000) | (ushort)_pointer;
}
