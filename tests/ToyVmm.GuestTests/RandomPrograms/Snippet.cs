using L = ToyVmm.GuestTests.RandomPrograms.ProgramLayout;

namespace ToyVmm.GuestTests.RandomPrograms;

/// <summary>One random piece of a program: code for its slot, 16-bit code for virtual-8086 mode, and what it is.</summary>
internal sealed class Snippet(int number, string kind)
{
    private readonly List<byte> _bytes = [];
    private readonly List<byte> _virtualBytes = [];
    private List<byte>? _target;

    public string Kind { get; } = kind;

    public int Number { get; } = number;

    public IReadOnlyList<byte> Bytes => _bytes;

    public IReadOnlyList<byte> VirtualBytes => _virtualBytes;

    public uint Slot => L.Slots + ((uint)Number * L.SlotLength);

    public uint VirtualSlot => L.VirtualCode + ((uint)Number * L.VirtualLength);

    /// <summary>Where the next byte of the slot will lie.</summary>
    public uint Here => Slot + (uint)_bytes.Count;

    private List<byte> Target => _target ?? _bytes;

    public Snippet Code(params ReadOnlySpan<byte> bytes)
    {
        foreach (byte value in bytes)
        {
            Target.Add(value);
        }

        return this;
    }

    public Snippet Half(uint value) => Code((byte)value, (byte)(value >> 8));

    public Snippet Word(uint value) => Half(value).Half(value >> 16);

    /// <summary>MOV register, value.</summary>
    public Snippet Load(int register, uint value) => Code((byte)(0xB8 + register)).Word(value);

    /// <summary>PUSH value.</summary>
    public Snippet Push(uint value) => Code(0x68).Word(value);

    /// <summary>MOV EAX, [address].</summary>
    public Snippet Read(uint address) => Code(0xA1).Word(address);

    /// <summary>MOV dword [address], value.</summary>
    public Snippet Store(uint address, uint value) => Code(0xC7, 0x05).Word(address).Word(value);

    /// <summary>Enters ring 3 with an IOPL; the code goes on behind.</summary>
    public Snippet EnterUser(uint flags)
    {
        Push(L.Data3).Push(L.UserStack).Push(flags).Push(L.Code3);
        uint behind = Here + 6; // PUSH imm32, IRET
        return Push(behind).Code(0xCF);
    }

    /// <summary>Enters virtual-8086 mode; code goes to the 16-bit part from now on.</summary>
    public Snippet EnterVirtual(uint flags, ushort data)
    {
        for (int i = 0; i < 4; i++)
        {
            Push(data); // GS FS DS ES
        }

        Push(0x1000).Push(0xFF00).Push(flags | 0x2_0002).Push(VirtualSlot >> 4).Push(0).Code(0xCF);
        _target = _virtualBytes;
        return this;
    }

    /// <summary>Ends with the vector whose handler logs and goes on to the next snippet.</summary>
    public Snippet End() => Code(0xCD, L.EndVector);
}
