using Iced.Intel;
using ToyVmm.Engines.Translation;

namespace ToyVmm.Tests.Translation;

/// <summary>One instruction of emitted code.</summary>
/// <param name="Block">The block.</param>
/// <param name="Guest">Which of its guest's instructions it was emitted for; -1 in front of the first.</param>
/// <param name="X">The instruction; its IP is an offset in the code cache.</param>
/// <param name="IsRestartPoint">True where the guest's instruction can begin anew: nothing that the guest can see has changed since its start.</param>
/// <param name="CanFault">True where the host may raise an exception: an access to anything but the VMM's own structures, or a division.</param>
internal sealed record HostInstruction(TranslatedBlock Block, int Guest, Instruction X, bool IsRestartPoint, bool CanFault)
{
    /// <summary>Its offset in the code cache.</summary>
    public int Offset => (int)X.IP;

    /// <summary>For messages.</summary>
    public override string ToString() => $"'{X}' at 0x{X.IP:X}, of guest instruction {Guest} at 0x{(Guest < 0 ? Block.Starts[0] : Block.Starts[Guest]):X}";

    /// <summary>
    /// Decodes a block. The definition of a restart point: neither it nor anything emitted for the same guest instruction in front of it - in
    /// address order; there are forward branches only - has written (and not written back) a guest register, a flag, guest memory or the state, EIP excepted,
    /// nor given instructions back to the budget.
    /// </summary>
    /// <remarks>
    /// Beside that, the host's string instruction is one, whose registers are put right after a fault, and ECX may be put aside and brought back. The
    /// count in front and what the block requires are none: a fault there means that the budget does not suffice. Nor are the ways out. What is stored
    /// on the guest's stack where it was just loaded changes nothing, and what was tried before cannot fault
    /// (<see cref="StackAccesses"/>).
    /// </remarks>
    public static List<HostInstruction> Decode(TranslatedBlock block, CodeCache code)
    {
        List<HostInstruction> result = [];
        InstructionInfoFactory factory = new();
        Decoder decoder = Decoder.Create(64, code.Bytes(block.Start, block.Length).ToArray());
        decoder.IP = (ulong)block.Start;
        ulong end = (ulong)(block.Start + block.Length);
        int guest = -1;
        bool changed = false;
        bool exchanged = false;
        bool aside = false;
        bool ecxChanged = false;
        StackAccesses stack = new();
        while (decoder.IP < end)
        {
            decoder.Decode(out Instruction x);
            if (guest + 1 < block.Starts.Count && (int)x.IP >= block.Starts[guest + 1])
            {
                // What the last one has not emitted anything for, if anything, begins where this one does.
                while (guest + 1 < block.Starts.Count && (int)x.IP >= block.Starts[guest + 1])
                {
                    guest++;
                }

                changed = false;
                exchanged = false;
                aside = false;
                ecxChanged = false;
                stack = new StackAccesses();
            }

            InstructionInfo information = factory.GetInfo(x);
            bool isInside = guest >= 0 && (int)x.IP < block.WaysOut;
            bool isClean = !changed && !exchanged && !ecxChanged;
            bool canFault = guest >= 0 && CanRaise(x, information) && !stack.Covers(x);
            result.Add(new HostInstruction(block, guest, x, isInside && (isClean || block.IsStringAt((int)x.IP)), canFault));
            bool saves = x.Code == Code.Mov_r32_rm32 && x.Op0Register == Register.R8D && x.Op1Kind == OpKind.Register && x.Op1Register == Register.ECX;
            bool restores = aside && x.Code == Code.Mov_r32_rm32 && x.Op0Register == Register.ECX && x.Op1Kind == OpKind.Register && x.Op1Register == Register.R8D;
            bool writesEcx = aside && x.OpCount > 0 && x.Op0Kind == OpKind.Register && x.Op0Register == Register.ECX && x.Mnemonic is Mnemonic.Mov or Mnemonic.Movzx or Mnemonic.Lea;
            if (IsExchange(x))
            {
                exchanged = !exchanged;
            }
            else if (writesEcx)
            {
                ecxChanged = !restores;
            }
            else if (!stack.StoresWhatIsThere(x))
            {
                changed |= ChangesGuest(x, information);
            }

            stack.Note(x, Writes(information, Register.R8), Writes(information, Register.R12) || Writes(information, Register.R9));

            aside = saves || (aside && !Writes(information, Register.R8));
        }

        return result;
    }

    // XCHG DL, DH: done twice it is undone, and no block has it otherwise but as an instruction of its own.
    private static bool IsExchange(in Instruction x) =>
        x.Code == Code.Xchg_rm8_r8 && x.Op0Kind == OpKind.Register && x.Op1Register is >= Register.AH and <= Register.BH
        && x.Op0Register == x.Op1Register - Register.AH + Register.AL;

    private static bool ChangesGuest(in Instruction x, InstructionInfo information)
    {
        if (x.RflagsModified != RflagsBits.None)
        {
            return true;
        }

        foreach (UsedRegister used in information.GetUsedRegisters())
        {
            bool isOurs = used.Register.GetFullRegister() is Register.R8 or Register.R9 or Register.R13 or Register.RIP or Register.RSP;
            if (IsWrite(used.Access) && !isOurs)
            {
                return true;
            }
        }

        foreach (UsedMemory memory in information.GetUsedMemory())
        {
            // Below the state lies what emitted code and the VMM exchange; EIP is what a way out stores.
            int offset = (int)memory.Displacement;
            bool isOurs = memory.Base == Register.RSP
                || (memory.Base == Register.R15 && (offset < 0 || offset == StateOffset.Eip) && offset != StateOffset.HostInterruptFlag);
            if (IsWrite(memory.Access) && !isOurs)
            {
                return true;
            }
        }

        return false;
    }

    private static bool CanRaise(in Instruction x, InstructionInfo information)
    {
        if (x.Mnemonic is Mnemonic.Div or Mnemonic.Idiv)
        {
            return true;
        }

        if (x.Mnemonic is Mnemonic.Lea or Mnemonic.Nop)
        {
            return false;
        }

        foreach (UsedMemory memory in information.GetUsedMemory())
        {
            // The jump table can be read everywhere.
            bool isOurs = memory.Base is Register.R15 or Register.RSP || (memory.Base == Register.R11 && memory.Index == Register.R13);
            if (!isOurs)
            {
                return true;
            }
        }

        return false;
    }

    private static bool Writes(InstructionInfo information, Register register)
    {
        foreach (UsedRegister used in information.GetUsedRegisters())
        {
            if (IsWrite(used.Access) && used.Register.GetFullRegister() == register)
            {
                return true;
            }
        }

        return false;
    }

    private static bool IsWrite(OpAccess access) => access is OpAccess.Write or OpAccess.ReadWrite or OpAccess.CondWrite or OpAccess.ReadCondWrite;
}
