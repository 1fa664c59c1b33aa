using System.Globalization;
using System.Text;
using ToyVmm.Engines.Decoding;

namespace ToyVmm.VirtualMachines.Verification.Programs;

/// <summary>Writes a random program as commented NASM source, which `nasm -f bin` turns into the very bytes of its image.</summary>
public static class ProgramSource
{
    private const string ParametersMark = "; The parameters.\n        times 0x1000 db 0\n";

    private const string WindowEntry = "        dd ((page - 0x140 + 0x124) << 12) | 7\n";

    private static readonly string[] s_parameters =
    [
        "MODE", "VERBOSE: 1 prints the results", "CR0", "CR3", "CR4", "EFER", "LIMIT", "TIMER", "START", "END", "CS", "EFLAGS", "ES", "SS", "DS", "FS", "GS",
        "EDI", "ESI", "EBP", "ESP", "EBX", "EDX", "ECX", "EAX",
    ];

    /// <summary>Writes the source of a program's image.</summary>
    /// <param name="image">The program, laid out.</param>
    /// <param name="heading">Comment lines for the top.</param>
    public static string Write(ProgramImage image, IEnumerable<string> heading)
    {
        ArgumentNullException.ThrowIfNull(image);
        ArgumentNullException.ThrowIfNull(heading);
        StringBuilder text = new();
        foreach (string line in heading)
        {
            _ = text.Append(CultureInfo.InvariantCulture, $"; {line}\n");
        }

        string runtime = ProgramImage.RuntimeSource.Replace(ParametersMark, Parameters(image), StringComparison.Ordinal);
        _ = text.Append(";\n").Append(image.Program.RunsOnHost ? runtime.Replace(WindowEntry, "        dd 0\n", StringComparison.Ordinal) : runtime);
        Code(text, image);
        Rest(text, image);
        return text.ToString();
    }

    private static string Parameters(ProgramImage image)
    {
        StringBuilder text = new("; The parameters.\n");
        ReadOnlySpan<byte> bytes = image.Bytes.AsSpan((int)(ProgramLayout.Parameters - ProgramLayout.Image), 0x1000);
        for (int n = 0; n < s_parameters.Length; n++)
        {
            _ = text.Append(CultureInfo.InvariantCulture, $"        dd 0x{BitConverter.ToUInt32(bytes[(n * 4)..]):X8}           ; {s_parameters[n]}\n");
        }

        _ = text.Append("        times PARAMETERS + 0x200 - 0x100000 - ($ - $$) db 0\n; x87, MXCSR and XMM, as FXSAVE stores them.\n");
        Bytes(text, bytes.Slice(0x200, 0x200));
        _ = text.Append("; Where steps begin.\n");
        foreach (uint step in image.StepAddresses)
        {
            _ = text.Append(CultureInfo.InvariantCulture, $"        dd 0x{step:X}\n");
        }

        return text.Append(CultureInfo.InvariantCulture, $"        dd 0x{image.End:X}, 0xFFFFFFFF\n        times 0x2000 - ($ - $$) db 0\n").ToString();
    }

    private static void Code(StringBuilder text, ProgramImage image)
    {
        Disassembler disassembler = new();
        RandomProgram program = image.Program;
        _ = text.Append(CultureInfo.InvariantCulture, $"        times 0x{Body + program.StartOffset:X} - ($ - $$) db 0\n");
        uint at = program.StartOffset;
        foreach (ProgramStep step in program.Steps)
        {
            _ = text.Append(CultureInfo.InvariantCulture, $"; step {step.Number}: {step.Kind}\n");
            foreach (ProgramInstruction instruction in step.Instructions)
            {
                Line(instruction.Bytes.Length);
            }
        }

        uint end = image.End - image.Origin;
        if (at < end)
        {
            _ = text.Append("; the next repetition\n");
            Line(program.Code32 ? 7 : 5);
            Line((int)(end - at));
        }

        _ = text.Append("; the end\n");
        Line(1);

        void Line(int length)
        {
            ReadOnlySpan<byte> bytes = image.Bytes.AsSpan((int)(Body + at), length);
            string hex = string.Join(", ", bytes.ToArray().Select(value => value.ToString("X2", CultureInfo.InvariantCulture)).Select(value => "0x" + value));
            string meaning = disassembler.Disassemble(bytes, program.Code32 ? 32 : 16, image.Origin + at).Text;
            _ = text.Append(CultureInfo.InvariantCulture, $"        db {hex,-48} ; {image.Origin + at:x}: {meaning}\n");
            at += (uint)length;
        }
    }

    private static uint Body => ProgramLayout.Body - ProgramLayout.Image;

    // Data, and what the stack's page begins with; pages of zeros in between.
    private static void Rest(StringBuilder text, ProgramImage image)
    {
        _ = text.Append("; data\n");
        for (uint page = ProgramLayout.Data; page < ProgramLayout.BodySize; page += 0x1000)
        {
            ReadOnlySpan<byte> bytes = image.Bytes.AsSpan((int)(Body + page), 0x1000);
            if (bytes.ContainsAnyExcept((byte)0))
            {
                _ = text.Append(CultureInfo.InvariantCulture, $"        times 0x{Body + page:X} - ($ - $$) db 0\n");
                Bytes(text, bytes);
            }
        }

        _ = text.Append(CultureInfo.InvariantCulture, $"        times 0x{image.Bytes.Length:X} - ($ - $$) db 0\n");
    }

    private static void Bytes(StringBuilder text, ReadOnlySpan<byte> bytes)
    {
        const int Row = 32;
        for (int n = 0; n < bytes.Length; n += Row)
        {
            ReadOnlySpan<byte> row = bytes[n..Math.Min(n + Row, bytes.Length)];
            if (row.ContainsAnyExcept((byte)0))
            {
                _ = text.Append("        db ").AppendJoin(", ", row.ToArray().Select(value => $"0x{value:X2}")).Append('\n');
            }
            else
            {
                _ = text.Append(CultureInfo.InvariantCulture, $"        times {row.Length} db 0\n");
            }
        }
    }
}
