using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation;

/// <summary>
/// The part of a task switch behind its commit point (SDM 3A 7.3, steps 12-14, and table 7-1): registers and selectors are loaded first,
/// then the descriptors are checked one by one; a fault finds the registers not yet checked unusable.
/// </summary>
public sealed unsafe partial class Interpreter
{
    // False with a fault of the new task pending.
    private bool EnterTask(in TaskImage task, TaskState layout, bool nested, uint? errorCode)
    {
        CpuState* s = State;
        uint eflags = (task.Eflags & EflagsBits & (layout.Is32Bit ? uint.MaxValue : 0xFFFF)) | Eflags.Fixed | (nested ? Eflags.NT : 0);
        LazyFlags.Set(s, eflags);
        s->OtherFlags = eflags & ~Eflags.Arithmetic;
        KeepResumeFlag();
        s->Eip = task.Eip;
        for (int n = 0; n < 8; n++)
        {
            (&s->Eax)[n] = task.General[n];
        }

        s->Dr7 &= ~Dr7Local;
        s->Shadow = InterruptShadow.None;
        s->PendingDebug = task.Trap ? Dr6TaskSwitch : 0;
        for (int n = 0; n < 6; n++)
        {
            (&s->Es + n)->LoadNull(task.Segments[n]);
        }

        s->Ldtr.LoadNull(task.LocalTable);
        bool virtual8086 = (eflags & Eflags.VM) != 0;
        s->Cpl = virtual8086 ? 3u : task.Segments[1] & 3u;
        if (layout.Is32Bit && (s->Cr0 & Cr0.PG) != 0 && !LoadPageDirectory(task.Cr3, isTaskSwitch: true))
        {
            return false;
        }

        if (!LoadTaskTable(task.LocalTable))
        {
            return false;
        }

        if (virtual8086)
        {
            for (int n = 0; n < 6; n++)
            {
                (&s->Es + n)->LoadVirtual8086(task.Segments[n]);
            }
        }
        else if (!LoadTaskSegments(task))
        {
            return false;
        }

        if (s->Eip > s->Cs.Limit)
        {
            return RaiseExternal(Vector.GeneralProtection, "the new task's EIP lies beyond the limit of its CS");
        }

        if (errorCode is not uint error)
        {
            return true;
        }

        UpdateMode();
        StackFrame frame = StackFrame.Current(this);
        if (!frame.Push(layout.Width, error))
        {
            return false;
        }

        CommitEventFrame(ref frame);
        return true;
    }

    private bool LoadTaskTable(ushort selector)
    {
        if (IsNull(selector))
        {
            return true;
        }

        if ((selector & 4) != 0)
        {
            return RaiseSelector(Vector.InvalidTss, selector, "the new task's LDT selector must name the GDT");
        }

        if (!FetchDescriptor(selector, Vector.InvalidTss, out Descriptor table))
        {
            return false;
        }

        if (table.System != SystemType.LocalTable || !table.Present)
        {
            return RaiseSelector(Vector.InvalidTss, selector, table, "the new task's LDT selector names no present LDT");
        }

        State->Ldtr.LoadDescriptor(selector, table.Low, table.High);
        return true;
    }

    private bool LoadTaskSegments(in TaskImage task)
    {
        CpuState* s = State;
        ushort codeSelector = task.Segments[1];
        if (!CheckTaskCode(codeSelector, out Descriptor code) || !LoadChecked(&s->Cs, codeSelector, code))
        {
            return false;
        }

        ushort stackSelector = task.Segments[2];
        if (!CheckStackSegment(stackSelector, s->Cpl, Vector.InvalidTss, out Descriptor stack) || !LoadChecked(&s->Ss, stackSelector, stack))
        {
            return false;
        }

        for (int n = 0; n < 6; n++)
        {
            ushort selector = task.Segments[n];
            if (n is 1 or 2 || IsNull(selector))
            {
                continue;
            }

            if (!CheckDataSegment(selector, s->Cpl, Vector.InvalidTss, out Descriptor data) || !LoadChecked(&s->Es + n, selector, data))
            {
                return false;
            }
        }

        return true;
    }

    private bool CheckTaskCode(ushort selector, out Descriptor code)
    {
        code = default;
        if (IsNull(selector))
        {
            return RaiseExternal(Vector.InvalidTss, "the new task's CS is null");
        }

        if (!FetchDescriptor(selector, Vector.InvalidTss, out code))
        {
            return false;
        }

        uint rpl = selector & 3u;
        if (!code.IsCode || (code.IsConforming ? code.Dpl > rpl : code.Dpl != rpl))
        {
            return RaiseSelector(Vector.InvalidTss, selector, code, "the new task's CS needs a code segment whose DPL suits its RPL");
        }

        return code.Present || RaiseSelector(Vector.SegmentNotPresent, selector, code, "the new task's code segment is not present");
    }
}
