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

    private readonly List<Entry> _entries = [];
    private readonly Dictionary<(nint Handler, Code Code, bool ToRegister), uint> _tokens = [];

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

    bool IInstructionSubstitute.TryTake(in Instruction x, Handler handler, out uint token)
    {
        token = 0;
        if (ClassificationTable.Find(x.Code) is not { } row || !(row.IsHole || IsUnnoticed(row, ExecutionMode.Virtual8086)))
        {
            return false;
        }

        (nint, Code, bool) key = ((nint)handler, x.Code, x.Op0Kind == OpKind.Register);
        if (!_tokens.TryGetValue(key, out token))
        {
            token = (uint)_entries.Count;
            _tokens.Add(key, token);
            _entries.Add(new Entry(x, row, (nint)handler));
        }

        return true;
    }

    nint IInstructionSubstitute.Execute(DecodedInstruction* i, Interpreter cpu)
    {
        CpuState* s = cpu.State;
        Entry entry = _entries[(int)i[1].Immediate];

        // Handlers end in the next one's, so this one gets a next one of its own.
        DecodedInstruction* alone = stackalloc DecodedInstruction[2];
        alone[0] = *i;
        alone[0].Handler = (Handler)entry.Handler;
        alone[1] = default;
        alone[1].Handler = &Finish;

        nint flow;
        if (cpu.IsProtected ? entry.UnnoticedInRing3 : entry.UnnoticedInVirtual8086)
        {
            View view = View.Enter(cpu, entry);
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

    /// <summary>What there is to know of an instruction when it is executed.</summary>
    private sealed class Entry
    {
        public Entry(in Instruction x, InstructionClassification row, nint handler)
        {
            // IRET loads CS from a table in which there is nothing, so it always faults - or leaves for virtual-8086 mode, which ring 3 cannot, and
            // the monitor's state alone would let it.
            bool always = x.Mnemonic is Mnemonic.Iret or Mnemonic.Iretd;
            Handler = handler;
            UnnoticedInRing3 = !always && IsUnnoticed(row, ExecutionMode.Ring3);
            UnnoticedInVirtual8086 = !always && IsUnnoticed(row, ExecutionMode.Virtual8086);
            ShowsControl = (row.DependsOn & ControlAspects) != 0;

            // A store to memory takes the low half only; PG would have it walk page tables that are not the guest's.
            Control = ControlRegister | (x.Op0Kind == OpKind.Register ? Cr0.PG : 0);
        }

        public nint Handler { get; }

        public bool UnnoticedInRing3 { get; }

        public bool UnnoticedInVirtual8086 { get; }

        public bool ShowsControl { get; }

        public uint Control { get; }
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

        public static View Enter(Interpreter cpu, Entry entry)
        {
            CpuState* s = cpu.State;
            View view = new(s, entry.ShowsControl, cpu.IsProtected && s->Cpl == 0);
            (s->GdtBase, s->GdtLimit) = (GdtBase, GdtLimit);
            (s->IdtBase, s->IdtLimit) = (IdtBase, GdtLimit);
            (s->Ldtr.Selector, s->Ldtr.Limit) = (LdtSelector, 0);
            (s->Tr.Selector, s->Tr.Limit) = (TaskSelector, 0);
            s->SysenterCs = 0;
            s->OtherFlags = (s->OtherFlags & ~MonitorsFlags) | Eflags.IF;
            if (entry.ShowsControl)
            {
                s->Cr0 = entry.Control | (s->Cr0 & Cr0.PG);
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
