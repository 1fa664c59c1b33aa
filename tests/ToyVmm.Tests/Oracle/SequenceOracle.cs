using System.Globalization;
using System.Text;
using Iced.Intel;
using ToyVmm.Tests.Properties;

namespace ToyVmm.Tests.Oracle;

/// <summary>
/// Judges straight lines of instructions that end in a jump: what single instructions cannot show - flags that one
/// instruction leaves and another reads, results that are forwarded, blocks that are compiled or threaded as a whole. ESI, EDI and
/// ESP point into the window and keep their values (but for PUSH and POP), so that every access lands there; a flag that is
/// undefined is never read. A failing program is shrunk by leaving out instructions.
/// </summary>
public sealed class SequenceOracle(HostCpu host, ICpuUnderTest cpu, ulong seed)
{
    private const int MaxInstructions = 8;
    private const int StatesPerProgram = 40;
    private const int Esp = 4;
    private const int Esi = 6;
    private const int Edi = 7;
    private const uint PinnedRegisters = (1u << Esp) | (1u << Esi) | (1u << Edi);
    private const uint Address = OracleLayout.CodeStart + 0x800;
    private const uint Target = OracleLayout.CodeStart + 0x1000;

    // Left out: what branches, repeats, faults, moves the stack far, or has results that are undefined.
    private static readonly InstructionForm[] Forms =
    [
        .. InstructionForms.Judged.Where(form => form is { IsString: false, IsRelativeBranch: false, IsIndirectBranch: false, IsDivision: false }
            && form.Mnemonic is not (Mnemonic.Ret or Mnemonic.Enter or Mnemonic.Leave or Mnemonic.Popa or Mnemonic.Popad or Mnemonic.Pusha or Mnemonic.Pushad
                or Mnemonic.Popf or Mnemonic.Popfd or Mnemonic.Aam or Mnemonic.Bound or Mnemonic.Into or Mnemonic.Xlatb)
            && !(form.Mnemonic is Mnemonic.Shld or Mnemonic.Shrd && form.Info.OperandSize == 16)),
    ];

    private readonly bool isAmd = HostCpu.Vendor() == "AuthenticAMD";
    private readonly byte[] window = new byte[OracleLayout.WindowSize];
    private readonly InstructionInfoFactory factory = new();

    /// <summary>Runs programs until so many cases have been compared, or one differs.</summary>
    /// <param name="cases">How many cases; a few more may be run to fill the last batch.</param>
    /// <param name="supports">Forms that may occur; null for all.</param>
    /// <returns>The cases compared, and the report of the first difference, or null.</returns>
    public (long Cases, string? Mismatch) Judge(long cases, Func<InstructionForm, bool>? supports = null)
    {
        host.Note($"TOYVMM_SEED=0x{seed:X16} sequences");
        var random = new EdgeRandom(seed);
        var encoder = new FormEncoder(random);
        InstructionForm[] forms = supports is null ? Forms : [.. Forms.Where(supports)];
        long done = 0;
        while (done < cases)
        {
            List<EncodedInstruction> program = MakeProgram(random, encoder, forms, out uint undefined);
            for (int i = 0; i < StatesPerProgram; i++)
            {
                FillState(random, host.Input(i));
            }

            RunOnHost(program, StatesPerProgram);
            for (int i = 0; i < StatesPerProgram; i++)
            {
                if (Compare(program, i, undefined) is not null)
                {
                    return (done, Shrink(program, i, undefined));
                }
            }

            done += StatesPerProgram;
        }

        return (done, null);
    }

    private List<EncodedInstruction> MakeProgram(EdgeRandom random, FormEncoder encoder, InstructionForm[] forms, out uint undefined)
    {
        var program = new List<EncodedInstruction>();
        undefined = 0;
        int length = 2 + random.Below(MaxInstructions - 1);
        while (program.Count < length)
        {
            EncodedInstruction candidate = encoder.Encode(forms[random.Below(forms.Length)]);
            if (IsTame(candidate) && ReadsNone(candidate, undefined))
            {
                undefined = UndefinedAfter(candidate, undefined);
                program.Add(candidate);
            }
        }

        return program;
    }

    private bool IsTame(EncodedInstruction instruction)
    {
        Instruction decoded = instruction.Instruction;
        bool usesStack = instruction.Form.Mnemonic is Mnemonic.Push or Mnemonic.Pop or Mnemonic.Pushf or Mnemonic.Pushfd;
        if (instruction.MemoryOperand >= 0 && instruction.Form.Mnemonic is not (Mnemonic.Lea or Mnemonic.Nop))
        {
            int register = EncodedInstruction.Number(decoded.MemoryBase);
            bool isNear = (register is Esi or Edi && (int)decoded.MemoryDisplacement32 is >= -128 and <= 127) || decoded.MemoryBase == Register.None;
            if (!isNear || decoded.MemoryIndex != Register.None || instruction.AddressMask == 0xFFFF || instruction.IsLocked || instruction.Form.IsBitTestByRegister)
            {
                return false;
            }
        }

        foreach (UsedRegister used in factory.GetInfo(decoded).GetUsedRegisters())
        {
            bool isWritten = used.Access is not (OpAccess.Read or OpAccess.CondRead or OpAccess.None or OpAccess.NoMemAccess);
            int number = EncodedInstruction.Number(used.Register);
            // AH..BH have the numbers of EAX..EBX; SPL and the like do not exist in 32-bit code.
            if (isWritten && number >= 0 && (PinnedRegisters & (1u << number)) != 0 && !(number == Esp && usesStack))
            {
                return false;
            }
        }

        return !(usesStack && decoded.OpCount > 0 && decoded.Op0Kind == OpKind.Register && EncodedInstruction.Number(decoded.Op0Register) == Esp);
    }

    private static bool ReadsNone(EncodedInstruction instruction, uint undefined) =>
        undefined == 0
        || (instruction.Form.Mnemonic is not (Mnemonic.Pushf or Mnemonic.Pushfd or Mnemonic.Lahf)
            && (UndefinedFlags.FromIced(instruction.Instruction.RflagsRead) & undefined) == 0);

    // A shift whose count turns out zero leaves all flags, so it defines none.
    private static uint UndefinedAfter(EncodedInstruction instruction, uint undefined)
    {
        Instruction decoded = instruction.Instruction;
        switch (instruction.Form.Mnemonic)
        {
            case Mnemonic.Shl or Mnemonic.Sal or Mnemonic.Shr or Mnemonic.Sar or Mnemonic.Shld or Mnemonic.Shrd:
                return undefined | UndefinedFlags.Af | UndefinedFlags.Of | UndefinedFlags.Cf;
            case Mnemonic.Rol or Mnemonic.Ror or Mnemonic.Rcl or Mnemonic.Rcr:
                return undefined | UndefinedFlags.Of;
            default:
                uint defined = UndefinedFlags.FromIced(decoded.RflagsWritten | decoded.RflagsCleared | decoded.RflagsSet);
                return (undefined & ~defined) | UndefinedFlags.FromIced(decoded.RflagsUndefined);
        }
    }

    private static void FillState(EdgeRandom random, OracleImage image)
    {
        ref OracleState state = ref image.State;
        for (int register = 0; register < 8; register++)
        {
            state[register] = random.UInt32();
        }

        // 128 bytes below and 127 + 8 above both pointers are in the window; the stack meets the page border in its middle.
        state.Esi = OracleLayout.WindowAddress + 140 + (uint)random.Below(60);
        state.Edi = OracleLayout.WindowAddress + 300 + (uint)random.Below(70);
        state.Esp = OracleLayout.WindowAddress + 224 + (uint)random.Below(64);
        state.Eflags = random.ArithmeticFlags();
        state.Eip = Address;
        for (int i = 0; i < image.Window.Length; i += 4)
        {
            BitConverter.TryWriteBytes(image.Window[i..], random.OneIn(4) ? random.UInt32() : random.Bits32());
        }
    }

    private static byte[] Code(List<EncodedInstruction> program)
    {
        byte[] body = [.. program.SelectMany(instruction => instruction.Code)];
        uint displacement = Target - (Address + (uint)body.Length + 5);
        return [.. body, 0xE9, .. BitConverter.GetBytes(displacement)];
    }

    private void RunOnHost(List<EncodedInstruction> program, int count)
    {
        byte[] code = Code(program);
        host.Load(code, Address, [Target]);
        host.Run(count);
        cpu.Load(code, Address);
    }

    private string? Compare(List<EncodedInstruction> program, int index, uint undefined) => Compare(program, index, undefined, out _);

    private string? Compare(List<EncodedInstruction> program, int index, uint undefined, out OracleState actual)
    {
        OracleImage before = host.Input(index);
        OracleImage expected = host.Output(index);
        actual = before.State;
        before.Window.CopyTo(window);
        int vector = cpu.Run(program.Count + 1, ref actual, window);
        return vector != ICpuUnderTest.NoException
            ? $"host completes, under test raises exception {vector}"
            : OracleComparer.Difference(expected.State, expected.Window, actual, window, isAmd && cpu.FollowsAmdUndefinedFlags ? 0 : undefined);
    }

    // Leaves out one instruction after the other as long as the difference stays; each smaller program is run on both again.
    private string Shrink(List<EncodedInstruction> program, int failing, uint undefined)
    {
        // Input 0 is the only one still needed.
        OracleState state = host.Input(failing).State;
        host.Input(failing).Window.CopyTo(host.Input(0).Window);
        host.Input(0).State = state;
        bool progress = true;
        while (progress && program.Count > 1)
        {
            progress = false;
            for (int leave = 0; leave < program.Count; leave++)
            {
                List<EncodedInstruction> smaller = [.. program.Where((_, i) => i != leave)];
                uint smallerUndefined = 0;
                bool isValid = true;
                foreach (EncodedInstruction instruction in smaller)
                {
                    isValid &= ReadsNone(instruction, smallerUndefined);
                    smallerUndefined = UndefinedAfter(instruction, smallerUndefined);
                }

                if (!isValid)
                {
                    continue;
                }

                RunOnHost(smaller, 1);
                if (Compare(smaller, 0, smallerUndefined) is not null)
                {
                    program = smaller;
                    undefined = smallerUndefined;
                    progress = true;
                    break;
                }
            }
        }

        RunOnHost(program, 1);
        string difference = Compare(program, 0, undefined, out OracleState actual) ?? "the difference did not show again: the CPU under test is not deterministic";
        var text = new StringBuilder();
        text.AppendLine(CultureInfo.InvariantCulture, $"{difference}");
        text.AppendLine(CultureInfo.InvariantCulture, $"  code    {Convert.ToHexString(Code(program))} at 0x{Address:X8}");
        foreach (EncodedInstruction instruction in program)
        {
            text.AppendLine(CultureInfo.InvariantCulture, $"          {OracleComparer.Disassemble(instruction)}");
        }

        text.AppendLine(CultureInfo.InvariantCulture, $"  before  {host.Input(0).State}");
        text.AppendLine(CultureInfo.InvariantCulture, $"  host    {host.Output(0).State}");
        text.AppendLine(CultureInfo.InvariantCulture, $"  tested  {actual}");
        text.Append(CultureInfo.InvariantCulture, $"  seed    TOYVMM_SEED=0x{seed:X16}");
        return text.ToString();
    }
}
