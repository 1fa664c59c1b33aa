using ToyVmm.Hardware.Buses;
using ToyVmm.Hardware.Devices;
using ToyVmm.Hardware.Interrupts;

namespace ToyVmm.Tests.Devices;

/// <summary>A channel at ports 0x1F0 and 0x3F6, seen as a driver sees it.</summary>
internal sealed class AtaFixture
{
    public const int Bsy = 0x80;
    public const int Drdy = 0x40;
    public const int Df = 0x20;
    public const int Dsc = 0x10;
    public const int Drq = 0x08;
    public const int Err = 0x01;

    private readonly PortBus _bus = new();

    public AtaFixture(AtaDevice? first = null, AtaDevice? second = null)
    {
        Channel = new AtaChannel(new CallbackLine(high =>
        {
            Edges += high && !Interrupt ? 1 : 0;
            Interrupt = high;
        }));
        _bus.Map(0x1F0, 8, Channel.CommandBlock);
        _bus.Map(0x3F6, 1, Channel.ControlBlock);
        if (first is not null)
        {
            Channel.Attach(0, first);
        }

        if (second is not null)
        {
            Channel.Attach(1, second);
        }
    }

    public AtaChannel Channel { get; }

    /// <summary>The level of INTRQ.</summary>
    public bool Interrupt { get; private set; }

    /// <summary>How often INTRQ has risen.</summary>
    public int Edges { get; private set; }

    public byte Status => In(7);

    public byte AlternateStatus => (byte)_bus.Read(0x3F6, 1);

    public byte Error => In(1);

    public int Signature => In(2) | (In(3) << 8) | (In(4) << 16) | (In(5) << 24);

    public byte In(int register) => (byte)_bus.Read((ushort)(0x1F0 + register), 1);

    public void Out(int register, int value) => _bus.Write((ushort)(0x1F0 + register), 1, (uint)value);

    public void Control(int value) => _bus.Write(0x3F6, 1, (uint)value);

    public uint InData(int width) => _bus.Read(0x1F0, width);

    public void OutData(int width, uint value) => _bus.Write(0x1F0, width, value);

    public uint InAny(ushort port, int width) => _bus.Read(port, width);

    public void OutAny(ushort port, int width, uint value) => _bus.Write(port, width, value);

    /// <summary>A command with a 28-bit sector number; returns the status.</summary>
    public byte Command(int command, long lba = 0, int count = 0, int device = 0, int features = 0)
    {
        Out(6, 0x40 | (device << 4) | (int)((lba >> 24) & 0x0F));
        Out(1, features);
        Out(2, count);
        Out(3, (int)lba & 0xFF);
        Out(4, (int)(lba >> 8) & 0xFF);
        Out(5, (int)(lba >> 16) & 0xFF);
        Out(7, command);
        return AlternateStatus;
    }

    /// <summary>A command with a cylinder, head and sector.</summary>
    public byte CommandChs(int command, int cylinder, int head, int sector, int count)
    {
        Out(6, head);
        Out(2, count);
        Out(3, sector);
        Out(4, cylinder & 0xFF);
        Out(5, cylinder >> 8);
        Out(7, command);
        return AlternateStatus;
    }

    /// <summary>A command of the 48-bit address feature set: each register is written twice, the upper byte first.</summary>
    public byte Command48(int command, long lba, int count)
    {
        Out(6, 0x40);
        foreach (int shift in (ReadOnlySpan<int>)[24, 0])
        {
            Out(2, shift == 0 ? count & 0xFF : count >> 8);
            Out(3, (int)(lba >> shift) & 0xFF);
            Out(4, (int)(lba >> (shift + 8)) & 0xFF);
            Out(5, (int)(lba >> (shift + 16)) & 0xFF);
        }

        Out(7, command);
        return AlternateStatus;
    }

    public byte[] ReadBytes(int count)
    {
        byte[] data = new byte[count];
        for (int i = 0; i < count; i += 2)
        {
            uint word = InData(2);
            data[i] = (byte)word;
            if (i + 1 < count)
            {
                data[i + 1] = (byte)(word >> 8);
            }
        }

        return data;
    }

    public void WriteBytes(ReadOnlySpan<byte> data)
    {
        for (int i = 0; i < data.Length; i += 2)
        {
            OutData(2, (uint)(data[i] | (data[i + 1] << 8)));
        }
    }

    public static byte[] Pattern(int sectors, int seed)
    {
        byte[] data = new byte[sectors * 512];
        new Random(seed).NextBytes(data);
        return data;
    }
}
