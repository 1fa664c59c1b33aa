using System.Buffers.Binary;
using Iced.Intel;

namespace ToyVmm.GuestTests.RandomPrograms;

/// <summary>The bytes of an image, addressed as they will lie in memory.</summary>
internal sealed class ProgramImage
{
    /// <summary>The whole image, from <see cref="ProgramLayout.Base"/> on.</summary>
    public byte[] Bytes { get; } = new byte[ProgramLayout.ImageEnd - ProgramLayout.Base];

    /// <summary>Places bytes.</summary>
    public void Put(uint address, ReadOnlySpan<byte> bytes) => bytes.CopyTo(Bytes.AsSpan((int)(address - ProgramLayout.Base)));

    /// <summary>Places a 32-bit word.</summary>
    public void Word(uint address, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(Bytes.AsSpan((int)(address - ProgramLayout.Base)), value);

    /// <summary>Places a descriptor.</summary>
    public void Descriptor(uint address, ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(Bytes.AsSpan((int)(address - ProgramLayout.Base)), value);

    /// <summary>Places 32-bit code.</summary>
    public void Assemble(uint address, Action<Assembler> write)
    {
        Assembler assembler = new(32);
        write(assembler);
        using MemoryStream stream = new();
        _ = assembler.Assemble(new StreamCodeWriter(stream), address);
        Put(address, stream.ToArray());
    }
}
