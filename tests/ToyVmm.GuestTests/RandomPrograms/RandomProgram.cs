using System.Text;
using L = ToyVmm.GuestTests.RandomPrograms.ProgramLayout;

namespace ToyVmm.GuestTests.RandomPrograms;

/// <summary>A random system program: a Multiboot kernel of many snippets, each of which ends in one or more records of the log.</summary>
internal sealed class RandomProgram
{
    private readonly ulong _seed;
    private readonly bool _pae;
    private readonly List<Snippet> _snippets = [];

    /// <summary>Makes the program of a seed; every third one pages with PAE and NX.</summary>
    public RandomProgram(ulong seed, int snippets)
    {
        _seed = seed;
        _pae = seed % 3 == 0;
        for (int n = 0; n < snippets; n++)
        {
            // Every snippet has its own source of randomness, so that the others can be dropped.
            _snippets.Add(new SnippetGenerator(Source((ulong)n + 1), _pae).Next(n));
        }
    }

    /// <summary>The snippets.</summary>
    public IReadOnlyList<Snippet> Snippets => _snippets;

    /// <summary>The image.</summary>
    /// <param name="keep">Which snippets to keep; the others end at once. Null keeps all.</param>
    public byte[] Build(Func<int, bool>? keep = null)
    {
        ProgramImage image = new();
        ProgramRuntime.Write(image, _snippets.Count, _pae);
        ProgramTables.Write(image, Source(0), _pae);
        foreach (Snippet snippet in _snippets)
        {
            if (keep is not null && !keep(snippet.Number))
            {
                image.Put(snippet.Slot, [0xCD, L.EndVector]);
                continue;
            }

            if (snippet.Bytes.Count > L.SlotLength || snippet.VirtualBytes.Count > L.VirtualLength)
            {
                throw new InvalidOperationException($"snippet {snippet.Number} ({snippet.Kind}) is too long: {snippet.Bytes.Count} and {snippet.VirtualBytes.Count} bytes");
            }

            image.Put(snippet.Slot, [.. snippet.Bytes]);
            image.Put(L.VirtualSource + ((uint)snippet.Number * L.VirtualLength), [.. snippet.VirtualBytes]);
        }

        return image.Bytes;
    }

    /// <summary>A snippet as a listing.</summary>
    public string Disassemble(int number)
    {
        Snippet snippet = _snippets[number];
        StringBuilder text = new();
        _ = text.AppendLine($"snippet {number}: {snippet.Kind}");
        List(text, [.. snippet.Bytes], 32, snippet.Slot);
        List(text, [.. snippet.VirtualBytes], 16, 0);
        return text.ToString();
    }

    private static void List(StringBuilder text, byte[] bytes, int bitness, ulong address)
    {
        Iced.Intel.Decoder decoder = Iced.Intel.Decoder.Create(bitness, bytes);
        decoder.IP = address;
        while (decoder.IP < address + (ulong)bytes.Length)
        {
            Iced.Intel.Instruction instruction = decoder.Decode();
            _ = text.AppendLine($"  {instruction.IP:X8}  {instruction}");
        }
    }

    // System.Random with a seed keeps its sequence ("Net5CompatSeedImpl") for one version of .NET; the version is pinned.
    private Random Source(ulong part) => new(HashCode(_seed + (part * 0x9E37_79B9_7F4A_7C15)));

    private static int HashCode(ulong value)
    {
        value = (value ^ (value >> 30)) * 0xBF58_476D_1CE4_E5B9;
        value = (value ^ (value >> 27)) * 0x94D0_49BB_1331_11EB;
        return (int)(value >> 33);
    }
}
