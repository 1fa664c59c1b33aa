using Iced.Intel;

namespace ToyVmm.Engines.Interpretation.Instructions;

/// <summary>Every x87 instruction, one line each: mnemonic to handler. What is not here is #UD.</summary>
internal static unsafe class X87Table
{
    /// <summary>The handler of an instruction that is in no other table.</summary>
    public static Handler Select(in Instruction x) => x.Mnemonic switch
    {
        // Arithmetic
        Mnemonic.Fadd or Mnemonic.Fiadd => X87Arithmetic.Select<X87Add>(x),
        Mnemonic.Fsub or Mnemonic.Fisub => X87Arithmetic.Select<X87Subtract>(x),
        Mnemonic.Fsubr or Mnemonic.Fisubr => X87Arithmetic.Select<X87SubtractReversed>(x),
        Mnemonic.Fmul or Mnemonic.Fimul => X87Arithmetic.Select<X87Multiply>(x),
        Mnemonic.Fdiv or Mnemonic.Fidiv => X87Arithmetic.Select<X87Divide>(x),
        Mnemonic.Fdivr or Mnemonic.Fidivr => X87Arithmetic.Select<X87DivideReversed>(x),
        Mnemonic.Faddp => &X87Arithmetic.RegistersAndPop<X87Add>,
        Mnemonic.Fsubp => &X87Arithmetic.RegistersAndPop<X87Subtract>,
        Mnemonic.Fsubrp => &X87Arithmetic.RegistersAndPop<X87SubtractReversed>,
        Mnemonic.Fmulp => &X87Arithmetic.RegistersAndPop<X87Multiply>,
        Mnemonic.Fdivp => &X87Arithmetic.RegistersAndPop<X87Divide>,
        Mnemonic.Fdivrp => &X87Arithmetic.RegistersAndPop<X87DivideReversed>,
        Mnemonic.Fsqrt => &X87Arithmetic.Unary<X87SquareRoot>,
        Mnemonic.Frndint => &X87Arithmetic.Unary<X87RoundToInteger>,
        Mnemonic.Fabs => &X87Arithmetic.Unary<X87Absolute>,
        Mnemonic.Fchs => &X87Arithmetic.Unary<X87ChangeSign>,
        Mnemonic.Fprem => &X87Remainder.Truncated,
        Mnemonic.Fprem1 => &X87Remainder.ToNearest,
        Mnemonic.Fscale => &X87Remainder.Scale,
        Mnemonic.Fxtract => &X87Remainder.Extract,

        // Transcendental
        Mnemonic.F2xm1 => &X87Transcendental.Exponential,
        Mnemonic.Fyl2x => &X87Transcendental.Binary<X87YLog2X>,
        Mnemonic.Fyl2xp1 => &X87Transcendental.Binary<X87YLog2XPlusOne>,
        Mnemonic.Fsin => &X87Transcendental.Angle<X87Sine>,
        Mnemonic.Fcos => &X87Transcendental.Angle<X87Cosine>,
        Mnemonic.Fsincos => &X87Transcendental.SineAndCosine,
        Mnemonic.Fptan => &X87Transcendental.Tangent,
        Mnemonic.Fpatan => &X87Transcendental.Binary<X87ArcTangent>,

        // Loads
        Mnemonic.Fld or Mnemonic.Fild => X87Loads.Select(x),
        Mnemonic.Fbld => &X87Loads.Decimal,
        Mnemonic.Fld1 => &X87Loads.LoadOne,
        Mnemonic.Fldl2t => &X87Loads.LoadLog2Of10,
        Mnemonic.Fldl2e => &X87Loads.LoadLog2OfE,
        Mnemonic.Fldpi => &X87Loads.LoadPi,
        Mnemonic.Fldlg2 => &X87Loads.LoadLog10Of2,
        Mnemonic.Fldln2 => &X87Loads.LoadLn2,
        Mnemonic.Fldz => &X87Loads.LoadZero,

        // Stores and moves
        Mnemonic.Fst or Mnemonic.Fist => X87Stores.Select(x, pops: false),
        Mnemonic.Fstp or Mnemonic.Fistp => X87Stores.Select(x, pops: true),
        Mnemonic.Fisttp => X87Stores.SelectTruncated(x),
        Mnemonic.Fstpnce => &X87Stores.RegisterAndPopUnchecked,
        Mnemonic.Fbstp => &X87Stores.DecimalAndPop,
        Mnemonic.Fxch => &X87Stores.Exchange,
        Mnemonic.Fcmovb => &X87Stores.ConditionalMove<IfBelow>,
        Mnemonic.Fcmove => &X87Stores.ConditionalMove<IfEqual>,
        Mnemonic.Fcmovbe => &X87Stores.ConditionalMove<IfBelowOrEqual>,
        Mnemonic.Fcmovu => &X87Stores.ConditionalMove<IfParity>,
        Mnemonic.Fcmovnb => &X87Stores.ConditionalMove<IfNot<IfBelow>>,
        Mnemonic.Fcmovne => &X87Stores.ConditionalMove<IfNot<IfEqual>>,
        Mnemonic.Fcmovnbe => &X87Stores.ConditionalMove<IfNot<IfBelowOrEqual>>,
        Mnemonic.Fcmovnu => &X87Stores.ConditionalMove<IfNot<IfParity>>,

        // Comparison
        Mnemonic.Fcom or Mnemonic.Ficom => X87Comparison.Select(x, pops: false),
        Mnemonic.Fcomp or Mnemonic.Ficomp => X87Comparison.Select(x, pops: true),
        Mnemonic.Fcompp => &X87Comparison.PopTwice,
        Mnemonic.Fucom => &X87Comparison.Unordered,
        Mnemonic.Fucomp => &X87Comparison.UnorderedAndPop,
        Mnemonic.Fucompp => &X87Comparison.UnorderedAndPopTwice,
        Mnemonic.Fcomi => &X87Comparison.Flags,
        Mnemonic.Fcomip => &X87Comparison.FlagsAndPop,
        Mnemonic.Fucomi => &X87Comparison.UnorderedFlags,
        Mnemonic.Fucomip => &X87Comparison.UnorderedFlagsAndPop,
        Mnemonic.Ftst => &X87Comparison.Test,
        Mnemonic.Fxam => &X87Comparison.Examine,

        // Control
        Mnemonic.Wait => &X87Control.Wait,
        Mnemonic.Fninit or Mnemonic.Finit => &X87Control.Initialize,
        Mnemonic.Fnclex or Mnemonic.Fclex => &X87Control.ClearExceptions,
        Mnemonic.Fneni or Mnemonic.Fndisi or Mnemonic.Fnsetpm => &X87Control.Obsolete,
        Mnemonic.Fnop => &X87Control.NoOperation,
        Mnemonic.Fldcw => &X87Control.LoadControl,
        Mnemonic.Fnstcw or Mnemonic.Fstcw => &X87Control.StoreControl,
        Mnemonic.Fnstsw or Mnemonic.Fstsw => X87Control.StoreStatus(x),
        Mnemonic.Fincstp => &X87Control.IncrementTop,
        Mnemonic.Fdecstp => &X87Control.DecrementTop,
        Mnemonic.Ffree => &X87Control.Free,
        Mnemonic.Ffreep => &X87Control.FreeAndPop,
        Mnemonic.Fnstenv or Mnemonic.Fstenv => X87Environment.Store(x),
        Mnemonic.Fldenv => X87Environment.Load(x),
        Mnemonic.Fnsave or Mnemonic.Fsave => X87Environment.Save(x),
        Mnemonic.Frstor => X87Environment.Restore(x),

        _ => &HandlerTable.InvalidOpcode,
    };
}
