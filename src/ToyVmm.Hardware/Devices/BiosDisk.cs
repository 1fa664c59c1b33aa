using System.Buffers.Binary;
using ToyVmm.Hardware.Buses;
using ToyVmm.Hardware.Memory;
using ToyVmm.Hardware.State;

namespace ToyVmm.Hardware.Devices;

/// <summary>One drive of the <see cref="BiosDisk"/>.</summary>
/// <param name="Number">The BIOS's number: 0x00, 0x01 for floppies, 0x80, 0x81 for hard disks.</param>
/// <param name="Geometry">Cylinders, heads and sectors.</param>
/// <param name="Image">The sectors.</param>
public sealed record BiosDrive(byte Number, DiskGeometry Geometry, IDiskImage Image);

/// <summary>
/// Floppies for a BIOS that does not want to drive a floppy controller: four 32-bit registers, a command moves whole sectors
/// between an image and RAM, at once. (Hard disks are <see cref="AtaDisk"/>s.) Not a real chip; <c>guest-images/bios/diskio.inc</c> is its driver.
/// </summary>
/// <remarks>
/// Registers, little-endian, at offsets from the first port (the board puts it at 0x5E0). A narrower access sees or changes
/// the bytes it names; writing the lowest byte of the command register, whatever the width, runs the command.
/// <list type="table">
/// <item><term>0</term><description>read: the signature 'TVBD'; write: the drive's number</description></item>
/// <item><term>4</term><description>the sector's number; after <see cref="Command.Parameters"/> how many there are</description></item>
/// <item><term>8</term><description>the physical address; after <see cref="Command.Parameters"/> sectors a track | heads &lt;&lt; 8 | cylinders &lt;&lt; 16</description></item>
/// <item><term>12</term><description>write: command | sectors &lt;&lt; 8; read: status | sectors done &lt;&lt; 8</description></item>
/// </list>
/// </remarks>
public sealed class BiosDisk : IPortDevice, ISavedState
{
    /// <summary>Where a board puts the first port; the BIOS looks there.</summary>
    public const ushort DefaultPort = 0x5E0;

    /// <summary>How many ports the registers take.</summary>
    public const int PortCount = 16;

    /// <summary>'TVBD', first letter in the lowest byte.</summary>
    public const uint Signature = 0x4442_5654;

    // What the count of a disk address packet can say; it also bounds the work of one OUT.
    private const uint MaximumSectors = 0xFFFF;

    private const int DriveRegister = 0;
    private const int SectorRegister = 4;
    private const int AddressRegister = 8;
    private const int CommandRegister = 12;

    private readonly GuestMemory _memory;
    private readonly BiosDrive[] _drives;
    private readonly byte[] _registers = new byte[PortCount];
    private uint _result;

    /// <summary>Makes the device.</summary>
    /// <param name="memory">The RAM that sectors go to and come from.</param>
    /// <param name="drives">The drives; no two have the same number.</param>
    /// <exception cref="ArgumentException">Two drives have the same number.</exception>
    public BiosDisk(GuestMemory memory, IEnumerable<BiosDrive> drives)
    {
        _memory = memory;
        _drives = [.. drives];
        if (_drives.DistinctBy(drive => drive.Number).Count() != _drives.Length)
        {
            throw new ArgumentException("two drives have the same number", nameof(drives));
        }
    }

    /// <summary>What the device does; the number stands in the lowest byte of the command register.</summary>
    public enum Command : byte
    {
        /// <summary>Sectors to memory.</summary>
        Read = 1,

        /// <summary>Memory to sectors.</summary>
        Write = 2,

        /// <summary>Are the sectors readable?</summary>
        Verify = 3,

        /// <summary>How large is the drive?</summary>
        Parameters = 4,
    }

    /// <summary>How a command ended, in the numbers that INT 13h returns in AH.</summary>
    public enum Status : byte
    {
        /// <summary>Done.</summary>
        Ok = 0x00,

        /// <summary>No such command or hard disk, or more than 65,535 sectors at once.</summary>
        InvalidCommand = 0x01,

        /// <summary>The disk is read-only.</summary>
        WriteProtected = 0x03,

        /// <summary>The sector's number is past the disk's end.</summary>
        SectorNotFound = 0x04,

        /// <summary>The memory range is not RAM.</summary>
        AddressOutOfRange = 0x09,

        /// <summary>The host could not read or write the image.</summary>
        ControllerFailed = 0x20,

        /// <summary>No such floppy drive.</summary>
        NotReady = 0x80,
    }

    /// <inheritdoc/>
    public int MaximumWidth => 4;

    /// <summary>The drives.</summary>
    public IReadOnlyList<BiosDrive> Drives => _drives;

    /// <inheritdoc/>
    public uint ReadPort(uint offset, int width)
    {
        uint value = 0;
        for (int i = width - 1; i >= 0; i--)
        {
            value = (value << 8) | ReadByte(offset + (uint)i);
        }

        return value;
    }

    /// <inheritdoc/>
    public void WritePort(uint offset, int width, uint value)
    {
        for (int i = 0; i < width; i++)
        {
            if (offset + (uint)i < PortCount)
            {
                _registers[offset + (uint)i] = (byte)(value >> (8 * i));
            }
        }

        if (offset <= CommandRegister && offset + (uint)width > CommandRegister)
        {
            Execute();
        }
    }

    /// <inheritdoc/>
    void ISavedState.Transfer(StateTransfer state)
    {
        state.Bytes(_registers);
        state.Value(ref _result);
    }

    private byte ReadByte(uint offset) => offset switch
    {
        >= PortCount => 0xFF,
        >= CommandRegister => (byte)(_result >> (int)(8 * (offset - CommandRegister))),
        >= SectorRegister => _registers[offset],
        _ => (byte)(Signature >> (int)(8 * offset)),
    };

    private uint Register(int offset) => BinaryPrimitives.ReadUInt32LittleEndian(_registers.AsSpan(offset));

    private void SetRegister(int offset, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(_registers.AsSpan(offset), value);

    private void Execute()
    {
        uint command = Register(CommandRegister);
        uint done = 0;
        Status status = Find(Register(DriveRegister), out BiosDrive? drive);
        if (drive is not null)
        {
            status = (Command)(byte)command switch
            {
                Command.Parameters => ReportParameters(drive),
                Command.Read or Command.Write or Command.Verify => Transfer(drive, (Command)(byte)command, command >> 8, out done),
                _ => Status.InvalidCommand,
            };
        }

        _result = (uint)status | (done << 8);
    }

    private Status Find(uint number, out BiosDrive? drive)
    {
        drive = Array.Find(_drives, candidate => candidate.Number == number);
        return drive is not null ? Status.Ok : number < 0x80 ? Status.NotReady : Status.InvalidCommand;
    }

    private Status ReportParameters(BiosDrive drive)
    {
        DiskGeometry geometry = drive.Geometry;
        SetRegister(SectorRegister, (uint)Math.Min(drive.Image.SectorCount, uint.MaxValue));
        SetRegister(AddressRegister, (uint)(geometry.SectorsPerTrack | (geometry.Heads << 8)) | ((uint)geometry.Cylinders << 16));
        return Status.Ok;
    }

    // Sector by sector: what was moved before a failure is counted, as INT 13h reports it in AL.
    private Status Transfer(BiosDrive drive, Command command, uint count, out uint done)
    {
        done = 0;
        ulong sector = Register(SectorRegister);
        ulong address = Register(AddressRegister);
        if (count > MaximumSectors)
        {
            return Status.InvalidCommand;
        }

        if (sector + count > (ulong)drive.Image.SectorCount)
        {
            return Status.SectorNotFound;
        }

        if (command != Command.Verify && address + ((ulong)count * DiskGeometry.SectorSize) > _memory.RamSize)
        {
            return Status.AddressOutOfRange;
        }

        if (command == Command.Write && drive.Image.IsReadOnly)
        {
            return Status.WriteProtected;
        }

        Span<byte> buffer = stackalloc byte[DiskGeometry.SectorSize];
        for (; done < count; done++)
        {
            Status status = MoveSector(drive.Image, command, (long)sector + done, new GuestPhysicalAddress(address + (done * DiskGeometry.SectorSize)), buffer);
            if (status != Status.Ok)
            {
                return status;
            }
        }

        return Status.Ok;
    }

    private Status MoveSector(IDiskImage image, Command command, long sector, GuestPhysicalAddress address, Span<byte> buffer)
    {
        if (command == Command.Write)
        {
            return !_memory.TryRead(address, buffer) ? Status.AddressOutOfRange
                : image.TryWrite(sector, buffer) ? Status.Ok
                : Status.ControllerFailed;
        }

        if (!image.TryRead(sector, buffer))
        {
            return Status.ControllerFailed;
        }

        // DMA never changes a ROM, nor a device's window.
        bool isRam = _memory.KindAt(address) == PageKind.Ram && _memory.KindAt(address + (DiskGeometry.SectorSize - 1)) == PageKind.Ram;
        return command == Command.Verify || (isRam && _memory.TryWrite(address, buffer)) ? Status.Ok : Status.AddressOutOfRange;
    }
}
