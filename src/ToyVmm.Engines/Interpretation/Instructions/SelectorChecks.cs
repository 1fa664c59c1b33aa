using Iced.Intel;
using ToyVmm.Engines.Decoding;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation.Instructions;

/// <summary>LAR, LSL, VERR, VERW and ARPL: the instructions that look at a selector without loading it (SDM 3A 5.10). All are #UD outside protected mode.</summary>
internal static unsafe class SelectorChecks
{
    /// <summary>The handler of LAR.</summary>
    public static Handler LoadAccess(in Instruction x) => Select<AccessRights>(x);

    /// <summary>The handler of LSL.</summary>
    public static Handler LoadLimit(in Instruction x) => Select<SegmentLimit>(x);

    /// <summary>The handler of VERR and VERW.</summary>
    public static Handler Verify(in Instruction x) => (x.Mnemonic == Mnemonic.Verw, x.Op0Kind == OpKind.Memory) switch
    {
        (false, false) => &Verify<Readable, FromRegister>,
        (false, true) => &Verify<Readable, FromMemory>,
        (true, false) => &Verify<Writable, FromRegister>,
        (true, true) => &Verify<Writable, FromMemory>,
    };

    /// <summary>The handler of ARPL.</summary>
    public static Handler AdjustRpl(in Instruction x) => x.Op0Kind == OpKind.Memory ? &AdjustRplMemory : &AdjustRplRegister;

    private static Handler Select<TQuestion>(in Instruction x)
        where TQuestion : struct, IQuestion
        => (x.Op0Register.IsGPR32(), x.Op1Kind == OpKind.Memory) switch
        {
            (false, false) => &Load<ushort, TQuestion, SourceRegister>,
            (false, true) => &Load<ushort, TQuestion, FromMemory>,
            (true, false) => &Load<uint, TQuestion, SourceRegister>,
            (true, true) => &Load<uint, TQuestion, FromMemory>,
        };

    private static nint Load<T, TQuestion, TSource>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where T : unmanaged
        where TQuestion : struct, IQuestion
        where TSource : struct, ISelectorSource
    {
        if (!cpu.IsProtected)
        {
            return Flow.Raise(i, cpu, Vector.InvalidOpcode);
        }

        if (!TSource.Read(s, i, cpu, out ushort selector) || !Look(cpu, selector, out Descriptor? found))
        {
            return Flow.StopHere(i, cpu);
        }

        bool visible = found is Descriptor descriptor && TQuestion.Accepts(descriptor) && IsVisible(s, selector, descriptor);
        if (visible)
        {
            Operand.SetRegister<T>(s, i->Destination, TQuestion.Answer(found!.Value));
        }

        SetZero(s, visible);
        return Flow.Next(s, i, cpu);
    }

    private static nint Verify<TQuestion, TSource>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where TQuestion : struct, IQuestion
        where TSource : struct, ISelectorSource
    {
        if (!cpu.IsProtected)
        {
            return Flow.Raise(i, cpu, Vector.InvalidOpcode);
        }

        if (!TSource.Read(s, i, cpu, out ushort selector) || !Look(cpu, selector, out Descriptor? found))
        {
            return Flow.StopHere(i, cpu);
        }

        SetZero(s, found is Descriptor descriptor && TQuestion.Accepts(descriptor) && IsVisible(s, selector, descriptor));
        return Flow.Next(s, i, cpu);
    }

    private static nint AdjustRplRegister(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        if (!cpu.IsProtected)
        {
            return Flow.Raise(i, cpu, Vector.InvalidOpcode);
        }

        uint selector = Operand.Register<ushort>(s, i->Destination);
        uint rpl = Operand.Register<ushort>(s, i->Source) & 3;
        bool raised = (selector & 3) < rpl;
        if (raised)
        {
            Operand.SetRegister<ushort>(s, i->Destination, (selector & 0xFFFC) | rpl);
        }

        SetZero(s, raised);
        return Flow.Next(s, i, cpu);
    }

    private static nint AdjustRplMemory(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        if (!cpu.IsProtected)
        {
            return Flow.Raise(i, cpu, Vector.InvalidOpcode);
        }

        // Processors read, and write only what they change: a page that may not be written is good enough for an RPL that stays.
        if (!FromMemory.Read(s, i, cpu, out ushort selector))
        {
            return Flow.StopHere(i, cpu);
        }

        uint rpl = Operand.Register<ushort>(s, i->Source) & 3;
        if ((selector & 3u) >= rpl)
        {
            SetZero(s, false);
            return Flow.Next(s, i, cpu);
        }

        byte* target = Segmented.Update(s, i, cpu, 2);
        if (target == null)
        {
            return Flow.StopHere(i, cpu);
        }

        SetZero(s, true);
        *(ushort*)target = (ushort)((selector & 0xFFFCu) | rpl);
        return Flow.NextIf(Segmented.Commit(cpu, target), s, i, cpu);
    }

    // False only for a page fault in the table; a selector that names nothing gives null.
    private static bool Look(Interpreter cpu, ushort selector, out Descriptor? found)
    {
        found = null;
        if (Interpreter.IsNull(selector))
        {
            return true;
        }

        Interpreter.TableLookup lookup = cpu.LookUpDescriptor(selector, out Descriptor descriptor);
        if (lookup == Interpreter.TableLookup.Found)
        {
            found = descriptor;
        }

        return lookup != Interpreter.TableLookup.Fault;
    }

    private static bool IsVisible(CpuState* s, ushort selector, in Descriptor descriptor) =>
        descriptor.IsConforming || (descriptor.Dpl >= s->Cpl && descriptor.Dpl >= (selector & 3));

    private static void SetZero(CpuState* s, bool zero) =>
        LazyFlags.Set(s, (LazyFlags.Get(s) & ~Eflags.ZF) | (zero ? Eflags.ZF : 0));

    private interface IQuestion
    {
        static abstract bool Accepts(in Descriptor descriptor);

        static abstract uint Answer(in Descriptor descriptor);
    }

    private interface ISelectorSource
    {
        static abstract bool Read(CpuState* s, DecodedInstruction* i, Interpreter cpu, out ushort selector);
    }

    // LAR: everything but the types that are reserved and the gates of the IDT (SDM 2A, table 3-53).
    private readonly struct AccessRights : IQuestion
    {
        public static bool Accepts(in Descriptor descriptor) => descriptor.System is SystemType.None or SystemType.LocalTable
            or SystemType.CallGate16 or SystemType.CallGate32 or SystemType.TaskGate || descriptor.IsTaskState;

        public static uint Answer(in Descriptor descriptor) => descriptor.High & 0x00F0_FF00;
    }

    // LSL: what has a limit (SDM 2A, table 3-56).
    private readonly struct SegmentLimit : IQuestion
    {
        public static bool Accepts(in Descriptor descriptor) =>
            descriptor.System is SystemType.None or SystemType.LocalTable || descriptor.IsTaskState;

        public static uint Answer(in Descriptor descriptor) => descriptor.Limit;
    }

    private readonly struct Readable : IQuestion
    {
        public static bool Accepts(in Descriptor descriptor) => descriptor.IsReadable;

        public static uint Answer(in Descriptor descriptor) => 0;
    }

    private readonly struct Writable : IQuestion
    {
        public static bool Accepts(in Descriptor descriptor) => descriptor.IsWritable;

        public static uint Answer(in Descriptor descriptor) => 0;
    }

    private readonly struct FromRegister : ISelectorSource
    {
        public static bool Read(CpuState* s, DecodedInstruction* i, Interpreter cpu, out ushort selector)
        {
            selector = (ushort)Operand.Register<ushort>(s, i->Destination);
            return true;
        }
    }

    private readonly struct SourceRegister : ISelectorSource
    {
        public static bool Read(CpuState* s, DecodedInstruction* i, Interpreter cpu, out ushort selector)
        {
            selector = (ushort)Operand.Register<ushort>(s, i->Source);
            return true;
        }
    }

    private readonly struct FromMemory : ISelectorSource
    {
        public static bool Read(CpuState* s, DecodedInstruction* i, Interpreter cpu, out ushort selector)
        {
            byte* source = Segmented.Read(s, i, cpu, 2);
            selector = source == null ? (ushort)0 : *(ushort*)source;
            return source != null;
        }
    }
}
