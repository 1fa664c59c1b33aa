using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using Iced.Intel;
using ToyVmm.Tests.Properties;

namespace ToyVmm.Tests.Oracle;

/// <summary>
/// The host's vector units as the judge: FXRSTOR of a random state, one instruction, FXSAVE - on the host and on the CPU under test, the
/// whole state compared, memory too. All exceptions are masked, since one that is not would end the process; flags, rounding modes, FTZ
/// and DAZ are random. Afterwards both units are as .NET expects them.
/// </summary>
public sealed class SseOracle(HostCpu host, ICpuUnderTest cpu, ulong seed)
{
    // The window: FXSAVE's image (of 512 bytes it leaves the last 224 alone), the memory operand, and .NET's MXCSR.
    private const int ImageSize = 288;
    private const int OperandStart = 288;
    private const int DefaultControl = 508;
    private const int CodeAddress = 0x5000;
    private const int StatesPerEncoding = 40;
    private const int MaxMismatches = 3;
    private const int XmmAt = 160;
    private const int ControlMask = 28;
    private const uint Masks = 0x1F80;

    // JMP to the next instruction: it begins a block, which an engine may treat otherwise than FXRSTOR.
    private static readonly byte[] NextBlock = [0xEB, 0x00];

    private readonly byte[] window = new byte[OracleLayout.WindowSize];

    /// <summary>Cases judged so far.</summary>
    public int Judged { get; private set; }

    /// <summary>Judges one form.</summary>
    /// <param name="form">The form.</param>
    /// <param name="cases">How many cases at least; <see cref="Judged"/> counts them.</param>
    public IReadOnlyList<string> Judge(SseForm form, int cases)
    {
        host.Note(string.Create(CultureInfo.InvariantCulture, $"TOYVMM_SEED=0x{seed:X16} {form}"));
        var random = new EdgeRandom(HostOracle.SeedFor(seed, form.Code));
        var values = new SseValues(random);
        var mismatches = new List<string>();
        for (int done = 0; done < cases && mismatches.Count < MaxMismatches; done += StatesPerEncoding)
        {
            int operand = OperandStart + (form.NeedsAlignment ? 16 * random.Below(10) : random.Below(180));
            byte[] instruction = form.Encode(random.Below, OracleLayout.WindowAddress + (uint)operand);
            byte[] code = [0x0F, 0xAE, 0x0D, .. Address(0), .. NextBlock, .. instruction, 0x0F, 0xAE, 0x05, .. Address(0), 0xDB, 0xE3, 0x0F, 0xAE, 0x15, .. Address(DefaultControl)];
            cpu.Load(code, CodeAddress);
            host.Load(code, CodeAddress, []);
            for (int n = 0; n < StatesPerEncoding; n++)
            {
                Generate(form, random, values, host.Input(n), operand);
            }

            host.Run(StatesPerEncoding);
            for (int n = 0; n < StatesPerEncoding && mismatches.Count < MaxMismatches; n++)
            {
                Compare(form, instruction, host.Input(n), host.Output(n), mismatches);
                Judged++;
            }
        }

        return mismatches;
    }

    private static byte[] Address(int offset) => BitConverter.GetBytes(OracleLayout.WindowAddress + (uint)offset);

    /// <summary>Fills a case: the window begins with an FXSAVE image.</summary>
    /// <param name="form">The form.</param>
    /// <param name="random">Where random numbers come from.</param>
    /// <param name="values">Where operands come from.</param>
    /// <param name="image">The case.</param>
    /// <param name="operand">Where in the window the memory operand lies.</param>
    public static void Generate(SseForm form, EdgeRandom random, SseValues values, OracleImage image, int operand)
    {
        image.State = new OracleState
        {
            Eax = random.UInt32(),
            Ecx = random.UInt32(),
            Edx = random.UInt32(),
            Ebx = random.UInt32(),
            Esp = random.UInt32(),
            Ebp = random.UInt32(),
            Esi = random.UInt32(),
            Edi = OracleLayout.WindowAddress + (uint)operand,
            Eflags = OracleState.FixedFlags | (random.Bits32() & OracleState.VaryingFlags),
        };
        if (form.ComparesStrings && !random.OneIn(4))
        {
            image.State.Eax = (uint)(random.Below(40) - 20);
            image.State.Edx = (uint)(random.Below(40) - 20);
        }

        Span<byte> bytes = image.Window;
        bytes.Clear();
        BinaryPrimitives.WriteUInt16LittleEndian(bytes, 0x37F);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes[2..], (ushort)(random.Bits32() & 0x7F7F));
        bytes[4] = (byte)random.Bits32();
        uint control = Masks | (random.OneIn(2) ? 0 : random.Bits32() & 0x3F) | (random.Bits32() & (random.OneIn(2) ? 0x6000u : 0xE040u));
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[24..], control);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[DefaultControl..], Masks);
        Span<byte> slot = stackalloc byte[16];
        for (int n = 0; n < 8; n++)
        {
            values.Write(slot, LanesFor(form, random));
            slot[..8].CopyTo(bytes[(32 + (16 * n))..]);
            BinaryPrimitives.WriteUInt16LittleEndian(bytes[(40 + (16 * n))..], (ushort)random.Bits32());
            values.Write(bytes.Slice(XmmAt + (16 * n), 16), LanesFor(form, random));
        }

        values.Write(bytes.Slice(operand, 16), LanesFor(form, random));
    }

    // Mostly what the instruction works on; sometimes anything.
    private static SseValues.Lanes LanesFor(SseForm form, EdgeRandom random)
    {
        if (form.ComparesStrings && !random.OneIn(8))
        {
            return SseValues.Lanes.Text;
        }

        string name = form.Mnemonic.ToString();
        if (name.Contains("2p", StringComparison.OrdinalIgnoreCase) || name.Contains("2s", StringComparison.OrdinalIgnoreCase) || random.OneIn(8))
        {
            return (SseValues.Lanes)random.Below(3);
        }

        return name.EndsWith('s') && !name.StartsWith('P') || name.Contains("ps2", StringComparison.Ordinal) || name.Contains("ss2", StringComparison.Ordinal) ? SseValues.Lanes.Singles
            : name.EndsWith('d') && !name.StartsWith('P') || name.Contains("pd2", StringComparison.Ordinal) || name.Contains("sd2", StringComparison.Ordinal) ? SseValues.Lanes.Doubles
            : SseValues.Lanes.Integers;
    }

    private void Compare(SseForm form, byte[] instruction, OracleImage before, OracleImage expected, List<string> mismatches)
    {
        OracleState actual = before.State;
        before.Window.CopyTo(window);
        int vector = cpu.Run(6, ref actual, window);

        // MXCSR_MASK: AMD has a bit more, for misaligned operands.
        expected.Window.Slice(ControlMask, 4).CopyTo(window.AsSpan(ControlMask));
        if (vector == ICpuUnderTest.NoException && actual == expected.State && expected.Window.SequenceEqual(window))
        {
            return;
        }

        var text = new StringBuilder();
        Instruction x = Iced.Intel.Decoder.Create(32, new ByteArrayCodeReader(instruction)).Decode();
        _ = text.Append(CultureInfo.InvariantCulture, $"{x} ({form}, {Convert.ToHexString(instruction)}) seed 0x{seed:X16}\n");
        _ = text.Append(CultureInfo.InvariantCulture, $"  before {before.State}\n{Describe(before.Window)}");
        if (vector != ICpuUnderTest.NoException)
        {
            _ = text.Append(CultureInfo.InvariantCulture, $"  under test: exception {vector}\n");
        }

        _ = text.Append(CultureInfo.InvariantCulture, $"  host   {expected.State}\n  actual {actual}\n");
        for (int n = 0; n < OracleLayout.WindowSize; n += 8)
        {
            if (!expected.Window.Slice(n, 8).SequenceEqual(window.AsSpan(n, 8)))
            {
                ulong theirs = BinaryPrimitives.ReadUInt64LittleEndian(expected.Window[n..]);
                ulong ours = BinaryPrimitives.ReadUInt64LittleEndian(window.AsSpan(n));
                _ = text.Append(CultureInfo.InvariantCulture, $"  at {Place(n)}: host {theirs:X16}, actual {ours:X16}\n");
            }
        }

        mismatches.Add(text.ToString());
    }

    private static string Place(int offset) => offset switch
    {
        < 24 => $"x87 environment + {offset}",
        24 => "MXCSR",
        < XmmAt => $"ST{(offset - 32) / 16} + {offset % 16}",
        < ImageSize => $"XMM{(offset - XmmAt) / 16} + {offset % 16}",
        _ => $"memory + {offset}",
    };

    private static string Describe(ReadOnlySpan<byte> image)
    {
        var text = new StringBuilder();
        _ = text.Append(CultureInfo.InvariantCulture, $"  mxcsr {BinaryPrimitives.ReadUInt32LittleEndian(image[24..]):X4} fsw {BinaryPrimitives.ReadUInt16LittleEndian(image[2..]):X4} tags {image[4]:X2}\n");
        for (int n = 0; n < 8; n++)
        {
            ReadOnlySpan<byte> xmm = image[(XmmAt + (16 * n))..];
            _ = text.Append(CultureInfo.InvariantCulture, $"  xmm{n} {BinaryPrimitives.ReadUInt64LittleEndian(xmm[8..]):X16}_{BinaryPrimitives.ReadUInt64LittleEndian(xmm):X16} st{n} {BinaryPrimitives.ReadUInt64LittleEndian(image[(32 + (16 * n))..]):X16}\n");
        }

        for (int n = OperandStart; n < DefaultControl - 12; n += 16)
        {
            if (image.Slice(n, 16).ContainsAnyExcept((byte)0))
            {
                _ = text.Append(CultureInfo.InvariantCulture, $"  memory + {n}: {BinaryPrimitives.ReadUInt64LittleEndian(image[(n + 8)..]):X16}_{BinaryPrimitives.ReadUInt64LittleEndian(image[n..]):X16}\n");
            }
        }

        return text.ToString();
    }
}
