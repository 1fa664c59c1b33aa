using Iced.Intel;
using ToyVmm.Engines.Decoding;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation.Instructions;

/// <summary>SETcc, CMOVcc, LOOPcc, JCXZ and JECXZ.</summary>
internal static unsafe class Conditional
{
    /// <summary>The handler of a SETcc.</summary>
    public static Handler Set(in Instruction x, AddressForm form) => x.ConditionCode switch
    {
        ConditionCode.o => Set<IfOverflow>(x, form),
        ConditionCode.no => Set<IfNot<IfOverflow>>(x, form),
        ConditionCode.b => Set<IfBelow>(x, form),
        ConditionCode.ae => Set<IfNot<IfBelow>>(x, form),
        ConditionCode.e => Set<IfEqual>(x, form),
        ConditionCode.ne => Set<IfNot<IfEqual>>(x, form),
        ConditionCode.be => Set<IfBelowOrEqual>(x, form),
        ConditionCode.a => Set<IfNot<IfBelowOrEqual>>(x, form),
        ConditionCode.s => Set<IfSign>(x, form),
        ConditionCode.ns => Set<IfNot<IfSign>>(x, form),
        ConditionCode.p => Set<IfParity>(x, form),
        ConditionCode.np => Set<IfNot<IfParity>>(x, form),
        ConditionCode.l => Set<IfLess>(x, form),
        ConditionCode.ge => Set<IfNot<IfLess>>(x, form),
        ConditionCode.le => Set<IfLessOrEqual>(x, form),
        _ => Set<IfNot<IfLessOrEqual>>(x, form),
    };

    /// <summary>The handler of a CMOVcc.</summary>
    public static Handler Move(in Instruction x, AddressForm form) => x.ConditionCode switch
    {
        ConditionCode.o => Move<IfOverflow>(x, form),
        ConditionCode.no => Move<IfNot<IfOverflow>>(x, form),
        ConditionCode.b => Move<IfBelow>(x, form),
        ConditionCode.ae => Move<IfNot<IfBelow>>(x, form),
        ConditionCode.e => Move<IfEqual>(x, form),
        ConditionCode.ne => Move<IfNot<IfEqual>>(x, form),
        ConditionCode.be => Move<IfBelowOrEqual>(x, form),
        ConditionCode.a => Move<IfNot<IfBelowOrEqual>>(x, form),
        ConditionCode.s => Move<IfSign>(x, form),
        ConditionCode.ns => Move<IfNot<IfSign>>(x, form),
        ConditionCode.p => Move<IfParity>(x, form),
        ConditionCode.np => Move<IfNot<IfParity>>(x, form),
        ConditionCode.l => Move<IfLess>(x, form),
        ConditionCode.ge => Move<IfNot<IfLess>>(x, form),
        ConditionCode.le => Move<IfLessOrEqual>(x, form),
        _ => Move<IfNot<IfLessOrEqual>>(x, form),
    };

    /// <summary>The handler of LOOP, LOOPE and LOOPNE: the address size tells whether CX or ECX counts.</summary>
    /// <remarks>
    /// REP prefixes are reserved here. On AMD's processors F3 makes LOOPNE a LOOPE, and F2 makes LOOPE a LOOPNE (the host CPU shows
    /// it); LOOP is not affected.
    /// </remarks>
    public static Handler Loop(in Instruction x) => x.Mnemonic switch
    {
        Mnemonic.Loop => Loop<Always>(x),
        _ when x.HasRepnePrefix => Loop<IfNot<IfEqual>>(x),
        _ when x.HasRepePrefix => Loop<IfEqual>(x),
        Mnemonic.Loope => Loop<IfEqual>(x),
        _ => Loop<IfNot<IfEqual>>(x),
    };

    /// <summary>The handler of JCXZ and JECXZ.</summary>
    public static Handler JumpIfCountZero(in Instruction x) =>
        x.Mnemonic == Mnemonic.Jecxz ? &JumpIfCountZero<uint> : &JumpIfCountZero<ushort>;

    private static Handler Loop<TCondition>(in Instruction x)
        where TCondition : struct, ICondition
        => CountsInEcx(x.Code) ? &LoopWhile<uint, TCondition> : &LoopWhile<ushort, TCondition>;

    private static bool CountsInEcx(Code code) =>
        code is Code.Loop_rel8_16_ECX or Code.Loop_rel8_32_ECX or Code.Loope_rel8_16_ECX or Code.Loope_rel8_32_ECX
            or Code.Loopne_rel8_16_ECX or Code.Loopne_rel8_32_ECX;

    private static Handler Set<TCondition>(in Instruction x, AddressForm form)
        where TCondition : struct, ICondition
        => x.Op0Kind == OpKind.Register
            ? &SetRegister<TCondition>
            : form switch
            {
                AddressForm.FlatBase => &SetMemory<TCondition, FlatBase>,
                AddressForm.FlatIndexed => &SetMemory<TCondition, FlatIndexed>,
                _ => &SetMemory<TCondition, Segmented>,
            };

    private static Handler Move<TCondition>(in Instruction x, AddressForm form)
        where TCondition : struct, ICondition
        => Width.Of(x) == 2 ? Move<ushort, TCondition>(x, form) : Move<uint, TCondition>(x, form);

    private static Handler Move<T, TCondition>(in Instruction x, AddressForm form)
        where T : unmanaged
        where TCondition : struct, ICondition
        => x.Op1Kind == OpKind.Register
            ? &MoveRegister<T, TCondition>
            : form switch
            {
                AddressForm.FlatBase => &MoveMemory<T, TCondition, FlatBase>,
                AddressForm.FlatIndexed => &MoveMemory<T, TCondition, FlatIndexed>,
                _ => &MoveMemory<T, TCondition, Segmented>,
            };

    private static nint SetRegister<TCondition>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where TCondition : struct, ICondition
    {
        Operand.SetRegister<byte>(s, i->Destination, TCondition.Holds(s) ? 1u : 0);
        return Flow.Next(s, i, cpu);
    }

    private static nint SetMemory<TCondition, TAddress>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where TCondition : struct, ICondition
        where TAddress : struct, IAddress
    {
        byte* target = TAddress.Write(s, i, cpu, 1);
        if (target == null)
        {
            return TAddress.IsDirect ? SetMemory<TCondition, Segmented>(s, i, cpu) : Flow.StopHere(i, cpu);
        }

        *target = TCondition.Holds(s) ? (byte)1 : (byte)0;
        return Flow.NextIf(TAddress.Commit(cpu, target), s, i, cpu);
    }

    private static nint MoveRegister<T, TCondition>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where T : unmanaged
        where TCondition : struct, ICondition
    {
        if (TCondition.Holds(s))
        {
            Operand.SetRegister<T>(s, i->Destination, Operand.Register<T>(s, i->Source));
        }

        return Flow.Next(s, i, cpu);
    }

    // The source is read, and may fault, whether the condition holds or not (SDM 2A, CMOVcc).
    private static nint MoveMemory<T, TCondition, TAddress>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where T : unmanaged
        where TCondition : struct, ICondition
        where TAddress : struct, IAddress
    {
        byte* source = TAddress.Read(s, i, cpu, sizeof(T));
        if (source == null)
        {
            return TAddress.IsDirect ? MoveMemory<T, TCondition, Segmented>(s, i, cpu) : Flow.StopHere(i, cpu);
        }

        if (TCondition.Holds(s))
        {
            Operand.SetRegister<T>(s, i->Destination, Operand.Load<T>(source));
        }

        return Flow.Next(s, i, cpu);
    }

    private static nint LoopWhile<TCount, TCondition>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where TCount : unmanaged
        where TCondition : struct, ICondition
    {
        uint count = Operand.Load<TCount>((byte*)&s->Ecx) - 1;
        if ((count & Operand.Mask<TCount>()) == 0 || !TCondition.Holds(s))
        {
            Operand.Store<TCount>((byte*)&s->Ecx, count);
            return Flow.Branch(s, i, cpu, &((BranchLinks*)(i + 1))->Fallthrough, i->NextEip);
        }

        if (!ControlTransfer.CheckTarget(s, cpu, i->Immediate))
        {
            return Flow.StopHere(i, cpu);
        }

        Operand.Store<TCount>((byte*)&s->Ecx, count);
        return Flow.Branch(s, i, cpu, &((BranchLinks*)(i + 1))->Taken, i->Immediate);
    }

    private static nint JumpIfCountZero<TCount>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where TCount : unmanaged
    {
        if (Operand.Load<TCount>((byte*)&s->Ecx) != 0)
        {
            return Flow.Branch(s, i, cpu, &((BranchLinks*)(i + 1))->Fallthrough, i->NextEip);
        }

        return ControlTransfer.CheckTarget(s, cpu, i->Immediate)
            ? Flow.Branch(s, i, cpu, &((BranchLinks*)(i + 1))->Taken, i->Immediate)
            : Flow.StopHere(i, cpu);
    }

    private readonly struct Always : ICondition
    {
        public static bool Holds(CpuState* s) => true;
    }
}
