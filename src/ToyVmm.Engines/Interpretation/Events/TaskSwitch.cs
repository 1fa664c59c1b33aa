using ToyVmm.Engines.Decoding;
using ToyVmm.Engines.Probing;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation;

/// <summary>What asks for a task switch.</summary>
internal enum TaskSwitchKind
{
    /// <summary>JMP: the old task is no longer busy.</summary>
    Jump,

    /// <summary>CALL: the new task is nested in the old one.</summary>
    Call,

    /// <summary>An interrupt or exception through a task gate: nested, like CALL.</summary>
    Interrupt,

    /// <summary>IRET with NT: back to the task in the back link.</summary>
    Return,
}

/// <summary>
/// The hardware task switch (SDM 3A 7.3). Up to the commit point every check is made before anything changes, and a fault
/// belongs to the old task. Behind it the new task's registers are loaded and a fault belongs to the new one.
/// </summary>
public sealed unsafe partial class Interpreter
{
    private const uint Dr6TaskSwitch = 1 << 15;

    // L0-L3 and LE of DR7: every task switch clears them (SDM 3B 17.2.4).
    private const uint Dr7Local = 0x155;

    /// <summary>Checks the TSS selector of a task gate, a JMP, a CALL or an event: an available, present TSS in the GDT.</summary>
    /// <returns>False with #GP or #NP pending.</returns>
    internal bool CheckTaskGateTarget(ushort selector, out Descriptor task)
    {
        task = default;
        if (IsNull(selector) || (selector & 4) != 0)
        {
            return RaiseSelector(Vector.GeneralProtection, selector, "a TSS selector must name the GDT");
        }

        if (!FetchDescriptor(selector, Vector.GeneralProtection, out task))
        {
            return false;
        }

        if (task.System is not (SystemType.AvailableTask16 or SystemType.AvailableTask32))
        {
            return RaiseSelector(Vector.GeneralProtection, selector, task, "not an available TSS");
        }

        return task.Present || RaiseSelector(Vector.SegmentNotPresent, selector, task, "the TSS is not present");
    }

    /// <summary>Checks the TSS that IRET returns to: a busy, present TSS in the GDT.</summary>
    /// <returns>False with #TS or #NP pending.</returns>
    internal bool CheckTaskReturnTarget(ushort selector, out Descriptor task)
    {
        task = default;
        if (IsNull(selector) || (selector & 4) != 0)
        {
            return RaiseSelector(Vector.InvalidTss, selector, "the back link must name a TSS in the GDT");
        }

        if (!FetchDescriptor(selector, Vector.InvalidTss, out task))
        {
            return false;
        }

        if (task.System is not (SystemType.BusyTask16 or SystemType.BusyTask32))
        {
            return RaiseSelector(Vector.InvalidTss, selector, task, "the back link names something other than a busy TSS");
        }

        return task.Present || RaiseSelector(Vector.SegmentNotPresent, selector, task, "the TSS is not present");
    }

    /// <summary>Switches to another task.</summary>
    /// <param name="selector">Its TSS selector, checked.</param>
    /// <param name="task">Its TSS descriptor.</param>
    /// <param name="kind">What asks for it.</param>
    /// <param name="returnEip">EIP to save in the old task.</param>
    /// <param name="image">EFLAGS to save in the old task.</param>
    /// <param name="errorCode">For an exception: the error code to push onto the new task's stack.</param>
    /// <returns>
    /// False with a fault of the old task pending and nothing changed. True when the switch has committed; then a fault may be
    /// pending all the same, and it belongs to the new task at its CS:EIP.
    /// </returns>
    internal bool SwitchTask(ushort selector, in Descriptor task, TaskSwitchKind kind, uint returnEip, uint image, uint? errorCode = null)
    {
        CpuState* s = State;
        if (!MaySwitchTask())
        {
            return false;
        }

        TaskState old = new(TaskState.Is32(s->Tr));
        TaskState next = new(((int)task.System & 8) != 0);
        if (task.Limit < next.LeastLimit)
        {
            return RaiseSelector(Vector.InvalidTss, selector, task, "the new TSS is too short");
        }

        if (s->Tr.Limit < old.LeastLimit)
        {
            return RaiseSelector(Vector.InvalidTss, s->Tr.Selector, "the current TSS is too short to save the task in");
        }

        bool nests = kind is TaskSwitchKind.Call or TaskSwitchKind.Interrupt;
        if (!ProbeTask(old, s->Tr.Base, write: true) || !ProbeTask(next, task.Base, nests) || !ProbeBusyBits(selector, kind))
        {
            return false;
        }

        SaveTask(old, returnEip, kind == TaskSwitchKind.Return ? image & ~Eflags.NT : image);
        Tell(new MicroStep(MicroStepKind.TaskSaved, s->Tr.Base, returnEip, Selector: s->Tr.Selector));
        if (nests)
        {
            _ = WriteSystem(task.Base + TaskState.BackLink, 2, s->Tr.Selector);
        }
        else
        {
            _ = MarkBusy(s->Tr.Selector, busy: false);
        }

        if (kind != TaskSwitchKind.Return)
        {
            _ = MarkBusy(selector, busy: true);
        }

        // From here on the new task is the one that faults. Its TSS is read in the old address space.
        TaskImage loaded = ReadTask(next, task.Base);
        Tell(new MicroStep(MicroStepKind.TaskLoaded, task.Base, loaded.Eip, Selector: selector));
        s->Tr.LoadDescriptor(selector, task.Low, task.High | Descriptor.Busy);
        s->Cr0 |= Cr0.TS;
        DropStepTrap();
        _ = EnterTask(loaded, next, nests, errorCode);
        UpdateMode();
        UpdateAttention();
        return true;
    }

    /// <summary>Ends an instruction that may have switched tasks: a fault of the new task is delivered there, since the instruction has completed.</summary>
    internal nint AfterTaskSwitch(CpuState* s, DecodedInstruction* i)
    {
        if (FaultVector < 0)
        {
            return Flow.Lookup;
        }

        if (DeliverFault())
        {
            // The instruction and the fault behind it count one together, so that a budget of one is never overdrawn.
            _left++;
            return Flow.Lookup;
        }

        RequestedExit = new VmExit(ExitReason.Shutdown);
        return Flow.LeaveTo(s, i, this, s->Eip);
    }

    // Every page of a TSS must be there before the switch commits. The busy bits lie in the GDT.
    private bool ProbeTask(TaskState layout, uint address, bool write) =>
        write
            ? ProbeSystemWrite(address, (int)layout.LeastLimit + 1)
            : TryTranslate(address, (int)layout.LeastLimit + 1, write: false, user: false, out _, out _);

    private bool ProbeBusyBits(ushort selector, TaskSwitchKind kind)
    {
        bool oldChanges = kind is TaskSwitchKind.Jump or TaskSwitchKind.Return;
        return (!oldChanges || ProbeSystemWrite(State->GdtBase + (State->Tr.Selector & 0xFFF8u) + 5, 1))
            && (kind == TaskSwitchKind.Return || ProbeSystemWrite(State->GdtBase + (selector & 0xFFF8u) + 5, 1));
    }

    private void SaveTask(TaskState layout, uint eip, uint image)
    {
        CpuState* s = State;
        uint address = s->Tr.Base;
        int width = layout.Width;
        _ = WriteSystem(address + layout.InstructionPointer, width, eip);
        _ = WriteSystem(address + layout.Flags, width, image);
        for (uint n = 0; n < 8; n++)
        {
            _ = WriteSystem(address + layout.General + (n * (uint)width), width, (&s->Eax)[n]);
        }

        for (uint n = 0; n < layout.SegmentCount; n++)
        {
            _ = WriteSystem(address + layout.Segments + (n * (uint)width), 2, (&s->Es)[n].Selector);
        }
    }

    private TaskImage ReadTask(TaskState layout, uint address)
    {
        TaskImage image = default;
        int width = layout.Width;
        image.Eip = Field(layout.InstructionPointer);
        image.Eflags = Field(layout.Flags);
        for (uint n = 0; n < 8; n++)
        {
            uint value = Field(layout.General + (n * (uint)width));

            // A 16-bit TSS leaves the upper halves as ones, the way a 286 register would read.
            image.General[n] = layout.Is32Bit ? value : value | 0xFFFF_0000;
        }

        for (uint n = 0; n < layout.SegmentCount; n++)
        {
            image.Segments[n] = (ushort)Field(layout.Segments + (n * (uint)width));
        }

        image.LocalTable = (ushort)Field(layout.LocalTable);
        if (layout.Is32Bit)
        {
            image.Cr3 = Field(TaskState.PageDirectory);
            image.Trap = (Field(TaskState.TrapFlag) & 1) != 0;
        }

        return image;

        uint Field(uint offset)
        {
            _ = ReadSystem(address + offset, width, out ulong value);
            return (uint)value;
        }
    }

    /// <summary>The dynamic part of a TSS.</summary>
    private struct TaskImage
    {
        public uint Eip;
        public uint Eflags;
        public fixed uint General[8];
        public fixed ushort Segments[6];
        public ushort LocalTable;
        public uint Cr3;
        public bool Trap;
    }
}
