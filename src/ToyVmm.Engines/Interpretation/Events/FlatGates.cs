using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation;

/// <summary>
/// Entering a handler where nothing is out of the ordinary: a 32-bit interrupt or trap gate to a flat code segment, a flat stack of the same
/// ring or of the one that the TSS names, and every page that is touched in the TLB's projection.
/// </summary>
public sealed unsafe partial class Interpreter
{
    // P, S and the type of a gate: present, 386 interrupt gate or - with bit 8 - trap gate (SDM 3A 6.11).
    private const uint GateMask = 0x9E00;
    private const uint CodeGate32 = 0x8E00;
    private const uint TrapGateBit = 0x100;

    // All or nothing: on false nothing has changed, and the way of EnterThroughGate finds out why.
    private bool TryEnterFlat(in TrapInfo trap, uint image, uint returnEip)
    {
        CpuState* s = State;
        uint entry = (uint)trap.Vector * 8;
        if ((s->Cr0 & Cr0.PE) == 0 || (s->OtherFlags & Eflags.VM) != 0 || s->Tlb == NeverTlb || entry + 7 > s->IdtLimit)
        {
            return false;
        }

        byte* gate = DirectSystemRead(s->IdtBase + entry, 8);
        if (gate == null)
        {
            return false;
        }

        uint low = ((uint*)gate)[0];
        uint high = ((uint*)gate)[1];
        bool software = trap.Source is TrapSource.SoftwareInterrupt or TrapSource.SoftwareException;
        if ((high & GateMask) != CodeGate32 || (software && ((high >> 13) & 3) < s->Cpl))
        {
            return false;
        }

        // The RPL of a gate's selector has no say; where it is not the ring of the handler, the long way sorts it out.
        ushort code = (ushort)(low >> 16);
        uint cpl = code & 3u;
        if (cpl > s->Cpl || !IsFlatCode(code, cpl, out ushort codeAccess))
        {
            return false;
        }

        bool pushesError = trap.Source == TrapSource.Exception && Vector.HasErrorCode(trap.Vector);
        uint size = pushesError ? 16u : 12;
        uint* frame;
        if (cpl == s->Cpl)
        {
            frame = (s->Mode & FlatStack) == FlatStack ? (uint*)Direct.Write(s, s->Esp - size, (int)size) : null;
            if (frame == null)
            {
                return false;
            }

            s->Esp -= size;
        }
        else
        {
            size += 8;
            frame = FlatInnerStack(cpl, size, out uint pointer, out ushort stack, out ushort stackAccess);
            if (frame == null)
            {
                return false;
            }

            uint* outer = frame + (size / 4) - 2;
            outer[0] = s->Esp;
            outer[1] = s->Ss.Selector;
            s->Esp = pointer - size;
            LoadFlat(&s->Ss, stack, stackAccess, SegmentRights.Read | SegmentRights.Write);
        }

        if (pushesError)
        {
            *frame++ = trap.ErrorCode;
        }

        frame[0] = returnEip;
        frame[1] = s->Cs.Selector;
        frame[2] = image;
        s->OtherFlags &= ~(Eflags.TF | Eflags.NT | Eflags.RF | ((high & TrapGateBit) == 0 ? Eflags.IF : 0));
        LoadFlatCode(code, codeAccess);
        s->Eip = (high & 0xFFFF_0000) | (low & 0xFFFF);
        _insideString = ulong.MaxValue;
        UpdateAttentionAfterFlags();
        return true;
    }

    // The stack of an inner ring, from a 32-bit TSS (SDM 3A 5.8.5): host bytes below its top; null where it is not plain.
    private uint* FlatInnerStack(uint cpl, uint size, out uint pointer, out ushort selector, out ushort access)
    {
        CpuState* s = State;
        uint offset = 4 + (cpl * 8);
        pointer = 0;
        selector = 0;
        access = 0;
        byte* entry = TaskState.Is32(s->Tr) && offset + 5 <= s->Tr.Limit ? DirectSystemRead(s->Tr.Base + offset, 6) : null;
        if (entry == null)
        {
            return null;
        }

        pointer = *(uint*)entry;
        selector = *(ushort*)(entry + 4);
        return (selector & 3u) == cpl && IsFlatData(selector, cpl, out access)
            ? (uint*)DirectStore(pointer - size, (int)size, user: false)
            : null;
    }
}
