using System.Buffers.Binary;
using ToyVmm.Engines;
using ToyVmm.Engines.Decoding;
using ToyVmm.VirtualMachines;

namespace ToyVmm.Debugging;

/// <content>Going back over what has been called.</content>
public sealed unsafe partial class DebugSession
{
    private const int LongestCall = Disassembler.MaxInstructionLength;

    /// <summary>
    /// Goes back by one instruction of this procedure: behind a call, a software interrupt or an interrupt that has returned to before it. A breakpoint or watchpoint inside stops the guest there.
    /// </summary>
    /// <returns><see cref="StopCause.Stepped"/>, also where a return came to a place that nobody had called from: that is a step by itself.</returns>
    public DebugStop ReverseStepOver()
    {
        uint linear = Cpu.Cs.Base + Cpu.Eip;
        uint offset = Cpu.Eip;
        uint stack = Cpu.Esp;
        uint space = Cpu.Cr3;
        HashSet<uint> calls = CallsBefore(linear);
        DebugStop stop = StepBack();
        if (stop.Cause != StopCause.Stepped || NextInstruction().Flow != InstructionFlow.Return)
        {
            return Finish(stop);
        }

        ExecutionPoint returning = Point;
        uint caller = stack - BytesReleased();
        List<BreakpointHit> stopping = [];
        bool isEvent = false;
        DebugStop found = GoBack(
            new Goal { Stops = new StopSet { Linear = calls, Events = EventStops.Delivered } },
            hits =>
            {
                stopping = Judge(hits, isSearching: true);
                bool isCall = hits.Any(hit => hit.Kind == StopHitKind.Code && calls.Contains((uint)hit.Address)) && Cpu.Esp == caller && Cpu.Cr3 == space;
                isEvent = !isCall && hits.Any(hit => hit.Kind == StopHitKind.Event) && ReturnsTo(offset);
                return isCall || isEvent || stopping.Count > 0;
            },
            point => new DebugStop(stopping.Count > 0 ? StopCause.Breakpoint : isEvent ? StopCause.Reached : StopCause.Stepped, point) { Breakpoints = stopping, Text = string.Join("; ", stopping.Select(Describe)) });
        return found.Cause switch
        {
            StopCause.Reached => Finish(StepBack()), // before the delivery
            StopCause.HistoryBegin when Point < returning => Finish(GoTo(returning) with { Cause = StopCause.Stepped }),
            _ => Finish(found),
        };
    }

    // Where a call or a software interrupt may begin that ends at an address.
    private HashSet<uint> CallsBefore(uint linear)
    {
        HashSet<uint> calls = [];
        Span<byte> bytes = stackalloc byte[LongestCall];
        for (uint length = 1; length <= LongestCall; length++)
        {
            Span<byte> piece = bytes[..(int)length];
            if (Memory.ReadLinear(linear - length, piece) != length)
            {
                break;
            }

            DisassembledInstruction instruction = _disassembler.Disassemble(piece, Cpu.Cs.Big ? 32 : 16, linear - length - Cpu.Cs.Base);
            if (instruction.Length == length && instruction.Flow is InstructionFlow.Call or InstructionFlow.Interrupt)
            {
                _ = calls.Add(linear - length);
            }
        }

        return calls;
    }

    // RET imm16 takes arguments off the stack, which the caller had put there (SDM 2B, RET: C2, CA).
    private uint BytesReleased()
    {
        Span<byte> bytes = stackalloc byte[Disassembler.MaxInstructionLength];
        int count = NextInstruction().Length;
        bool releases = count >= 3 && Memory.ReadLinear(Cpu.Cs.Base + Cpu.Eip, bytes[..count]) == count && bytes[count - 3] is 0xC2 or 0xCA;
        return releases ? BinaryPrimitives.ReadUInt16LittleEndian(bytes[(count - 2)..]) : 0u;
    }

    // Behind a delivery: the offset is in the frame, above an error code or not.
    private bool ReturnsTo(uint offset)
    {
        Span<byte> frame = stackalloc byte[8];
        uint top = Cpu.Ss.Base + (Cpu.Ss.Big ? Cpu.Esp : (ushort)Cpu.Esp);
        return Memory.ReadLinear(top, frame) == frame.Length
            && (BinaryPrimitives.ReadUInt32LittleEndian(frame) == offset
                || BinaryPrimitives.ReadUInt32LittleEndian(frame[4..]) == offset
                || (offset <= ushort.MaxValue && BinaryPrimitives.ReadUInt16LittleEndian(frame) == offset));
    }
}
