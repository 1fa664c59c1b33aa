using System.Buffers.Binary;
using System.Globalization;
using ToyVmm.Hardware.Memory;

namespace ToyVmm.VirtualMachines.Loading;

/// <summary>One image on its way into memory: its bytes, what the user asked for, the plan so far, and the story told so far.</summary>
internal sealed class LoadContext(ReadOnlyMemory<byte> image, GuestMemory memory, LoadOptions options)
{
    private readonly List<string> _explanation = [];

    public ReadOnlyMemory<byte> Image { get; } = image;

    public LoadOptions Options { get; } = options;

    public LoadPlan Plan { get; } = new(memory);

    public int Length => Image.Length;

    public uint RamSize => memory.RamSize;

    public void Explain(FormattableString sentence) => _explanation.Add(sentence.ToString(CultureInfo.InvariantCulture));

    public void Explain(IEnumerable<string> sentences) => _explanation.AddRange(sentences);

    public LoadResult Refuse(LoadError error) => LoadResult.Refused(error, [.. _explanation]);

    public LoadResult Refuse(string what, long? offset, string advice) => Refuse(new LoadError(what, offset, advice));

    public LoadResult Finish(ImageFormat format, EntryState entry, BootDisk? disk = null)
    {
        Plan.Commit();
        return LoadResult.Loaded(new LoadedImage(format, entry, [.. _explanation], disk) { Ranges = Plan.Ranges });
    }

    public ushort UInt16(int offset) => BinaryPrimitives.ReadUInt16LittleEndian(Image.Span[offset..]);

    public uint UInt32(int offset) => BinaryPrimitives.ReadUInt32LittleEndian(Image.Span[offset..]);

    public ulong UInt64(int offset) => BinaryPrimitives.ReadUInt64LittleEndian(Image.Span[offset..]);

    /// <summary>Refuses options that this format has no use for: what the user asked for is never dropped in silence.</summary>
    public LoadError? RejectOptions(string format, bool commandLine = false, bool initialRamDisk = false, bool modules = false, bool rawEntry = false)
    {
        string? culprit =
            Options.CommandLine is { Length: > 0 } && !commandLine ? "a command line (--append)"
            : Options.InitialRamDisk is { Length: > 0 } && !initialRamDisk ? "an initial RAM disk (--initrd)"
            : Options.Modules.Count > 0 && !modules ? "Multiboot modules"
            : Options.LoadAddress is not null && !rawEntry ? "a load address (--load-address)"
            : null;
        return culprit is null
            ? null
            : new LoadError($"{format} has no use for {culprit}", null, "Leave the option out, or force another format.");
    }
}
