using System.Buffers.Binary;
using ToyVmm.Hardware.State;

namespace ToyVmm.Hardware.Devices;

/// <summary>
/// A configuration space made of bytes: what each register holds after reset and which bits the guest may change. A function
/// declares its header in its constructor; one that must act on a write overrides <see cref="ConfigurationWritten"/>.
/// </summary>
public abstract class PciFunction : IPciFunction, ISavedState
{
    /// <summary>Bytes of a configuration space.</summary>
    protected const int Size = 256;

    private readonly byte[] _space = new byte[Size];
    private readonly byte[] _initial = new byte[Size];
    private readonly byte[] _writable = new byte[Size];

    /// <inheritdoc/>
    public uint ReadConfiguration(int register) => BinaryPrimitives.ReadUInt32LittleEndian(_space.AsSpan(register & 0xFC));

    /// <inheritdoc/>
    public void WriteConfiguration(int register, uint value, uint byteMask)
    {
        Span<byte> bytes = _space.AsSpan(register & 0xFC, 4);
        uint mask = byteMask & BinaryPrimitives.ReadUInt32LittleEndian(_writable.AsSpan(register & 0xFC));
        uint old = BinaryPrimitives.ReadUInt32LittleEndian(bytes);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, (old & ~mask) | (value & mask));
        ConfigurationWritten(register & 0xFC);
    }

    /// <inheritdoc/>
    public virtual void Reset()
    {
        _initial.CopyTo(_space, 0);
        for (int register = 0; register < Size; register += 4)
        {
            ConfigurationWritten(register);
        }
    }

    /// <inheritdoc/>
    /// <remarks>What a write would have caused beside (<see cref="ConfigurationWritten"/>) is the board's state.</remarks>
    void ISavedState.Transfer(StateTransfer state)
    {
        state.Bytes(_space);
        bool same = true;
        for (int offset = 0; offset < Size; offset++)
        {
            same &= ((_space[offset] ^ _initial[offset]) & ~_writable[offset]) == 0;
        }

        state.Require(same, "read-only registers hold what they hold in this machine");
    }

    /// <summary>Declares one byte.</summary>
    /// <param name="offset">0 to 255.</param>
    /// <param name="initial">Its value after reset.</param>
    /// <param name="writable">The bits that the guest may change.</param>
    protected void DefineByte(int offset, byte initial, byte writable = 0)
    {
        _initial[offset] = _space[offset] = initial;
        _writable[offset] = writable;
    }

    /// <summary>Declares the registers that every function has (PCI 2.1, 6.1).</summary>
    /// <param name="vendor">Vendor identifier.</param>
    /// <param name="device">Device identifier.</param>
    /// <param name="revision">Revision.</param>
    /// <param name="classCode">Class, subclass and programming interface, 24 bits.</param>
    protected void DefineHeader(ushort vendor, ushort device, byte revision, int classCode)
    {
        DefineByte(0, (byte)vendor);
        DefineByte(1, (byte)(vendor >> 8));
        DefineByte(2, (byte)device);
        DefineByte(3, (byte)(device >> 8));
        DefineByte(8, revision);
        DefineByte(9, (byte)classCode);
        DefineByte(10, (byte)(classCode >> 8));
        DefineByte(11, (byte)(classCode >> 16));
    }

    /// <summary>One byte of the space as it is now.</summary>
    protected byte ByteAt(int offset) => _space[offset];

    /// <summary>A doubleword has been written, or reset.</summary>
    /// <param name="register">Its byte offset.</param>
    protected virtual void ConfigurationWritten(int register)
    {
    }
}
