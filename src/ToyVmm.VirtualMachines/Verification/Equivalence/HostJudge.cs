using System.Runtime.InteropServices;
using ToyVmm.Engines.Generation;
using ToyVmm.VirtualMachines.Verification.HostCpu;
using ToyVmm.VirtualMachines.Verification.Programs;

namespace ToyVmm.VirtualMachines.Verification.Equivalence;

/// <summary>The host CPU as a judge: the same bytes at the same addresses, in ring 3 of a 32-bit process.</summary>
public sealed class HostJudge : IProgramJudge
{
    // Vector to EAX; the selectors and CR0 behind them are the host's.
    private const int ComparedWords = 13;
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(5);
    private readonly HostProcessor _processor = new();

    /// <summary>Why this host's CPU cannot judge; null where it can.</summary>
    public static string? Unavailable => HostProcessor.Unavailable;

    /// <inheritdoc/>
    public string Name => "host CPU";

    /// <inheritdoc/>
    public string? Options => null;

    /// <inheritdoc/>
    public bool CanJudge(RandomProgram program)
    {
        ArgumentNullException.ThrowIfNull(program);
        return program.RunsOnHost && program.Steps.All(step => step.Instructions.All(instruction => HostExecution.Agrees(instruction.Bytes.AsSpan(), program.Code32)));
    }

    /// <inheritdoc/>
    public ProgramResult? Run(ProgramImage image, out string? problem)
    {
        ArgumentNullException.ThrowIfNull(image);
        HostProgram program = Program(image);
        HostRun run = _processor.Run(program, s_limit);
        if (run.Ending is HostEnding.TimedOut or HostEnding.Died)
        {
            // A busy host, or a signal for the whole process group: what lies in the program comes again.
            run = _processor.Run(program, s_limit);
        }

        problem = run.Ending switch
        {
            HostEnding.TimedOut => "the program did not end on the host CPU",
            HostEnding.Died => $"the program's process died of signal {run.Signal}",
            _ => null,
        };
        return run.Ending is HostEnding.Ended or HostEnding.EndUnreachable ? Result(run) : null;
    }

    /// <inheritdoc/>
    public ProgramResult Comparable(ProgramResult result)
    {
        ArgumentNullException.ThrowIfNull(result);

        // Around the body the guest has its supervisor's pages, and the host has nothing: present or not, ring 3 gets a fault.
        const uint Present = 1;
        return result.WithPageFaults((address, code) => address - ProgramLayout.Body < ProgramLayout.BodySize ? code : code & ~Present).WithWords(ComparedWords);
    }

    /// <inheritdoc/>
    public void Dispose() => _processor.Dispose();

    private static HostProgram Program(ProgramImage image)
    {
        RandomProgram program = image.Program;
        List<HostPage> pages = [];
        for (uint offset = 0; offset < ProgramLayout.BodySize; offset += 0x1000)
        {
            if (IsPresent(offset))
            {
                int at = (int)(ProgramLayout.Body - ProgramLayout.Image + offset);
                pages.Add(new HostPage(ProgramLayout.Body + offset, image.Bytes.AsMemory(at, 0x1000), offset != ProgramLayout.ReadOnly));
            }
        }

        IReadOnlyList<uint> registers = program.Registers;
        return new HostProgram
        {
            Pages = pages,
            Registers = new HostRegisters
            {
                Eax = registers[0],
                Ecx = registers[1],
                Edx = registers[2],
                Ebx = registers[3],
                Esp = registers[4],
                Ebp = registers[5],
                Esi = registers[6],
                Edi = registers[7],
                Eip = image.Start,
                Eflags = program.Eflags,
            },
            FxSave = program.FloatingPoint.AsMemory(),
            ResumeAddresses = image.StepAddresses.Append(image.End).Distinct().ToArray(),
            EndAddress = image.End,
            MostFaults = (int)RandomProgram.MostRecords,
        };
    }

    private static bool IsPresent(uint offset) =>
        offset < ProgramLayout.CodeSize || offset is (>= ProgramLayout.Data and < ProgramLayout.Absent) or >= ProgramLayout.Stack;

    private static ProgramResult Result(HostRun run)
    {
        List<uint> records = [];
        foreach (HostFault fault in run.Faults)
        {
            records.AddRange(MemoryMarshal.Cast<HostFault, uint>(new ReadOnlySpan<HostFault>(in fault)));
        }

        if (run.Faults.Count < RandomProgram.MostRecords)
        {
            HostRegisters r = run.Registers;
            records.AddRange([3, 0, r.Eip, 0, r.Eflags, r.Edi, r.Esi, r.Ebp, r.Esp, r.Ebx, r.Edx, r.Ecx, r.Eax, 0, 0, 0]);
        }

        uint[] sums = new uint[ProgramLayout.BodySize >> 12];
        uint empty = ProgramResult.Checksum(new byte[0x1000]);
        for (uint n = 0; n < sums.Length; n++)
        {
            sums[n] = IsPresent(n << 12) ? ProgramResult.Checksum(run.Page(ProgramLayout.Body + (n << 12))) : empty;
        }

        return new ProgramResult(true, [.. records], [.. run.FxSave.Span], [.. sums]);
    }
}
