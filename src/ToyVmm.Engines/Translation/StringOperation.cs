using Iced.Intel;

namespace ToyVmm.Engines.Translation;

/// <summary>A string instruction that runs on the host.</summary>
/// <param name="Mnemonic">Which.</param>
/// <param name="Segment">Of its source.</param>
/// <param name="Repeat">The prefix.</param>
internal readonly record struct StringOperation(Mnemonic Mnemonic, Register Segment, RepPrefixKind Repeat)
{
    /// <summary>True with a REP prefix.</summary>
    public bool Repeats => Repeat != RepPrefixKind.None;

    /// <summary>True for CMPS and SCAS, which set flags.</summary>
    public bool Compares => Mnemonic is Mnemonic.Cmpsb or Mnemonic.Cmpsw or Mnemonic.Cmpsd or Mnemonic.Scasb or Mnemonic.Scasw or Mnemonic.Scasd;

    /// <summary>True when it reads through ESI.</summary>
    public bool Source => Mnemonic is not (Mnemonic.Stosb or Mnemonic.Stosw or Mnemonic.Stosd or Mnemonic.Scasb or Mnemonic.Scasw or Mnemonic.Scasd);

    /// <summary>True when it reads or writes through EDI.</summary>
    public bool Destination => Mnemonic is not (Mnemonic.Lodsb or Mnemonic.Lodsw or Mnemonic.Lodsd);

    /// <summary>Recognises one: with 32-bit addresses, and not one that runs as the guest wrote it.</summary>
    /// <param name="x">The guest's instruction.</param>
    /// <param name="based">True where the segment of its source has a base.</param>
    /// <param name="operation">What it is.</param>
    public static bool TryParse(in Instruction x, bool based, out StringOperation operation)
    {
        operation = default;
        bool addresses32 = false;
        for (int n = 0; n < x.OpCount; n++)
        {
            addresses32 |= x.GetOpKind(n) is OpKind.MemoryESEDI or OpKind.MemorySegESI;
        }

        // MOVSD and CMPSD are mnemonics of SSE2 too; INS and OUTS are the monitor's.
        bool known = x.Code is Code.Movsb_m8_m8 or Code.Movsw_m16_m16 or Code.Movsd_m32_m32 or Code.Cmpsb_m8_m8 or Code.Cmpsw_m16_m16 or Code.Cmpsd_m32_m32
            or Code.Stosb_m8_AL or Code.Stosw_m16_AX or Code.Stosd_m32_EAX or Code.Lodsb_AL_m8 or Code.Lodsw_AX_m16 or Code.Lodsd_EAX_m32
            or Code.Scasb_AL_m8 or Code.Scasw_AX_m16 or Code.Scasd_EAX_m32;
        if (!known || !addresses32 || (!based && IdentityList.Contains(x)))
        {
            return false;
        }

        RepPrefixKind repeat = x.HasRepnePrefix ? RepPrefixKind.Repne : x.HasRepPrefix ? RepPrefixKind.Repe : RepPrefixKind.None;
        operation = new StringOperation(x.Mnemonic, x.MemorySegment, repeat);
        if (repeat == RepPrefixKind.Repne && !operation.Compares)
        {
            // F2 means nothing else than F3 where nothing is compared.
            operation = operation with { Repeat = RepPrefixKind.Repe };
        }

        return true;
    }

    /// <summary>The same with 64-bit addresses, and no segment.</summary>
    public Instruction In64Bits() => Mnemonic switch
    {
        Mnemonic.Movsb => Instruction.CreateMovsb(64, Register.None, Repeat),
        Mnemonic.Movsw => Instruction.CreateMovsw(64, Register.None, Repeat),
        Mnemonic.Movsd => Instruction.CreateMovsd(64, Register.None, Repeat),
        Mnemonic.Cmpsb => Instruction.CreateCmpsb(64, Register.None, Repeat),
        Mnemonic.Cmpsw => Instruction.CreateCmpsw(64, Register.None, Repeat),
        Mnemonic.Cmpsd => Instruction.CreateCmpsd(64, Register.None, Repeat),
        Mnemonic.Stosb => Instruction.CreateStosb(64, Repeat),
        Mnemonic.Stosw => Instruction.CreateStosw(64, Repeat),
        Mnemonic.Stosd => Instruction.CreateStosd(64, Repeat),
        Mnemonic.Lodsb => Instruction.CreateLodsb(64, Register.None, Repeat),
        Mnemonic.Lodsw => Instruction.CreateLodsw(64, Register.None, Repeat),
        Mnemonic.Lodsd => Instruction.CreateLodsd(64, Register.None, Repeat),
        Mnemonic.Scasb => Instruction.CreateScasb(64, Repeat),
        Mnemonic.Scasw => Instruction.CreateScasw(64, Repeat),
        _ => Instruction.CreateScasd(64, Repeat),
    };
}
