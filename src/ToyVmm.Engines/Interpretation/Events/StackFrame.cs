using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation;

/// <summary>
/// Pushes onto the current stack or one that is about to be switched to, with a stack pointer of its own: everything is
/// checked first, and <see cref="Commit"/> changes memory and ESP together.
/// </summary>
internal unsafe ref struct StackFrame
{
    private readonly Interpreter _cpu;
    private readonly SegmentCache _segment;
    private readonly bool _user;
    private readonly uint _errorSelector;
    private uint _pointer;

    private StackFrame(Interpreter cpu, scoped in SegmentCache segment, uint pointer, uint cpl, uint errorSelector)
    {
        _cpu = cpu;
        _segment = segment;
        _pointer = pointer;
        _user = cpl == 3;
        _errorSelector = errorSelector;
        cpu.Stores.Clear();
    }

    /// <summary>The current stack; no room is #SS(0).</summary>
    public static StackFrame Current(Interpreter cpu) => new(cpu, cpu.State->Ss, cpu.State->Esp, cpu.State->Cpl, 0);

    /// <summary>A stack of an inner ring; no room is #SS(its selector).</summary>
    /// <param name="cpu">The interpreter.</param>
    /// <param name="segment">SS as it will be loaded.</param>
    /// <param name="pointer">ESP as it will be loaded.</param>
    /// <param name="cpl">The new privilege level.</param>
    public static StackFrame Inner(Interpreter cpu, scoped in SegmentCache segment, uint pointer, uint cpl) =>
        new(cpu, segment, pointer, cpl, segment.Selector & 0xFFFCu);

    /// <summary>Checks a push and keeps it.</summary>
    /// <returns>False with #SS, #PF or #AC pending.</returns>
    public bool Push(int size, uint value)
    {
        _pointer = _segment.Big ? _pointer - (uint)size : (_pointer & 0xFFFF_0000) | (ushort)(_pointer - (uint)size);
        uint offset = _segment.Big ? _pointer : (ushort)_pointer;
        bool inside = (_segment.Rights & SegmentRights.Write) != 0 && _segment.Holds(offset, size);
        return inside
            ? _cpu.Stores.Add(_segment.Base + offset, size, value, _user)
            : _cpu.RaiseSelector(Vector.StackFault, (ushort)_errorSelector, "no room on the stack");
    }

    /// <summary>Stores what was pushed and moves ESP (or SP, on a 16-bit stack). SS is the caller's.</summary>
    /// <returns>False when a store was for a device.</returns>
    public readonly bool Commit()
    {
        CpuState* s = _cpu.State;
        s->Esp = _segment.Big ? _pointer : (s->Esp & 0xFFFF_0000) | (ushort)_pointer;
        return _cpu.Stores.Commit();
    }
}
