using System.Buffers.Binary;
using System.Reflection;

namespace ToyVmm.VirtualMachines.Verification.Programs;

/// <summary>A random program laid out: where its steps lie, and its image, which any machine that loads Multiboot images can run.</summary>
public sealed class ProgramImage
{
    private static readonly byte[] s_runtime = ReadRuntime();
    private readonly List<uint> _steps = [];

    /// <summary>Lays a program out.</summary>
    /// <param name="program">The program.</param>
    public ProgramImage(RandomProgram program)
    {
        ArgumentNullException.ThrowIfNull(program);
        Program = program;
        Origin = program.Code32 ? ProgramLayout.Body : 0;
        Bytes = new byte[s_runtime.Length + (int)ProgramLayout.BodySize];
        s_runtime.CopyTo(Bytes, 0);
        LayOutSteps();
        WriteParameters();
        program.Data.CopyTo(Bytes, At(ProgramLayout.Data));
        if (program.RunsOnHost)
        {
            // There no page has two addresses.
            Bytes.AsSpan((int)(ProgramLayout.PageTable - ProgramLayout.Image + (ProgramLayout.Window >> 12 << 2)), 4 * sizeof(uint)).Clear();
        }
    }

    /// <summary>The program.</summary>
    public RandomProgram Program { get; }

    /// <summary>The offset, in the code segment, of the body's first byte.</summary>
    public uint Origin { get; }

    /// <summary>The offset in the code segment of each step.</summary>
    public IReadOnlyList<uint> StepAddresses => _steps;

    /// <summary>The offset in the code segment of the first instruction.</summary>
    public uint Start => Origin + Program.StartOffset;

    /// <summary>The offset in the code segment of the INT3 at the end.</summary>
    public uint End { get; private set; }

    /// <summary>The image.</summary>
    public byte[] Bytes { get; }

    /// <summary>The source of the runtime, up to the body.</summary>
    public static string RuntimeSource
    {
        get
        {
            using Stream stream = Resource("runtime.asm");
            using StreamReader reader = new(stream);
            return reader.ReadToEnd();
        }
    }

    /// <summary>The same image; the guest prints its results through COM1 before it ends.</summary>
    public byte[] Verbose()
    {
        byte[] image = [.. Bytes];
        image[ProgramLayout.Parameters - ProgramLayout.Image + 4] = 1;
        return image;
    }

    private static Stream Resource(string name) =>
        Assembly.GetExecutingAssembly().GetManifestResourceStream(name) ?? throw new InvalidOperationException($"the resource {name} is missing");

    private static byte[] ReadRuntime()
    {
        using Stream stream = Resource("runtime.bin");
        byte[] bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        return bytes;
    }

    // Where an offset of the body lies in the image.
    private static int At(uint offset) => (int)(ProgramLayout.Body - ProgramLayout.Image + offset);

    private void LayOutSteps()
    {
        uint at = Program.StartOffset;
        foreach (ProgramStep step in Program.Steps)
        {
            _steps.Add(Origin + at);
            at += (uint)step.Instructions.Sum(instruction => instruction.Bytes.Length);
        }

        uint tail = at;
        at = Program.StartOffset;
        foreach (ProgramInstruction instruction in Program.Steps.SelectMany(step => step.Instructions))
        {
            instruction.Bytes.CopyTo(Bytes, At(at));
            at += (uint)instruction.Bytes.Length;
            if (instruction.Target >= 0)
            {
                // A step that was left out has its successor's place.
                int target = 0;
                while (target < Program.Steps.Length && Program.Steps[target].Number < instruction.Target)
                {
                    target++;
                }

                uint distance = (target < Program.Steps.Length ? _steps[target] : Origin + tail) - (Origin + at);
                if (Program.Code32)
                {
                    BinaryPrimitives.WriteUInt32LittleEndian(Bytes.AsSpan(At(at) - 4), distance);
                }
                else
                {
                    BinaryPrimitives.WriteUInt16LittleEndian(Bytes.AsSpan(At(at) - 2), (ushort)distance);
                }
            }
        }

        at = tail;
        if (Program.Repeats > 1)
        {
            Put(ref at, Program.Code32 ? [0x36, 0xFF, 0x0D] : [0x36, 0xFF, 0x0E]); // DEC word or dword [SS:repeats]
            PutOffset(ref at, Origin + ProgramLayout.Repeats);
            Put(ref at, [0x0F, 0x85]);
            uint width = Program.Code32 ? 4u : 2u;
            PutOffset(ref at, Program.StartOffset - (at + width));
            BinaryPrimitives.WriteUInt32LittleEndian(Bytes.AsSpan(At(ProgramLayout.Repeats)), Program.Repeats);
        }

        End = Origin + at;
        Put(ref at, [0xCC]);
        if (at > ProgramLayout.CodeSize)
        {
            throw new InvalidOperationException($"a program of {at} bytes does not fit into {ProgramLayout.CodeSize}");
        }
    }

    private void Put(ref uint at, ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(Bytes.AsSpan(At(at)));
        at += (uint)bytes.Length;
    }

    private void PutOffset(ref uint at, uint value)
    {
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
        Put(ref at, bytes[..(Program.Code32 ? 4 : 2)]);
    }

    private void WriteParameters()
    {
        ProgramMode mode = Program.Mode;
        bool paged = mode.IsPaged();
        bool pae = mode is ProgramMode.Pae or ProgramMode.UserPae;
        const ushort LowSegment = (ushort)(ProgramLayout.LowBody >> 4);
        (uint number, ushort code, ushort data) = mode switch
        {
            ProgramMode.Real => (3u, LowSegment, LowSegment),
            ProgramMode.Virtual8086 => (2u, LowSegment, LowSegment),
            ProgramMode.User16 => (1u, (ushort)0x1B, (ushort)0x3B),
            _ when mode.IsSupervisor() => (0u, (ushort)0x08, (ushort)0x10),
            _ => (1u, (ushort)0x23, (ushort)0x2B),
        };
        IReadOnlyList<uint> registers = Program.Registers;
        uint[] words =
        [
            number,
            0,
            Program.Cr0 | 0x11 | (paged ? 0x8000_0000 : 0),
            pae ? ProgramLayout.PaePointers : ProgramLayout.PageDirectory,
            Program.Cr4 | (pae ? 0x20u : 0),
            mode == ProgramMode.UserPae ? 0x800u : 0,
            RandomProgram.MostRecords,
            Program.Timer,
            Start,
            End,
            code,
            Program.Eflags | 2 | (mode == ProgramMode.Virtual8086 ? 0x2_0000u : 0),
            data,
            data,
            data,
            Program.ExtraSegments.Fs,
            Program.ExtraSegments.Gs,
            registers[7],
            registers[6],
            registers[5],
            registers[4],
            registers[3],
            registers[2],
            registers[1],
            registers[0],
        ];
        Span<byte> parameters = Bytes.AsSpan((int)(ProgramLayout.Parameters - ProgramLayout.Image), 0x1000);
        for (int n = 0; n < words.Length; n++)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(parameters[(n * 4)..], words[n]);
        }

        Program.FloatingPoint.CopyTo(parameters[(int)(ProgramLayout.FloatingPoint - ProgramLayout.Parameters)..]);
        Span<byte> resume = parameters[(int)(ProgramLayout.Resume - ProgramLayout.Parameters)..];
        foreach (uint address in (IEnumerable<uint>)[.. _steps, End, uint.MaxValue])
        {
            BinaryPrimitives.WriteUInt32LittleEndian(resume, address);
            resume = resume[sizeof(uint)..];
        }
    }
}
