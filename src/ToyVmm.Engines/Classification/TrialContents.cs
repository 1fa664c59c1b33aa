using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Classification;

/// <summary>What the program of a trial holds: registers, operand and stack. Structured, since noise only faults: addresses of the world, selectors, images of flags.</summary>
internal static unsafe class TrialContents
{
    private const int PatternSize = 0x200;

    // Where the code lies, where the program lies, where that lies when it is moved, and nowhere.
    private static readonly ushort[] s_paragraphs = [0x2000, 0x2400, 0x5400, 0x1FFF];

    /// <summary>Fills registers and program memory.</summary>
    public static void Fill(in TrialSetup setup, byte* world, CpuState* s)
    {
        TrialRandom random = new(setup.Seed);
        byte* program = world + TrialWorld.Program;
        new Span<byte>(program, (int)TrialWorld.ProgramSize).Clear();
        FillRegisters(ref random, setup.Is32, s);
        FillOperand(ref random, setup.Is32, program);
        FillStack(ref random, setup.Is32, program);
        FillFloatingPoint(ref random, s);
    }

    private static void FillRegisters(ref TrialRandom random, bool is32, CpuState* s)
    {
        uint* registers = &s->Eax;
        for (int n = 0; n < 8; n++)
        {
            registers[n] = random.Below(5) switch
            {
                0 or 3 => Segment(ref random, is32),
                1 => (uint)random.Below(9),
                2 => TrialWorld.Operand + ((uint)random.Below(8) * 4),
                _ => random.Word(),
            };
        }

        // Counts that end, addresses that are there, ports and registers that exist.
        s->Ecx = random.Below(4) switch
        {
            0 => s->Ecx,
            1 => TrialWorld.Instruction,
            2 => random.Pick<uint>([0x10, 0x1B, 0x174, 0x175, 0x176, 0xC000_0080]),
            _ => (uint)random.Below(5),
        };
        s->Edx = random.Below(3) == 0 ? TrialWorld.Instruction : s->Edx;
        s->Ebx = random.Below(2) == 0 ? TrialWorld.Operand : s->Ebx;
        s->Esi = random.Below(8) == 0 ? s->Esi : TrialWorld.Operand + ((uint)random.Below(8) * 8);
        s->Edi = random.Below(8) == 0 ? s->Edi : TrialWorld.Operand + 0x80 + ((uint)random.Below(8) * 8);
        s->Esp = TrialWorld.Stack;
        s->Ebp = TrialWorld.Stack + 0x40;
        LazyFlags.Set(s, random.Word() & Eflags.Arithmetic);
    }

    private static void FillOperand(ref TrialRandom random, bool is32, byte* program)
    {
        byte* operand = program + TrialWorld.Operand;
        int kind = random.Below(5);
        if (kind != 0)
        {
            for (int n = 0; n < PatternSize; n += 4)
            {
                *(uint*)(operand + n) = random.Below(4) == 0 ? (uint)random.Below(16) : random.Word();
            }
        }

        switch (kind)
        {
            case 1:
                *(ushort*)operand = Segment(ref random, is32);
                break;
            case 2:
                *(ushort*)operand = (ushort)TrialWorld.Instruction;
                *(ushort*)(operand + 2) = Segment(ref random, is32);
                break;
            case 3:
                *(uint*)operand = TrialWorld.Instruction;
                *(ushort*)(operand + 4) = Segment(ref random, is32);
                break;
        }

        // FXRSTOR takes an MXCSR without reserved bits only.
        *(uint*)(operand + 24) &= 0xFFBF;
    }

    // What a return pops: offset, selector, flags, stack pointer, stack segment; in one of the two widths.
    private static void FillStack(ref TrialRandom random, bool is32, byte* program)
    {
        uint flags = random.Word() & (Eflags.Arithmetic | Eflags.DF | Eflags.IF | Eflags.IoplMask | Eflags.ID | Eflags.AC);
        flags |= random.Below(8) == 0 ? Eflags.VM : 0;
        flags |= random.Below(8) == 0 ? Eflags.NT : 0;
        uint first = random.Below(4) switch
        {
            0 => TrialWorld.Instruction,
            1 => Segment(ref random, is32),
            2 => flags,
            _ => random.Word() & ~Eflags.TF,
        };
        ReadOnlySpan<uint> words = [first, Segment(ref random, is32), flags, TrialWorld.Stack + 0x80, Segment(ref random, is32), Segment(ref random, is32)];
        bool wide = random.Below(2) == 0;
        byte* stack = program + TrialWorld.Stack;
        for (int n = 0; n < words.Length; n++)
        {
            if (wide)
            {
                ((uint*)stack)[n] = words[n];
            }
            else
            {
                ((ushort*)stack)[n] = (ushort)words[n];
            }
        }
    }

    private static void FillFloatingPoint(ref TrialRandom random, CpuState* s)
    {
        s->FpuControl = (ushort)(random.Below(4) == 0 ? 0x340 : 0x37F);
        s->FpuTags = (ushort)(random.Below(3) switch { 0 => 0u, 1 => 0xFFu, _ => random.Word() & 0xFF });
        for (int n = 0; n < 8; n++)
        {
            // Numbers near 1.
            s->FpuRegisters[n * 2] = random.Next() | 0x8000_0000_0000_0000;
            s->FpuRegisters[(n * 2) + 1] = 0x3FF0u + (uint)random.Below(32);
        }

        for (int n = 0; n < 16; n++)
        {
            s->XmmRegisters[n] = random.Next();
        }
    }

    private static ushort Segment(ref TrialRandom random, bool is32)
    {
        ushort selector = TrialWorld.PickSelector(ref random);
        ushort paragraph = random.Pick<ushort>(s_paragraphs);
        return is32 ? selector : paragraph;
    }
}
