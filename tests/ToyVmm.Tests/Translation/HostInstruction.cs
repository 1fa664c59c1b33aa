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
    /// The two instructions in front that count the block are of their own: the first cannot fault, and a fault at the second means that the
    /// budget does not suffice, so the block begins anew with its instructions given back.
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
        bool counted = false;
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
            }

            InstructionInfo information = factory.GetInfo(x);
            bool counts = guest < 0 && !counted && x.Code == Code.Lea_r64_m && x.Op0Register == Register.R14;
            counted |= counts;
            result.Add(new HostInstruction(block, guest, x, !changed && !exchanged && !counts, CanRaise(x, information)));
            if (IsExchange(x))
            {
                exchanged = !exchanged;
            }
            else
            {
                changed |= !counts && ChangesGuest(x, information);
            }
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
            bool isOurs = used.Register.GetFullRegister() is Register.R8 or Register.R9 or Register.R13 or Register.RIP;
            if (IsWrite(used.Access) && !isOurs)
            {
                return true;
            }
        }

        foreach (UsedMemory memory in information.GetUsedMemory())
        {
            // Below the state lies what emitted code and the VMM exchange; EIP is what a way out stores.
            bool isOurs = memory.Base == Register.R15 && ((long)memory.Displacement < 0 || (int)memory.Displacement == StateOffset.Eip);
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
            bool isOurs = memory.Base == Register.R15 || (memory.Base == Register.R11 && memory.Index == Register.R13);
            if (!isOurs)
            {
                return true;
            }
        }

        return false;
    }

    private static bool IsWrite(OpAccess access) => access is OpAccess.Write or OpAccess.ReadWrite or OpAccess.CondWrite or OpAccess.ReadCondWrite;
}
