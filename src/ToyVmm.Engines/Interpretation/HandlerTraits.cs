using Iced.Intel;

namespace ToyVmm.Engines.Interpretation;

/// <summary>Which instructions end a block although they do not branch: those that may change how the next ones decode, translate or are interrupted.</summary>
internal static class HandlerTraits
{
    /// <summary>True for an instruction behind which the run loop must look at the CPU's mode and events.</summary>
    public static bool EndsBlock(in Instruction x)
    {
        switch (x.Mnemonic)
        {
            // Segment registers (SS casts a shadow; all of them may change what is flat).
            case Mnemonic.Mov when x.Op0Kind == OpKind.Register && !x.Op0Register.IsGPR():
            case Mnemonic.Pop when x.Op0Kind == OpKind.Register && !x.Op0Register.IsGPR():
            case Mnemonic.Lds or Mnemonic.Les or Mnemonic.Lfs or Mnemonic.Lgs or Mnemonic.Lss:

            // Flags beyond the arithmetic ones.
            case Mnemonic.Popf or Mnemonic.Popfd or Mnemonic.Sti or Mnemonic.Cli:

            // System state; MOV from CR and DR too, since they are rare.
            case Mnemonic.Lgdt or Mnemonic.Lidt or Mnemonic.Lldt or Mnemonic.Ltr or Mnemonic.Lmsw or Mnemonic.Clts:
            case Mnemonic.Invd or Mnemonic.Wbinvd or Mnemonic.Invlpg or Mnemonic.Hlt or Mnemonic.Wrmsr or Mnemonic.Rdmsr:
            case Mnemonic.Vmcall or Mnemonic.Cpuid or Mnemonic.Rdpmc:

            // The count of retired instructions is exact at the end of a block.
            case Mnemonic.Rdtsc:

            // The monitor performs these.
            case Mnemonic.In or Mnemonic.Out or Mnemonic.Insb or Mnemonic.Insw or Mnemonic.Insd or Mnemonic.Outsb or Mnemonic.Outsw or Mnemonic.Outsd:
                return true;
            default:
                return false;
        }
    }
}
