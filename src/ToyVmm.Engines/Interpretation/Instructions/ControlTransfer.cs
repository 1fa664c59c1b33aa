using System.Runtime.CompilerServices;
using Iced.Intel;
using ToyVmm.Engines.Decoding;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation.Instructions;

/// <summary>Near jumps, calls and returns. A target beyond the limit of CS is #GP(0) of the branch itself (SDM 2, JMP), before it changes anything.</summary>
internal static unsafe class ControlTransfer
{
    /// <summary>The handler of a near JMP.</summary>
    public static Handler Jump(in Instruction x, AddressForm form) => x.Op0Kind switch
    {
        OpKind.NearBranch16 or OpKind.NearBranch32 => &JumpRelative,
        OpKind.Register => Width.Of(x) == 2 ? &JumpRegister<ushort> : &JumpRegister<uint>,
        _ => Width.Of(x) == 2
            ? &JumpMemory<ushort, Segmented>
            : form switch
            {
                AddressForm.FlatBase => &JumpMemory<uint, FlatBase>,
                AddressForm.FlatIndexed => &JumpMemory<uint, FlatIndexed>,
                _ => &JumpMemory<uint, Segmented>,
            },
    };

    /// <summary>The handler of a near CALL.</summary>
    public static Handler Call(in Instruction x, AddressForm form) => x.Op0Kind switch
    {
        OpKind.NearBranch16 => &CallRelative<ushort>,
        OpKind.NearBranch32 => &CallRelative<uint>,
        OpKind.Register => Width.Of(x) == 2 ? &CallRegister<ushort> : &CallRegister<uint>,
        _ => Width.Of(x) == 2
            ? &CallMemory<ushort, Segmented>
            : form switch
            {
                AddressForm.FlatBase => &CallMemory<uint, FlatBase>,
                AddressForm.FlatIndexed => &CallMemory<uint, FlatIndexed>,
                _ => &CallMemory<uint, Segmented>,
            },
    };

    /// <summary>The handler of a near RET.</summary>
    public static Handler Return(in Instruction x) => x.Code is Code.Retnw or Code.Retnw_imm16 ? &Return<ushort> : &Return<uint>;

    /// <summary>The handler of a Jcc.</summary>
    public static Handler JumpConditional(in Instruction x) => x.ConditionCode switch
    {
        ConditionCode.o => &JumpIf<IfOverflow>,
        ConditionCode.no => &JumpIf<IfNot<IfOverflow>>,
        ConditionCode.b => &JumpIf<IfBelow>,
        ConditionCode.ae => &JumpIf<IfNot<IfBelow>>,
        ConditionCode.e => &JumpIf<IfEqual>,
        ConditionCode.ne => &JumpIf<IfNot<IfEqual>>,
        ConditionCode.be => &JumpIf<IfBelowOrEqual>,
        ConditionCode.a => &JumpIf<IfNot<IfBelowOrEqual>>,
        ConditionCode.s => &JumpIf<IfSign>,
        ConditionCode.ns => &JumpIf<IfNot<IfSign>>,
        ConditionCode.p => &JumpIf<IfParity>,
        ConditionCode.np => &JumpIf<IfNot<IfParity>>,
        ConditionCode.l => &JumpIf<IfLess>,
        ConditionCode.ge => &JumpIf<IfNot<IfLess>>,
        ConditionCode.le => &JumpIf<IfLessOrEqual>,
        _ => &JumpIf<IfNot<IfLessOrEqual>>,
    };

    /// <summary>True when EIP may be set to a target; otherwise #GP(0) is pending.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool CheckTarget(CpuState* s, Interpreter cpu, uint target) =>
        target <= s->Cs.Limit || cpu.Raise(Vector.GeneralProtection, 0, "branch beyond the limit of CS");

    private static nint JumpRelative(CpuState* s, DecodedInstruction* i, Interpreter cpu) =>
        CheckTarget(s, cpu, i->Immediate)
            ? Flow.Branch(s, i, cpu, &((BranchLinks*)(i + 1))->Taken, i->Immediate)
            : Flow.StopHere(i, cpu);

    private static nint JumpIf<TCondition>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where TCondition : struct, ICondition
    {
        if (!TCondition.Holds(s))
        {
            return Flow.Branch(s, i, cpu, &((BranchLinks*)(i + 1))->Fallthrough, i->NextEip);
        }

        return CheckTarget(s, cpu, i->Immediate)
            ? Flow.Branch(s, i, cpu, &((BranchLinks*)(i + 1))->Taken, i->Immediate)
            : Flow.StopHere(i, cpu);
    }

    private static nint JumpRegister<T>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where T : unmanaged
        => JumpTo(s, i, cpu, Operand.Register<T>(s, i->Destination));

    private static nint JumpMemory<T, TAddress>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where T : unmanaged
        where TAddress : struct, IAddress
    {
        byte* source = TAddress.Read(s, i, cpu, sizeof(T));
        if (source == null)
        {
            return TAddress.IsDirect ? JumpMemory<T, Segmented>(s, i, cpu) : Flow.StopHere(i, cpu);
        }

        return JumpTo(s, i, cpu, Operand.Load<T>(source));
    }

    private static nint JumpTo(CpuState* s, DecodedInstruction* i, Interpreter cpu, uint target)
    {
        if (!CheckTarget(s, cpu, target))
        {
            return Flow.StopHere(i, cpu);
        }

        return cpu.GoTo(target);
    }

    private static nint CallRelative<T>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where T : unmanaged
    {
        if (!CheckTarget(s, cpu, i->Immediate))
        {
            return Flow.StopHere(i, cpu);
        }

        byte* target = Stack.BeginPush(s, cpu, sizeof(T));
        if (target == null)
        {
            return Flow.StopHere(i, cpu);
        }

        Operand.Store<T>(target, i->NextEip);
        Stack.Move(s, -sizeof(T));
        return cpu.CommitWrite(target)
            ? Flow.Branch(s, i, cpu, &((BranchLinks*)(i + 1))->Taken, i->Immediate)
            : Flow.LeaveTo(s, i, cpu, i->Immediate);
    }

    private static nint CallRegister<T>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where T : unmanaged
        => CallTo<T>(s, i, cpu, Operand.Register<T>(s, i->Destination));

    private static nint CallMemory<T, TAddress>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where T : unmanaged
        where TAddress : struct, IAddress
    {
        byte* source = TAddress.Read(s, i, cpu, sizeof(T));
        if (source == null)
        {
            return TAddress.IsDirect ? CallMemory<T, Segmented>(s, i, cpu) : Flow.StopHere(i, cpu);
        }

        return CallTo<T>(s, i, cpu, Operand.Load<T>(source));
    }

    private static nint CallTo<T>(CpuState* s, DecodedInstruction* i, Interpreter cpu, uint address)
        where T : unmanaged
    {
        byte* target = CheckTarget(s, cpu, address) ? Stack.BeginPush(s, cpu, sizeof(T)) : null;
        if (target == null)
        {
            return Flow.StopHere(i, cpu);
        }

        Operand.Store<T>(target, i->NextEip);
        Stack.Move(s, -sizeof(T));
        return cpu.CommitWrite(target) ? cpu.GoTo(address) : Flow.LeaveTo(s, i, cpu, address);
    }

    private static nint Return<T>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where T : unmanaged
    {
        byte* source = Stack.Top(s, cpu, sizeof(T));
        if (source == null)
        {
            return Flow.StopHere(i, cpu);
        }

        uint target = Operand.Load<T>(source);
        if (!CheckTarget(s, cpu, target))
        {
            return Flow.StopHere(i, cpu);
        }

        Stack.Move(s, sizeof(T) + (int)i->Immediate);
        return cpu.GoTo(target);
    }
}
