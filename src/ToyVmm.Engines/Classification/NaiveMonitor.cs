using Iced.Intel;
using ToyVmm.Engines.Decoding;
using ToyVmm.Engines.Interpretation;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Classification;

/// <summary>
/// A monitor that only traps and emulates, as Popek and Goldberg's theorem wants it - on a processor that does not meet the theorem's condition.
/// It is wrong on purpose.
/// </summary>
/// <remarks>
/// Such a monitor runs the guest's kernel in ring 3 (real-mode code in virtual-8086 mode), keeps the descriptor tables, the task and the control
/// registers for itself, and emulates what traps. So each instruction that <see cref="ClassificationTable"/> calls sensitive and not
/// privileged runs here with the monitor's system state in place of the guest's: what then raises a fault is undone and emulated for the guest,
/// correctly; what does not has told the guest about the monitor, or has left a change of the guest's state undone, and nobody noticed.
/// Since the monitor's descriptor table holds nothing of the guest's, every load of a segment register faults, and so does every gate;
/// far transfers and IRET are therefore right. Privileged instructions always trap: they are executed as usual.
/// </remarks>
public sealed unsafe class NaiveMonitor : IInstructionSubstitute
{
    /// <summary>What SGDT shows: the monitor's table, with nothing but the null descriptor.</summary>
    public const uint GdtBase = 0xFFC0_1000;

    /// <summary>Its limit.</summary>
    public const uint GdtLimit = 7;

    /// <summary>What SIDT shows.</summary>
    public const uint IdtBase = 0xFFC0_2000;

    /// <summary>What SLDT shows.</summary>
    public const ushort LdtSelector = 0x68;

    /// <summary>What STR shows.</summary>
    public const ushort TaskSelector = 0x80;

    /// <summary>What SMSW shows, but for PG: the monitor is in protected mode, and pages.</summary>
    public const uint ControlRegister = Cr0.PE | Cr0.MP | Cr0.ET | Cr0.NE | Cr0.WP;

    private const SystemAspects ControlAspects = SystemAspects.TaskSwitched | SystemAspects.Coprocessor | SystemAspects.Protection;
    private const uint MonitorsFlags = Eflags.IF | Eflags.IoplMask;

    private NaiveMonitor()
    {
    }

    /// <summary>Instructions that ran with the monitor's state, and the monitor did not notice.</summary>
    public ulong Unnoticed { get; private set; }

    /// <summary>Sensitive instructions that did trap in ring 3, and were emulated.</summary>
    public ulong Emulated { get; private set; }

    /// <summary>Has an interpreter run its guest in this way.</summary>
    /// <param name="engine">The engine, before its first run.</param>
    /// <returns>The monitor, for its counts.</returns>
    public static NaiveMonitor Attach(Interpreter engine)
    {
        ArgumentNullException.ThrowIfNull(engine);
        NaiveMonitor monitor = new();
        engine.Substitute = monitor;
        return monitor;
    }

    bool IInstructionSubstitute.Replaces(in Instruction x) =>
        ClassificationTable.Find(x.Code) is { } row && (row.IsHole || IsUnnoticed(row, ExecutionMode.Virtual8086));

    nint IInstructionSubstitute.Execute(DecodedInstruction* i, Interpreter cpu)
    {
        CpuState* s = cpu.State;
        if (!TryDecode(cpu, i, out Instruction x))
        {
            // The code changed under the block: have it decoded again.
            return Flow.StopHere(i, cpu);
        }

        // Handlers end in the next one's, so this one gets a next one of its own.
        DecodedInstruction* alone = stackalloc DecodedInstruction[2];
        alone[0] = *i;
        alone[0].Handler = HandlerTable.Select(x, OperandEncoder.FormOf(x, s->Mode));
        alone[1] = default;
        alone[1].Handler = &Finish;

        ExecutionMode mode = cpu.IsProtected ? ExecutionMode.Ring3 : ExecutionMode.Virtual8086;
        nint flow;
        if (ClassificationTable.Find(x.Code) is { } row && IsUnnoticed(row, mode) && !AlwaysFaults(x))
        {
            View view = View.Enter(cpu, row, x);
            flow = alone->Handler(s, alone, cpu);
            view.Leave(cpu);
            if (flow != Flow.Stop || cpu.FaultVector < 0)
            {
                Unnoticed++;
                return Finished(flow, i, alone, cpu);
            }

            cpu.ClearFault();
        }

        Emulated++;
        flow = alone->Handler(s, alone, cpu);
        return Finished(flow, i, alone, cpu);
    }

    // Completes in the deprivileged mode, and is sensitive there.
    private static bool IsUnnoticed(InstructionClassification row, ExecutionMode mode) =>
        row.Outcome(mode).Completes && row.In(mode) != Sensitivity.None;

    // IRET loads CS from a table in which there is nothing - or leaves for virtual-8086 mode, which ring 3 cannot, and this view would let it.
    private static bool AlwaysFaults(in Instruction x) => x.Mnemonic is Mnemonic.Iret or Mnemonic.Iretd;

    private static bool TryDecode(Interpreter cpu, DecodedInstruction* i, out Instruction x)
    {
        CpuState* s = cpu.State;
        Span<byte> bytes = stackalloc byte[Disassembler.MaxInstructionLength];
        int count = Disassembler.ReadCode(cpu.Vcpu, s->Cs.Base + i->Eip, bytes);
        return FormEncodings.Decode(bytes[..count], s->Cs.Big ? 32 : 16, out x) && x.Length == i->Length;
    }

    private static nint Finish(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        s->Eip = i[-1].NextEip;
        return Flow.Lookup;
    }

    private static nint Finished(nint flow, DecodedInstruction* i, DecodedInstruction* alone, Interpreter cpu)
    {
        if (flow is Flow.Stop or Flow.Leave && cpu.StopAt == alone)
        {
            cpu.StopAt = i;
        }

        return flow > Flow.Last ? Flow.Lookup : flow;
    }

    /// <summary>The guest's system state, while the monitor's stands in its place.</summary>
    private readonly struct View
    {
        private readonly uint _gdtBase;
        private readonly uint _gdtLimit;
        private readonly uint _idtBase;
        private readonly uint _idtLimit;
        private readonly uint _cr0;
        private readonly uint _flags;
        private readonly uint _sysenterCs;
        private readonly ushort _cs;
        private readonly ushort _ss;
        private readonly SegmentCache _ldtr;
        private readonly SegmentCache _tr;
        private readonly bool _showsControl;
        private readonly bool _showsRing;

        private View(CpuState* s, bool showsControl, bool showsRing)
        {
            (_gdtBase, _gdtLimit, _idtBase, _idtLimit) = (s->GdtBase, s->GdtLimit, s->IdtBase, s->IdtLimit);
            (_cr0, _flags, _sysenterCs) = (s->Cr0, s->OtherFlags & MonitorsFlags, s->SysenterCs);
            (_cs, _ss, _ldtr, _tr) = (s->Cs.Selector, s->Ss.Selector, s->Ldtr, s->Tr);
            (_showsControl, _showsRing) = (showsControl, showsRing);
        }

        public static View Enter(Interpreter cpu, InstructionClassification row, in Instruction x)
        {
            CpuState* s = cpu.State;
            bool control = (row.DependsOn & ControlAspects) != 0;
            View view = new(s, control, cpu.IsProtected && s->Cpl == 0);
            (s->GdtBase, s->GdtLimit) = (GdtBase, GdtLimit);
            (s->IdtBase, s->IdtLimit) = (IdtBase, GdtLimit);
            (s->Ldtr.Selector, s->Ldtr.Limit) = (LdtSelector, 0);
            (s->Tr.Selector, s->Tr.Limit) = (TaskSelector, 0);
            s->SysenterCs = 0;
            s->OtherFlags = (s->OtherFlags & ~MonitorsFlags) | Eflags.IF;
            if (control)
            {
                // A store to memory takes the low half only; PG would have it walk page tables that are not the guest's.
                s->Cr0 = ControlRegister | (s->Cr0 & Cr0.PG) | (x.Op0Kind == OpKind.Register ? Cr0.PG : 0);
            }

            if (view._showsRing)
            {
                s->Cs.Selector |= 3;
                s->Ss.Selector |= 3;
            }

            return view;
        }

        public void Leave(Interpreter cpu)
        {
            CpuState* s = cpu.State;
            (s->GdtBase, s->GdtLimit, s->IdtBase, s->IdtLimit) = (_gdtBase, _gdtLimit, _idtBase, _idtLimit);
            (s->Ldtr, s->Tr, s->SysenterCs) = (_ldtr, _tr, _sysenterCs);
            s->OtherFlags = (s->OtherFlags & ~MonitorsFlags) | _flags;
            s->Cr0 = _showsControl ? _cr0 : s->Cr0;
            if (_showsRing)
            {
                (s->Cs.Selector, s->Ss.Selector) = (_cs, _ss);
            }

            cpu.UpdateMode();
            cpu.UpdateAttention();
        }
    }
}
