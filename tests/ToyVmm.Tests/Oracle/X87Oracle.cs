using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using Iced.Intel;
using ToyVmm.Tests.Properties;

namespace ToyVmm.Tests.Oracle;

/// <summary>
/// The host's x87 unit as the judge: FRSTOR of a random state, one instruction, FNSAVE - on the host and on the CPU under test, the
/// whole state compared. FNSAVE does not wait, so that unmasked exceptions are seen as pending and never trap; and it leaves the
/// unit as .NET expects it, initialized; MXCSR is not touched.
/// </summary>
public sealed class X87Oracle(HostCpu host, ICpuUnderTest cpu, ulong seed)
{
    // The window: the state before, the state after, and the memory operand (across the page border for some encodings).
    private const int StateSize = 108;
    private const int Before = 0;
    private const int After = 112;
    private const int CodeAddress = 0x5000;
    private const int StatesPerEncoding = 40;
    private const int MaxMismatches = 3;
    private const uint ErrorFlags = 0x3F;

    // JMP to the next instruction: it begins a block, which an engine may treat otherwise than FRSTOR.
    private static readonly byte[] NextBlock = [0xEB, 0x00];

    private readonly byte[] window = new byte[OracleLayout.WindowSize];

    /// <summary>Cases judged so far.</summary>
    public int Judged { get; private set; }

    /// <summary>Judges one form.</summary>
    /// <param name="form">The form.</param>
    /// <param name="cases">How many cases at least; <see cref="Judged"/> counts them.</param>
    /// <param name="isApproximate">True where a unit in the last place, and what follows from it, may differ.</param>
    public IReadOnlyList<string> Judge(X87Form form, int cases, bool isApproximate = false)
    {
        host.Note(string.Create(CultureInfo.InvariantCulture, $"TOYVMM_SEED=0x{seed:X16} {form}"));
        var random = new EdgeRandom(HostOracle.SeedFor(seed, form.Code));
        var values = new X87Values(random);
        var mismatches = new List<string>();
        for (int done = 0; done < cases && mismatches.Count < MaxMismatches; done += StatesPerEncoding)
        {
            int operand = 224 + random.Below(64);
            byte[] code = Encode(form, random, operand);
            cpu.Load(code, CodeAddress);
            host.Load(code, CodeAddress, []);
            for (int n = 0; n < StatesPerEncoding; n++)
            {
                Generate(form, random, values, host.Input(n), operand);
            }

            host.Run(StatesPerEncoding);
            for (int n = 0; n < StatesPerEncoding && mismatches.Count < MaxMismatches; n++)
            {
                Compare(form, isApproximate, code, host.Input(n), host.Output(n), operand, mismatches);
                Judged++;
            }
        }

        return mismatches;
    }

    private static byte[] Encode(X87Form form, EdgeRandom random, int operand)
    {
        byte[] instruction = form.Encodings[random.Below(form.Encodings.Count)];
        byte[] address = form.IsMemory ? Address(operand) : [];
        return [0xDD, 0x25, .. Address(Before), .. NextBlock, .. instruction, .. address, 0xDD, 0x35, .. Address(After)];
    }

    private static byte[] Address(int offset) => BitConverter.GetBytes(OracleLayout.WindowAddress + (uint)offset);

    private static void Generate(X87Form form, EdgeRandom random, X87Values values, OracleImage image, int operand)
    {
        image.State = new OracleState
        {
            Eax = random.Bits32(),
            Ecx = random.Bits32(),
            Edx = random.Bits32(),
            Ebx = random.Bits32(),
            Esp = OracleLayout.WindowAddress + 0x100,
            Ebp = random.Bits32(),
            Esi = random.Bits32(),
            Edi = random.Bits32(),
            Eflags = OracleState.FixedFlags | (random.Bits32() & OracleState.VaryingFlags),
        };
        Span<byte> window = image.Window;
        window.Clear();
        bool isEnvironment = form.MemorySize >= 14 && form.IsMemory;
        WriteState(random, values, window[Before..], wide: true, mayPend: false);
        Span<byte> memory = window.Slice(operand, Math.Max(form.MemorySize, 16));
        if (isEnvironment)
        {
            WriteState(random, values, memory, wide: form.MemorySize is 28 or 108, mayPend: true);
        }
        else if (form.MemorySize == 10 && !form.Name.Contains("bcd", StringComparison.Ordinal))
        {
            values.WriteExtended(memory);
        }
        else if (form.MemorySize == 10)
        {
            for (int n = 0; n < 10; n++)
            {
                memory[n] = (byte)(random.Below(10) | (random.Below(10) << 4));
            }

            memory[9] = (byte)(random.OneIn(2) ? 0x80 : 0);
        }
        else
        {
            values.WriteMemory(memory, form.MemorySize, form.Name.StartsWith("Fi", StringComparison.Ordinal) || form.MemorySize == 2);
        }
    }

    // A state that FRSTOR can load and the instruction after it can start with: what its status has pending is masked.
    private static void WriteState(EdgeRandom random, X87Values values, Span<byte> image, bool wide, bool mayPend)
    {
        uint masks = random.OneIn(2) ? ErrorFlags : random.Bits32() & ErrorFlags;
        uint control = masks | (random.Bits32() & 0xF00) | (mayPend ? random.Bits32() & 0xF0C0 : 0x40);
        if (random.OneIn(2))
        {
            control |= 0x300;
        }

        uint status = random.OneIn(4) ? random.Bits32() & 0x7F7F : random.Bits32() & 0x3800;
        status &= mayPend ? 0xFFFF : ~ErrorFlags | masks;
        uint tags = random.Bits32() & (random.OneIn(4) ? 0xFFFF : random.OneIn(2) ? 0x5555u : 0xAAAAu);
        if (random.OneIn(4))
        {
            // Room to push.
            tags |= 3u << (int)(2 * (((status >> 11) + 7) & 7));
        }
        else if (random.OneIn(2))
        {
            tags = 0xFFFF & ~(0xFu << (int)(2 * ((status >> 11) & 7)));
        }

        if (wide)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(image, control);
            BinaryPrimitives.WriteUInt32LittleEndian(image[4..], status);
            BinaryPrimitives.WriteUInt32LittleEndian(image[8..], tags);
        }
        else
        {
            BinaryPrimitives.WriteUInt16LittleEndian(image, (ushort)control);
            BinaryPrimitives.WriteUInt16LittleEndian(image[2..], (ushort)status);
            BinaryPrimitives.WriteUInt16LittleEndian(image[4..], (ushort)tags);
        }

        for (int at = wide ? 28 : 14; at + 10 <= image.Length && at < 108; at += 10)
        {
            values.WriteExtended(image[at..]);
        }
    }

    private void Compare(X87Form form, bool isApproximate, byte[] code, OracleImage before, OracleImage expected, int operand, List<string> mismatches)
    {
        OracleState actual = before.State;
        before.Window.CopyTo(window);
        int vector = cpu.Run(4, ref actual, window);

        // The unit's pointers change with an unmasked exception only (see X87Unit); without one, the host tells of the last instruction.
        const byte ErrorSummary = 0x80;
        bool pointersCount = (expected.Window[After + 4] & ErrorSummary) != 0 && !form.IsControl;
        IgnorePointers(expected.Window, After, wide: true, pointersCount);
        IgnorePointers(window, After, wide: true, pointersCount);
        if (form.IsMemory && form.Name.StartsWith("Fns", StringComparison.Ordinal) && form.MemorySize >= 14)
        {
            bool wide = form.MemorySize is 28 or 108;
            IgnorePointers(expected.Window, operand, wide, false);
            IgnorePointers(window, operand, wide, false);
        }

        if (isApproximate)
        {
            Approximate(expected.Window[After..], window.AsSpan(After));
        }

        if (vector == ICpuUnderTest.NoException && actual == expected.State && expected.Window.SequenceEqual(window))
        {
            return;
        }

        var text = new StringBuilder();
        _ = text.Append(CultureInfo.InvariantCulture, $"{form} {Convert.ToHexString(code)} seed 0x{seed:X16}\n");
        _ = text.Append(CultureInfo.InvariantCulture, $"  before {Describe(before.Window, Before)}\n");
        if (form.IsMemory)
        {
            _ = text.Append(CultureInfo.InvariantCulture, $"  memory {Convert.ToHexString(before.Window.Slice(operand, form.MemorySize))}\n");
        }

        if (vector != ICpuUnderTest.NoException)
        {
            _ = text.Append(CultureInfo.InvariantCulture, $"  under test: exception {vector}\n");
        }

        if (actual != expected.State)
        {
            _ = text.Append(CultureInfo.InvariantCulture, $"  host   {expected.State}\n  actual {actual}\n");
        }

        if (!expected.Window[After..(After + StateSize)].SequenceEqual(window.AsSpan(After, StateSize)))
        {
            _ = text.Append(CultureInfo.InvariantCulture, $"  host   {Describe(expected.Window, After)}\n  actual {Describe(window, After)}\n");
        }

        if (form.IsMemory && !expected.Window.Slice(operand, form.MemorySize).SequenceEqual(window.AsSpan(operand, form.MemorySize)))
        {
            _ = text.Append(CultureInfo.InvariantCulture, $"  host   memory {Convert.ToHexString(expected.Window.Slice(operand, form.MemorySize))}\n");
            _ = text.Append(CultureInfo.InvariantCulture, $"  actual memory {Convert.ToHexString(window.AsSpan(operand, form.MemorySize))}\n");
        }

        mismatches.Add(text.ToString());
    }

    // Where a result is within a unit in the last place of the host's, the host's is put in its place. C1 tells of a rounding that is
    // inside the host's algorithm, so it is not compared.
    private static void Approximate(ReadOnlySpan<byte> expected, Span<byte> actual)
    {
        for (int n = 0; n < 8; n++)
        {
            ReadOnlySpan<byte> theirs = expected.Slice(28 + (10 * n), 10);
            Span<byte> ours = actual.Slice(28 + (10 * n), 10);
            if (IsClose(theirs, ours))
            {
                theirs.CopyTo(ours);
                CopyTag(expected, actual, n);
            }
        }

        const byte C1 = 0x02;
        actual[5] = (byte)((actual[5] & ~C1) | (expected[5] & C1));
    }

    // The tag of ST(n), unless one of them says empty: it tells denormals from normal numbers.
    private static void CopyTag(ReadOnlySpan<byte> expected, Span<byte> actual, int n)
    {
        int shift = 2 * (((actual[5] >> 3) + n) & 7);
        ushort theirs = BinaryPrimitives.ReadUInt16LittleEndian(expected[8..]);
        ushort ours = BinaryPrimitives.ReadUInt16LittleEndian(actual[8..]);
        int mask = 3 << shift;
        if ((theirs & mask) != mask && (ours & mask) != mask)
        {
            BinaryPrimitives.WriteUInt16LittleEndian(actual[8..], (ushort)((ours & ~mask) | (theirs & mask)));
        }
    }

    private static bool IsClose(ReadOnlySpan<byte> theirs, ReadOnlySpan<byte> ours)
    {
        ushort theirExponent = BinaryPrimitives.ReadUInt16LittleEndian(theirs[8..]);
        ushort ourExponent = BinaryPrimitives.ReadUInt16LittleEndian(ours[8..]);
        if ((theirExponent ^ ourExponent) >> 15 != 0 || (theirExponent & 0x7FFF) == 0x7FFF || (ourExponent & 0x7FFF) == 0x7FFF)
        {
            return false;
        }

        // Significands in one scale: 63 bits and the exponent above them.
        Int128 Scale(ushort exponent, ulong significand) => ((Int128)(exponent & 0x7FFF) << 63) + (Int128)(significand & long.MaxValue);
        Int128 difference = Scale(theirExponent, BinaryPrimitives.ReadUInt64LittleEndian(theirs)) - Scale(ourExponent, BinaryPrimitives.ReadUInt64LittleEndian(ours));
        return Int128.Abs(difference) <= 1;
    }

    // FIP, FCS and FOP, FDP, FDS. The selectors are of other segments on the host.
    private static void IgnorePointers(Span<byte> image, int at, bool wide, bool onlySelectors)
    {
        Span<byte> pointers = image.Slice(at + (wide ? 12 : 6), wide ? 16 : 8);
        if (onlySelectors)
        {
            pointers[4..6].Clear();
            pointers[12..14].Clear();
        }
        else
        {
            pointers.Clear();
        }
    }

    private static string Describe(ReadOnlySpan<byte> image, int at)
    {
        var text = new StringBuilder();
        image = image[at..];
        _ = text.Append(CultureInfo.InvariantCulture, $"cw={BinaryPrimitives.ReadUInt32LittleEndian(image):X4} sw={BinaryPrimitives.ReadUInt32LittleEndian(image[4..]):X4} tw={BinaryPrimitives.ReadUInt32LittleEndian(image[8..]):X4} pointers={Convert.ToHexString(image[12..28])}");
        for (int n = 0; n < 8; n++)
        {
            ReadOnlySpan<byte> slot = image[(28 + (10 * n))..];
            _ = text.Append(CultureInfo.InvariantCulture, $" {BinaryPrimitives.ReadUInt16LittleEndian(slot[8..]):X4}:{BinaryPrimitives.ReadUInt64LittleEndian(slot):X16}");
        }

        return text.ToString();
    }
}
