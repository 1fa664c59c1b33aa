using System.Numerics;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation;

/// <summary>The debug registers (SDM 3B 17.2): DR0-DR3 against what the guest executes and touches.</summary>
public sealed unsafe partial class Interpreter
{
    /// <summary>The R/W fields of DR7.</summary>
    internal enum BreakpointKind : uint
    {
        /// <summary>Instruction fetch.</summary>
        Execute = 0,

        /// <summary>Data writes.</summary>
        Write = 1,

        /// <summary>I/O, with CR4.DE.</summary>
        InputOutput = 2,

        /// <summary>Data reads and writes.</summary>
        ReadWrite = 3,
    }

    /// <summary>Notes that an IN or OUT touched ports, for I/O breakpoints (a trap).</summary>
    internal void NotePortAccess(uint port, int size)
    {
        if ((State->Dr7 & 0xFF) != 0 && (State->Cr4 & Cr4.DE) != 0)
        {
            State->PendingDebug |= MatchBreakpoints(port, size, BreakpointKind.InputOutput);
        }
    }

    // Data breakpoints are traps: they are reported after the instruction. While one is armed every access comes through here.
    private void NoteDataAccess(uint linear, int size, bool write)
    {
        if ((State->Dr7 & 0xFF) != 0)
        {
            State->PendingDebug |= MatchBreakpoints(linear, size, BreakpointKind.ReadWrite)
                | (write ? MatchBreakpoints(linear, size, BreakpointKind.Write) : 0);
        }
    }

    /// <summary>The armed breakpoints of a kind that a range of bytes touches, as DR6 bits 0-3.</summary>
    private uint MatchBreakpoints(uint address, int size, BreakpointKind kind)
    {
        uint hits = 0;
        for (int n = 0; n < 4; n++)
        {
            uint control = State->Dr7 >> (16 + (n * 4));
            bool armed = ((State->Dr7 >> (n * 2)) & 3) != 0;
            if (!armed || (BreakpointKind)(control & 3) != kind)
            {
                continue;
            }

            // LEN 0, 1, 3: 1, 2, 4 bytes, aligned by ignoring low address bits. Execution breakpoints are one byte.
            uint length = kind == BreakpointKind.Execute ? 1 : BitOperations.RoundUpToPowerOf2(((control >> 2) & 3) + 1);
            uint first = State->BreakpointAddresses[n] & ~(length - 1);
            bool touches = kind == BreakpointKind.Execute
                ? address == State->BreakpointAddresses[n]
                : address <= (ulong)first + length - 1 && first <= (ulong)address + (uint)size - 1;
            hits |= touches ? 1u << n : 0;
        }

        return hits;
    }
}
