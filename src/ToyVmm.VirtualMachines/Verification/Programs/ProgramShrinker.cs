using System.Collections.Immutable;
using System.Diagnostics;
using ToyVmm.Engines.Generation;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.VirtualMachines.Verification.Programs;

/// <summary>
/// Makes a program that shows something smaller while it still shows it: leaves out steps and instructions, repetitions, the timer, modes, and
/// puts zeros for constants and data.
/// </summary>
public sealed class ProgramShrinker
{
    private readonly Func<RandomProgram, bool> _shows;
    private readonly TimeSpan _most;
    private readonly Stopwatch _time = Stopwatch.StartNew();

    /// <summary>Makes a shrinker.</summary>
    /// <param name="shows">True for programs that show what is looked for.</param>
    /// <param name="most">For how long to try.</param>
    public ProgramShrinker(Func<RandomProgram, bool> shows, TimeSpan most)
    {
        _shows = shows;
        _most = most;
    }

    /// <summary>Shrinks a program that shows it.</summary>
    public RandomProgram Shrink(RandomProgram program)
    {
        ArgumentNullException.ThrowIfNull(program);
        RandomProgram before;
        do
        {
            before = program;
            program = WithoutSteps(program);
            program = Simpler(program);
            program = WithoutInstructions(program);
            program = WithSimplerOperands(program);
        }
        while (program != before && _time.Elapsed < _most);

        return program;
    }

    private bool Shows(RandomProgram program) => _time.Elapsed < _most && _shows(program);

    // Runs of steps, from all of them down to one.
    private RandomProgram WithoutSteps(RandomProgram program)
    {
        for (int run = program.Steps.Length; run > 0; run /= 2)
        {
            for (int first = program.Steps.Length - run; first >= 0; first -= run)
            {
                if (first + run <= program.Steps.Length)
                {
                    program = Try(program, program with { Steps = program.Steps.RemoveRange(first, run) });
                }
            }
        }

        return program;
    }

    private RandomProgram Try(RandomProgram program, RandomProgram simpler) => Shows(simpler) ? simpler : program;

    private RandomProgram Simpler(RandomProgram program)
    {
        if (program.Repeats > 1)
        {
            program = Try(program, program with { Repeats = 1 });
        }

        if (program.Repeats > 2)
        {
            program = Try(program, program with { Repeats = 2 });
        }

        if (program.Timer != 0)
        {
            program = Try(program, program with { Timer = 0 });
        }

        if (program.StartOffset != 0)
        {
            program = Try(program, program with { StartOffset = 0 });
        }

        if (program.ExtraSegments != default)
        {
            program = Try(program, program with { ExtraSegments = default });
        }

        // The same bytes mean the same in modes of the same width.
        foreach (ProgramMode mode in Enum.GetValues<ProgramMode>())
        {
            RandomProgram other = program with { Mode = mode };
            if (mode < program.Mode && other.Code32 == program.Code32)
            {
                RandomProgram tried = Try(program, other);
                if (tried != program)
                {
                    program = tried;
                    break;
                }
            }
        }

        if (program.Data.AsSpan().ContainsAnyExcept((byte)0))
        {
            program = Try(program, program with { Data = [.. new byte[program.Data.Length]] });
        }

        byte[] plain = new byte[512];
        (plain[0], plain[1], plain[24], plain[25]) = (0x7F, 0x03, 0x80, 0x1F);
        if (!program.FloatingPoint.AsSpan().SequenceEqual(plain))
        {
            program = Try(program, program with { FloatingPoint = [.. plain] });
        }

        for (int n = 0; n < program.Registers.Length; n++)
        {
            if (n != 4 && program.Registers[n] != 0)
            {
                program = Try(program, program with { Registers = program.Registers.SetItem(n, 0) });
            }
        }

        const uint Plain = Eflags.IF | Eflags.Fixed;
        return program.Eflags != Plain ? Try(program, program with { Eflags = Plain }) : program;
    }

    private RandomProgram WithoutInstructions(RandomProgram program)
    {
        for (int step = 0; step < program.Steps.Length; step++)
        {
            for (int n = program.Steps[step].Instructions.Length - 1; n >= 0 && (program.Steps[step].Traits & StepTraits.Whole) == 0; n--)
            {
                ProgramStep shorter = program.Steps[step] with { Instructions = program.Steps[step].Instructions.RemoveAt(n) };
                program = Try(program, program with { Steps = program.Steps.SetItem(step, shorter) });
            }
        }

        return program;
    }

    private RandomProgram WithSimplerOperands(RandomProgram program)
    {
        for (int step = 0; step < program.Steps.Length; step++)
        {
            for (int n = 0; n < program.Steps[step].Instructions.Length; n++)
            {
                ProgramInstruction instruction = program.Steps[step].Instructions[n];
                if (instruction.Target >= 0)
                {
                    continue;
                }

                foreach (ImmutableArray<byte> simpler in InstructionSimplifier.Simpler(instruction.Bytes, program.Code32))
                {
                    ProgramStep other = program.Steps[step] with { Instructions = program.Steps[step].Instructions.SetItem(n, instruction with { Bytes = simpler }) };
                    RandomProgram tried = Try(program, program with { Steps = program.Steps.SetItem(step, other) });
                    if (tried != program)
                    {
                        program = tried;
                        break;
                    }
                }
            }
        }

        return program;
    }
}
