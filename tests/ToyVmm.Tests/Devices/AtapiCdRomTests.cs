using System.Buffers.Binary;
using System.Text;
using ToyVmm.Hardware;
using ToyVmm.Hardware.Devices;
using Xunit;
using static ToyVmm.Tests.Devices.AtaFixture;

namespace ToyVmm.Tests.Devices;

/// <summary>The CD-ROM drive: the PACKET protocol of ATA/ATAPI-6 9.8, and the commands of MMC-2.</summary>
public sealed class AtapiCdRomTests
{
    private const int Blocks = 50;
    private const byte DataOut = 0x01;      // Interrupt Reason: C/D = 1, I/O = 0: a packet, please
    private const byte DataIn = 0x02;
    private const byte Done = 0x03;

    private readonly byte[] _disc = Pattern(Blocks * 4, 21);

    [Fact]
    public void IdentifyPacketDeviceNamesACdRom()
    {
        AtaFixture f = new(Drive());
        Assert.Equal(Drdy | Drq, f.Command(0xA1));
        byte[] data = f.ReadBytes(512);
        Assert.Equal(Drdy, f.Status);
        Assert.Equal(0x85C0, BinaryPrimitives.ReadUInt16LittleEndian(data));
        Assert.Equal(Drdy | Err, f.Command(0xEC));      // "aborted, with the signature"
        Assert.Equal((4, unchecked((int)0xEB14_0101)), (f.Error, f.Signature));
    }

    [Fact]
    public void APacketGoesThroughItsPhases()
    {
        AtaFixture f = Ready();
        int edges = f.Edges;
        _ = f.Command(0xA0, lba: 0xFFFE00);             // byte count limit FFFEh
        Assert.Equal((Drdy | Drq, DataOut, edges), (f.AlternateStatus, f.In(2), f.Edges));
        f.WriteBytes(Read10(7, 2));
        Assert.True(f.Interrupt);
        Assert.Equal((Drdy | Drq, DataIn, 4096), (f.Status, f.In(2), f.In(4) | (f.In(5) << 8)));
        Assert.Equal(_disc.AsSpan(7 * 2048, 4096).ToArray(), f.ReadBytes(4096));
        Assert.True(f.Interrupt);
        Assert.Equal((Drdy, Done, edges + 2), (f.Status, f.In(2), f.Edges));
    }

    [Theory]
    [InlineData(0xFFFE, 2)]     // more than a DRQ block of ours
    [InlineData(0x8000, 2)]
    [InlineData(0x1000, 10)]
    [InlineData(0x0FFF, 20)]    // room for one whole block
    [InlineData(0x0200, 80)]    // less than one
    [InlineData(0x0100, 160)]
    public void TheHostsLimitCutsTheDataIntoBlocks(int limit, int interrupts)
    {
        AtaFixture f = Ready();
        int edges = f.Edges;
        (byte[] data, byte status) = Packet(f, Read10(3, 20), limit);
        Assert.Equal((Drdy, interrupts + 1), (status, f.Edges - edges));
        Assert.Equal(_disc.AsSpan(3 * 2048, 20 * 2048).ToArray(), data);
    }

    [Fact]
    public void ThePowerOnAttentionIsReportedOnce()
    {
        AtaFixture f = new(Drive());
        Assert.Equal(36, Packet(f, [0x12, 0, 0, 0, 255, 0]).Data.Length);      // INQUIRY may be asked before
        Assert.Equal(Drdy | Err, Packet(f, [0x00]).Status);
        Assert.Equal(0x64, f.Error);
        Assert.Equal((0x6, 0x29, 0x00), Sense(f));
        Assert.Equal((0x0, 0x00, 0x00), Sense(f));
        Assert.Equal(Drdy, Packet(f, [0x00]).Status);
        Assert.Equal((0x6, 0x29, 0x00), Sense(new AtaFixture(Drive())));
    }

    [Fact]
    public void InquiryAndCapacity()
    {
        AtaFixture f = Ready();
        byte[] inquiry = Packet(f, [0x12, 0, 0, 0, 255, 0]).Data;
        Assert.Equal((0x05, 0x80, 31), (inquiry[0], inquiry[1], inquiry[4]));
        Assert.Equal("ToyVmm  CD-ROM          1.0 ", Encoding.ASCII.GetString(inquiry, 8, 28));
        Assert.Equal(inquiry.AsSpan(0, 5).ToArray(), Packet(f, [0x12, 0, 0, 0, 5, 0]).Data.AsSpan(0, 5).ToArray());
        Assert.Equal([0, 0, 0, Blocks - 1, 0, 0, 8, 0], Packet(f, [0x25]).Data);
    }

    [Fact]
    public void ReadsPastTheEndAndUnknownCommandsAreIllegalRequests()
    {
        AtaFixture f = Ready();
        Assert.Equal(Drdy | Err, Packet(f, Read10(Blocks - 1, 2)).Status);
        Assert.Equal(0x54, f.Error);
        Assert.Equal((0x5, 0x21, 0x00), Sense(f));
        Assert.Equal(Drdy, Packet(f, Read10(Blocks, 0)).Status);        // nothing is not too much
        Assert.Equal(Drdy | Err, Packet(f, [0x2A]).Status);             // WRITE(10)
        Assert.Equal((0x5, 0x20, 0x00), Sense(f));
        Assert.Equal(Drdy | Err, Packet(f, [0xA8, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF]).Status);
        Assert.Equal((0x5, 0x21, 0x00), Sense(f));
        Assert.Equal(_disc.AsSpan(2048, 4096).ToArray(), Packet(f, [0xA8, 0, 0, 0, 0, 1, 0, 0, 0, 2]).Data);
        Assert.Equal(_disc.AsSpan(2048, 2048).ToArray(), Packet(f, [0xBE, 0, 0, 0, 0, 1, 0, 0, 1, 0x10]).Data);
        Assert.Equal(Drdy | Err, Packet(f, [0xBE, 0, 0, 0, 0, 1, 0, 0, 1, 0xF8]).Status);   // raw sectors
        Assert.Equal((0x5, 0x24, 0x00), Sense(f));
        Assert.Equal(Drdy | Err, Packet(f, Read10(0, 1), limit: 0).Status);
    }

    [Fact]
    public void TheTableOfContents()
    {
        AtaFixture f = Ready();
        Assert.Equal([0, 18, 1, 1, 0, 0x14, 1, 0, 0, 0, 0, 0, 0, 0x14, 0xAA, 0, 0, 0, 0, Blocks], Packet(f, [0x43, 0, 0, 0, 0, 0, 0, 0, 100]).Data);
        Assert.Equal([0, 18, 1, 1, 0, 0x14, 1, 0, 0, 0, 2, 0, 0, 0x14, 0xAA, 0, 0, 0, 2, Blocks], Packet(f, [0x43, 2, 0, 0, 0, 0, 0, 0, 100]).Data);
        Assert.Equal([0, 10, 1, 1, 0, 0x14, 0xAA, 0, 0, 0, 0, Blocks], Packet(f, [0x43, 0, 0, 0, 0, 0, 0xAA, 0, 100]).Data);
        Assert.Equal([0, 10, 1, 1, 0, 0x14, 1, 0, 0, 0, 0, 0], Packet(f, [0x43, 0, 1, 0, 0, 0, 0, 0, 100]).Data);
        Assert.Equal([0, 10, 1, 1, 0, 0x14, 1, 0, 0, 0, 0, 0], Packet(f, [0x43, 0, 0, 0, 0, 0, 0, 0, 100, 0x40]).Data);     // SFF-8020's place
        Assert.Equal(48, Packet(f, [0x43, 0, 2, 0, 0, 0, 0, 0, 100]).Data.Length);
        Assert.Equal(Drdy | Err, Packet(f, [0x43, 0, 0, 0, 0, 0, 5, 0, 100]).Status);       // no track 5
        Assert.Equal(Drdy | Err, Packet(f, [0x43, 0, 5, 0, 0, 0, 0, 0, 100]).Status);       // CD-TEXT
    }

    [Fact]
    public void ModePagesConfigurationAndDiscInformationHaveTheirLengths()
    {
        AtaFixture f = Ready();
        byte[] all = Packet(f, [0x5A, 0, 0x3F, 0, 0, 0, 0, 1, 0]).Data;
        Assert.Equal((8 + 8 + 20, 34, 0x01, 0x01, 0x2A), (all.Length, all[1], all[2], all[8], all[16]));
        Assert.Equal(8 + 20, Packet(f, [0x5A, 0, 0x2A, 0, 0, 0, 0, 1, 0]).Data.Length);
        Assert.All(Packet(f, [0x5A, 0, 0x6A, 0, 0, 0, 0, 1, 0]).Data[10..], value => Assert.Equal(0, value));     // changeable: nothing
        Assert.Equal(Drdy | Err, Packet(f, [0x5A, 0, 0xEA, 0, 0, 0, 0, 1, 0]).Status);
        Assert.Equal((0x5, 0x39, 0x00), Sense(f));
        Assert.Equal(Drdy | Err, Packet(f, [0x5A, 0, 0x0E, 0, 0, 0, 0, 1, 0]).Status);      // audio control
        byte[] configuration = Packet(f, [0x46, 0, 0, 0, 0, 0, 0, 1, 0]).Data;
        Assert.Equal((configuration.Length - 4, 0x08), (configuration[3], configuration[7]));
        Assert.Equal(16, Packet(f, [0x46, 2, 0, 1, 0, 0, 0, 1, 0]).Data.Length);            // the header and one feature
        Assert.Equal((34, 32, 0x0E), (Packet(f, [0x51, 0, 0, 0, 0, 0, 0, 1, 0]).Data is var info ? info.Length : 0, info[1], info[2]));
        Assert.Equal(Drdy, Packet(f, [0xBB]).Status);
        Assert.Equal(8, Packet(f, [0xBD, 0, 0, 0, 0, 0, 0, 0, 0, 8]).Data.Length);
    }

    [Fact]
    public void TheTrayOpensUnlessItIsLocked()
    {
        AtaFixture f = Ready();
        Assert.Equal(Drdy, Packet(f, [0x1E, 0, 0, 0, 1]).Status);
        Assert.Equal(Drdy | Err, Packet(f, [0x1B, 0, 0, 0, 2]).Status);
        Assert.Equal((0x5, 0x53, 0x02), Sense(f));
        Assert.Equal((1, 2), Event(f));                 // somebody wants it out, and it is in
        Assert.Equal(Drdy, Packet(f, [0x1E, 0, 0, 0, 0]).Status);
        Assert.Equal(Drdy, Packet(f, [0x1B, 0, 0, 0, 2]).Status);
        Assert.Equal((3, 1), Event(f));                 // removed, the tray is open
        Assert.Equal(Drdy | Err, Packet(f, Read10(0, 1)).Status);
        Assert.Equal((0x2, 0x3A, 0x00), Sense(f));
        Assert.Equal(Drdy, Packet(f, [0x1B, 0, 0, 0, 3]).Status);
        Assert.Equal((2, 2), Event(f));
        Assert.Equal(Drdy | Err, Packet(f, Read10(0, 1)).Status);
        Assert.Equal((0x6, 0x28, 0x00), Sense(f));
        Assert.Equal(Drdy, Packet(f, Read10(0, 1)).Status);
        Assert.Equal((0, 2), Event(f));
        Assert.Equal(Drdy | Err, Packet(f, [0x4A, 0, 0, 0, 0x10, 0, 0, 0, 8]).Status);      // not polled
        Assert.Equal([0, 0, 0x80, 0x10], Packet(f, [0x4A, 1, 0, 0, 0x02, 0, 0, 0, 8]).Data);
    }

    [Fact]
    public void AnEmptyDriveSaysSo()
    {
        AtaFixture f = new(new AtapiCdRom(null, ""));
        _ = Sense(f);
        foreach (byte command in (byte[])[0x00, 0x25, 0x28, 0x43])
        {
            Assert.Equal(Drdy | Err, Packet(f, [command]).Status);
            Assert.Equal((0x2, 0x3A, 0x00), Sense(f));
        }
    }

    [Fact]
    public void AHostThatFailsIsAMediumError()
    {
        string path = Path.GetTempFileName();
        File.WriteAllBytes(path, _disc);
        FileDiskImage image = new(path, DiskAccess.ReadOnly);
        AtaFixture f = new(new AtapiCdRom(image, ""));
        _ = Sense(f);
        int errors = 0;
        image.HostError += (_, _) => errors++;
        image.Dispose();
        File.Delete(path);
        Assert.Equal(Drdy | Err, Packet(f, Read10(0, 1)).Status);
        Assert.Equal((0x34, 1), (f.Error, errors));
        Assert.Equal((0x3, 0x11, 0x00), Sense(f));
    }

    [Fact]
    public void ThePartOfABlockAtTheEndReadsAsZeros()
    {
        AtaFixture f = new(new AtapiCdRom(new MemoryDiskImage(_disc.AsMemory(0, 2048 + 700)), ""));
        _ = Sense(f);
        byte[] data = Packet(f, Read10(1, 1)).Data;
        Assert.Equal(_disc.AsSpan(2048, 700).ToArray(), data[..700]);
        Assert.All(data[700..], value => Assert.Equal(0, value));
    }

    [Fact]
    public void DeviceResetWorksInTheMiddleOfATransfer()
    {
        AtaFixture f = Ready();
        _ = f.Command(0xA0, lba: 0xFFFE00);
        f.WriteBytes(Read10(0, 4));
        _ = f.ReadBytes(10);
        _ = f.Status;
        f.Out(7, 0x08);
        Assert.Equal((0, unchecked((int)0xEB14_0101)), (f.AlternateStatus, f.Signature));
        Assert.False(f.Interrupt);
        Assert.Equal(_disc.AsSpan(0, 2048).ToArray(), Packet(f, Read10(0, 1)).Data);
        Assert.Equal(Drdy | Err, f.Command(0xA0, lba: 0xFFFE00, features: 1));      // DMA
        Assert.Equal(4, f.Error);
    }

    private static byte[] Read10(int block, int count) => [0x28, 0, 0, 0, (byte)(block >> 8), (byte)block, 0, (byte)(count >> 8), (byte)count, 0, 0, 0];

    // Sends a packet and collects what comes: block by block as the drive announces them.
    private static (byte[] Data, byte Status) Packet(AtaFixture f, byte[] packet, int limit = 0xFFFE)
    {
        _ = f.Command(0xA0, lba: (long)limit << 8);
        Assert.Equal(DataOut, f.In(2));
        byte[] padded = new byte[12];
        packet.CopyTo(padded, 0);
        f.WriteBytes(padded);
        List<byte> data = [];
        byte status;
        while (((status = f.Status) & Drq) != 0)
        {
            Assert.Equal(DataIn, f.In(2));
            data.AddRange(f.ReadBytes(f.In(4) | (f.In(5) << 8)));
        }

        Assert.Equal(Done, f.In(2));
        return ([.. data], status);
    }

    private static (int Key, int Code, int Qualifier) Sense(AtaFixture f)
    {
        byte[] data = Packet(f, [0x03, 0, 0, 0, 18]).Data;
        Assert.Equal((18, 0x70, 10), (data.Length, data[0], data[7]));
        return (data[2], data[12], data[13]);
    }

    private static (int Event, int State) Event(AtaFixture f)
    {
        byte[] data = Packet(f, [0x4A, 1, 0, 0, 0x10, 0, 0, 0, 8]).Data;
        return (data[4], data[5]);
    }

    private AtaFixture Ready()
    {
        AtaFixture f = new(Drive());
        _ = Sense(f);
        _ = f.Status;
        return f;
    }

    private AtapiCdRom Drive() => new(new MemoryDiskImage(_disc), "");
}
