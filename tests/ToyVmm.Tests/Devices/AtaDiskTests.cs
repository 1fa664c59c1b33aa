using System.Buffers.Binary;
using System.Text;
using ToyVmm.Hardware.Devices;
using Xunit;
using static ToyVmm.Tests.Devices.AtaFixture;

namespace ToyVmm.Tests.Devices;

/// <summary>The ATA disk by the tables of ATA/ATAPI-6.</summary>
public sealed class AtaDiskTests
{
    private const int Sectors = 3000;
    private const int Idle = Drdy | Dsc;
    private readonly byte[] _content = Pattern(Sectors, 1);

    [Fact]
    public void IdentifyTellsTheTruth()
    {
        AtaFixture f = new(Disk());
        Assert.Equal(Idle | Drq, f.Command(0xEC));
        Assert.True(f.Interrupt);
        Assert.Equal(Idle | Drq, f.Status);
        Assert.False(f.Interrupt);
        byte[] data = f.ReadBytes(512);
        Assert.Equal(Idle, f.AlternateStatus);
        Assert.False(f.Interrupt);      // PIO data-in ends without an interrupt
        Assert.Equal(
            (0x0040, 2, 16, 63, 0x8010, 2, 16, 63, 2 * 16 * 63, Sectors, 0),
            (Word(data, 0), Word(data, 1), Word(data, 3), Word(data, 6), Word(data, 47), Word(data, 54), Word(data, 55), Word(data, 56), Word(data, 57), Word(data, 60), Word(data, 61)));
        Assert.Equal("SERIAL-1            ", Text(data, 10, 20));
        Assert.Equal("ToyVmm disk", Text(data, 27, 40).TrimEnd());
        Assert.Equal(0x2A00, Word(data, 49));      // LBA, no DMA
        Assert.Equal(0, Word(data, 63) | Word(data, 88));
        Assert.Equal(Sectors, BinaryPrimitives.ReadInt64LittleEndian(data.AsSpan(200)));
    }

    [Theory]
    [InlineData(1L, 1, 1u)]
    [InlineData(1008L, 1, 1008u)]
    [InlineData(16_514_064L, 16_383, 16_514_064u)]
    [InlineData(0x2000_0000L, 16_383, 0x0FFF_FFFFu)]
    public void LargeAndSmallDisksNameTheCapacityThatTheStandardLimits(long sectors, int cylinders, uint lba28)
    {
        AtaFixture f = new(new AtaDisk(new SparseImage(sectors), ""));
        _ = f.Command(0xEC);
        byte[] data = f.ReadBytes(512);
        Assert.Equal(cylinders, Word(data, 1));
        Assert.Equal(lba28, BinaryPrimitives.ReadUInt32LittleEndian(data.AsSpan(120)));
        Assert.Equal(sectors, BinaryPrimitives.ReadInt64LittleEndian(data.AsSpan(200)));
    }

    [Fact]
    public void ReadSectorsInterruptsForEachSector()
    {
        AtaFixture f = new(Disk());
        _ = f.Command(0x20, lba: 5, count: 3);
        for (int i = 0; i < 3; i++)
        {
            Assert.True(f.Interrupt);
            Assert.Equal(Idle | Drq, f.Status);
            Assert.Equal(_content.AsSpan((5 + i) * 512, 512).ToArray(), f.ReadBytes(512));
        }

        Assert.Equal((Idle, 3, 0), (f.AlternateStatus, f.Edges, f.In(2)));
        Assert.Equal(7, f.In(3));       // the last sector
        Assert.Equal(0u, f.InData(2));  // no DRQ, no data
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(4)]
    public void TheDataRegisterTakesEveryWidth(int width)
    {
        AtaFixture f = new(Disk());
        _ = f.Command(0x20, lba: 9, count: 1);
        int step = Math.Max(width, 2);      // a byte's access takes a whole word with it
        for (int i = 0; i < 512; i += step)
        {
            uint expected = BinaryPrimitives.ReadUInt32LittleEndian(_content.AsSpan((9 * 512) + i)) & (uint.MaxValue >> (32 - (8 * width)));
            Assert.Equal(expected, f.InData(width));
        }

        Assert.Equal(Idle, f.Status);
    }

    [Fact]
    public void WriteSectorsAsksForTheFirstSectorWithoutAnInterrupt()
    {
        MemoryDiskImage image = new(_content);
        AtaFixture f = new(new AtaDisk(image, ""));
        byte[] data = Pattern(2, 7);
        Assert.Equal(Idle | Drq, f.Command(0x30, lba: 100, count: 2));
        Assert.False(f.Interrupt);
        f.WriteBytes(data.AsSpan(0, 512));
        Assert.True(f.Interrupt);
        Assert.Equal(Idle | Drq, f.Status);
        f.WriteBytes(data.AsSpan(512));
        Assert.True(f.Interrupt);
        Assert.Equal(Idle, f.Status);
        Assert.Equal(2, f.Edges);
        Assert.Equal(data, ReadImage(image, 100, 2));
    }

    [Fact]
    public void MultipleMovesBlocksAndARestAtTheEnd()
    {
        MemoryDiskImage image = new(_content);
        AtaFixture f = new(new AtaDisk(image, ""));
        Assert.Equal(Idle | Err, f.Command(0xC4, 0, 8));     // not set yet
        Assert.Equal(4, f.Error);
        Assert.Equal(Idle, f.Command(0xC6, count: 4));
        _ = f.Command(0xEC);
        Assert.Equal(0x0104, Word(f.ReadBytes(512), 59));
        int edges = f.Edges;
        _ = f.Command(0xC4, lba: 20, count: 10);
        byte[] data = new byte[10 * 512];
        int done = 0;
        foreach (int sectors in (int[])[4, 4, 2])
        {
            Assert.Equal(Idle | Drq, f.Status);
            f.ReadBytes(sectors * 512).CopyTo(data, done);
            done += sectors * 512;
        }

        Assert.Equal((Idle, edges + 3), (f.AlternateStatus, f.Edges));
        Assert.Equal(_content.AsSpan(20 * 512, 10 * 512).ToArray(), data);

        byte[] written = Pattern(5, 3);
        _ = f.Command(0xC5, lba: 50, count: 5);
        f.WriteBytes(written.AsSpan(0, 4 * 512));
        Assert.Equal(Idle | Drq, f.Status);
        f.WriteBytes(written.AsSpan(4 * 512));
        Assert.Equal(Idle, f.Status);
        Assert.Equal(written, ReadImage(image, 50, 5));
        Assert.Equal(Idle | Err, f.Command(0xC6, count: 3));     // not a power of two
        Assert.Equal(Idle | Err, f.Command(0xC6, count: 32));    // more than word 47 says
        Assert.Equal(Idle | Err, f.Command(0xC4, 0, 8));         // and nothing is set any more
    }

    [Fact]
    public void CylindersHeadsAndSectorsFollowTheTranslation()
    {
        AtaFixture f = new(Disk());
        Assert.Equal(Idle | Drq, f.CommandChs(0x20, cylinder: 1, head: 2, sector: 3, count: 1));
        Assert.Equal(_content.AsSpan((((1 * 16) + 2) * 63 + 2) * 512, 512).ToArray(), f.ReadBytes(512));
        foreach ((int cylinder, int head, int sector) in new[] { (0, 0, 0), (0, 0, 64), (2, 0, 1) })
        {
            Assert.Equal(Idle | Err, f.CommandChs(0x20, cylinder, head, sector, 1));
            Assert.Equal(0x10, f.Error);
        }

        Assert.Equal(Idle, f.CommandChs(0x91, 0, head: 4, 0, count: 17));    // five heads, 17 sectors
        Assert.Equal(Idle | Drq, f.CommandChs(0x20, cylinder: 3, head: 4, sector: 17, count: 2));
        Assert.Equal(_content.AsSpan((((3 * 5) + 4) * 17 + 16) * 512, 512).ToArray(), f.ReadBytes(512));
        Assert.Equal((4, 0, 1), (f.In(4), f.In(6) & 15, f.In(3)));           // carried into the next cylinder
        Assert.Equal(Idle | Drq, f.Status);
        _ = f.ReadBytes(512);
        Assert.Equal(Idle | Err, f.CommandChs(0x20, 0, head: 5, 1, 1));
        Assert.Equal(Idle | Err, f.CommandChs(0x91, 0, 0, 0, count: 0));
        f.Control(4);
        f.Control(0);
        Assert.Equal(Idle | Drq, f.CommandChs(0x20, 0, head: 5, 1, 1));      // the reset reverts the translation
    }

    [Fact]
    public void FortyEightBitCommandsReachBehindTwentyEightBits()
    {
        SparseImage image = new(0x1_2345_6790);
        AtaFixture f = new(new AtaDisk(image, ""));
        byte[] data = Pattern(300, 9);
        Assert.Equal(Idle | Drq, f.Command48(0x34, 0x1_2345_6660, 300));
        f.WriteBytes(data);
        Assert.Equal(Idle, f.Status);
        Assert.Equal(Idle | Drq, f.Command48(0x24, 0x1_2345_6660, 300));
        Assert.Equal(data, f.ReadBytes(300 * 512));
        Assert.Equal(Idle | Err, f.Command48(0x42, 0x1_2345_6780, 0x11));
        Assert.Equal(0x10, f.Error);
        Assert.Equal((0x90, 0x67, 0x45), (f.In(3), f.In(4), f.In(5)));
        f.Control(0x80);                                                    // HOB shows the older bytes
        Assert.Equal((0x23, 0x01, 0x00), (f.In(3), f.In(4), f.In(5)));
        f.Out(6, 0);                                                        // 48-bit commands know no cylinders
        f.Out(7, 0x24);
        Assert.Equal((Idle | Err, 4), (f.Status, f.Error));
    }

    [Fact]
    public void ATransferStopsAtTheFirstSectorThatIsNotThere()
    {
        MemoryDiskImage image = new(_content);
        AtaFixture f = new(new AtaDisk(image, ""));
        _ = f.Command(0x20, lba: Sectors - 2, count: 5);
        _ = f.ReadBytes(1024);
        Assert.Equal(Idle | Err, f.Status);
        Assert.Equal((0x10, 3, Sectors & 0xFF, Sectors >> 8), (f.Error, f.In(2), f.In(3), f.In(4)));
        byte[] data = Pattern(3, 4);
        _ = f.Command(0x30, lba: Sectors - 2, count: 3);
        f.WriteBytes(data);
        Assert.Equal(Idle | Err, f.Status);
        Assert.Equal(data.AsSpan(0, 1024).ToArray(), ReadImage(image, Sectors - 2, 2));
        Assert.Equal(Idle | Err, f.Command(0x30, lba: Sectors, count: 1));   // no DRQ for data that can go nowhere
        Assert.Equal(Idle | Err, f.Command(0x70, lba: Sectors));
        Assert.Equal(Idle, f.Command(0x70, lba: Sectors - 1));
        Assert.Equal(Idle, f.Command(0x40, lba: 0, count: 0));               // 256 sectors
        Assert.Equal(Idle | Err, f.Command(0x40, lba: Sectors - 255, count: 0));
    }

    [Fact]
    public void AHostThatFailsIsAnAtaError()
    {
        FailingImage image = new() { FailsFrom = 12 };
        AtaFixture f = new(new AtaDisk(image, ""));
        _ = f.Command(0x20, lba: 10, count: 4);
        _ = f.ReadBytes(1024);
        Assert.Equal((Idle | Err, 0x40, 2, 12), (f.Status, f.Error, f.In(2), f.In(3)));
        _ = f.Command(0x30, lba: 11, count: 2);
        f.WriteBytes(new byte[1024]);
        Assert.Equal((Idle | Df | Err, 0x04, 1, 12), (f.Status, f.Error, f.In(2), f.In(3)));
        Assert.Equal(Idle | Df | Err, f.Command(0xE7));
        Assert.Equal(Idle, f.Command(0xE1));       // the next command begins afresh
        image.FailsFrom = 100;
        Assert.Equal(Idle, f.Command(0xE7));
        Assert.Equal(2, image.Flushes);
    }

    [Fact]
    public void AReadOnlyDiskRefusesWritesBeforeTheirData()
    {
        AtaFixture f = new(new AtaDisk(new MemoryDiskImage(_content, isReadOnly: true), ""));
        Assert.Equal(Idle | Err, f.Command(0x30, 1, 1));
        Assert.Equal(0x44, f.Error);
        Assert.Equal(Idle | Drq, f.Command(0x20, 1, 1));
    }

    [Fact]
    public void WithoutTheWriteCacheEveryWriteIsFlushed()
    {
        FailingImage image = new() { FailsFrom = 100 };
        AtaFixture f = new(new AtaDisk(image, ""));
        _ = f.Command(0x30, 1, 1);
        f.WriteBytes(new byte[512]);
        Assert.Equal(0, image.Flushes);
        Assert.Equal(Idle, f.Command(0xEF, features: 0x82));
        Assert.Equal(1, image.Flushes);
        _ = f.Command(0x30, 1, 1);
        f.WriteBytes(new byte[512]);
        Assert.Equal(2, image.Flushes);
    }

    [Theory]
    [InlineData(0x00, Idle | Err)]      // NOP
    [InlineData(0x08, Idle | Err)]      // DEVICE RESET is for PACKET devices
    [InlineData(0x10, Idle)]            // RECALIBRATE
    [InlineData(0x1F, Idle)]
    [InlineData(0x21, Idle | Drq)]      // READ SECTORS without retries
    [InlineData(0x22, Idle | Err)]      // READ LONG
    [InlineData(0x31, Idle | Drq)]
    [InlineData(0x41, Idle)]
    [InlineData(0x90, Idle)]            // EXECUTE DEVICE DIAGNOSTIC
    [InlineData(0xA0, Idle | Err)]      // PACKET
    [InlineData(0xA1, Idle | Err)]      // IDENTIFY PACKET DEVICE
    [InlineData(0xC8, Idle | Err)]      // READ DMA
    [InlineData(0xE0, Idle)]            // power management
    [InlineData(0xE1, Idle)]
    [InlineData(0xE2, Idle)]
    [InlineData(0xE3, Idle)]
    [InlineData(0xE4, Idle | Drq)]      // READ BUFFER
    [InlineData(0xE5, Idle)]
    [InlineData(0xE7, Idle)]            // FLUSH CACHE
    [InlineData(0xE8, Idle | Drq)]      // WRITE BUFFER
    [InlineData(0xEA, Idle)]
    [InlineData(0xEC, Idle | Drq)]
    [InlineData(0xF5, Idle | Err)]      // security
    [InlineData(0xB0, Idle | Err)]      // SMART
    public void CommandsAnswerWithTheirStatus(int command, int status)
    {
        AtaFixture f = new(Disk());
        Assert.Equal(status, f.Command(command, lba: 1, count: 1));
        Assert.Equal((status & Err) != 0 ? 4 : command == 0x90 ? 1 : 0, f.Error);
    }

    [Theory]
    [InlineData(0xE0, 0x00)]
    [InlineData(0xE2, 0x00)]
    [InlineData(0xE1, 0x80)]
    [InlineData(0x97, 0x80)]
    [InlineData(0x40, 0xFF)]    // a command that needs the disk wakes it
    public void CheckPowerModeTellsTheMode(int command, int mode)
    {
        AtaFixture f = new(Disk());
        _ = f.Command(0xE0);
        Assert.Equal(Idle, f.Command(command, 0, 1));
        Assert.Equal(Idle, f.Command(0xE5));
        Assert.Equal(mode, f.In(2));
    }

    [Fact]
    public void ASleepingDiskWakesByAReset()
    {
        AtaFixture f = new(Disk());
        Assert.Equal(Idle, f.Command(0xE6));
        Assert.Equal(Idle, f.Command(0x20, 0, 1));      // nothing happens
        f.Control(4);
        f.Control(0);
        Assert.Equal(Idle | Drq, f.Command(0x20, 0, 1));
    }

    [Theory]
    [InlineData(0x03, 0x0C, true)]
    [InlineData(0x03, 0x08, true)]
    [InlineData(0x03, 0x00, true)]
    [InlineData(0x03, 0x0D, false)]
    [InlineData(0x03, 0x22, false)]     // DMA
    [InlineData(0x03, 0x42, false)]
    [InlineData(0x02, 0, true)]
    [InlineData(0x82, 0, true)]
    [InlineData(0x55, 0, true)]
    [InlineData(0xAA, 0, true)]
    [InlineData(0x66, 0, true)]
    [InlineData(0xCC, 0, true)]
    [InlineData(0x05, 0, false)]
    public void SetFeaturesKnowsWhatIdentifyNames(int feature, int count, bool works)
    {
        AtaFixture f = new(Disk());
        Assert.Equal(works ? Idle : Idle | Err, f.Command(0xEF, count: count, features: feature));
    }

    [Fact]
    public void TheBufferKeepsASector()
    {
        AtaFixture f = new(Disk());
        byte[] data = Pattern(1, 5);
        _ = f.Command(0xE8);
        f.WriteBytes(data);
        Assert.True(f.Interrupt);
        _ = f.Command(0xE4);
        Assert.Equal(data, f.ReadBytes(512));
    }

    /// <summary>A guest that knows what it does, against a plain array: 20,000 commands on two disks.</summary>
    [Fact]
    public void RandomCommandsKeepTheDataOfAPlainModel()
    {
        const int sectors = 400;
        byte[][] models = [Pattern(sectors, 11), Pattern(sectors, 12)];
        AtaFixture f = new(new AtaDisk(new MemoryDiskImage(models[0].ToArray()), "A"), new AtaDisk(new MemoryDiskImage(models[1].ToArray()), "B"));
        Random random = new(13);
        _ = f.Command(0xC6, count: 8);
        _ = f.Command(0xC6, count: 2, device: 1);
        for (int step = 0; step < 20_000; step++)
        {
            int device = random.Next(2);
            int count = random.Next(1, 20);
            int lba = random.Next(sectors - count + 1);
            int offset = lba * 512;
            Assert.Equal(0, f.AlternateStatus & (Bsy | Drq | Err));
            switch (random.Next(5))
            {
                case 0:
                    Assert.Equal(Idle | Drq, f.Command(0x20, lba, count, device));
                    Assert.Equal(models[device].AsSpan(offset, count * 512).ToArray(), f.ReadBytes(count * 512));
                    break;
                case 1:
                    Assert.Equal(Idle | Drq, f.Command(0xC4, lba, count, device));
                    Assert.Equal(models[device].AsSpan(offset, count * 512).ToArray(), f.ReadBytes(count * 512));
                    break;
                case 2 or 3:
                    byte[] data = Pattern(count, step);
                    Assert.Equal(Idle | Drq, f.Command(random.Next(2) == 0 ? 0x30 : 0xC5, lba, count, device));
                    f.WriteBytes(data);
                    data.CopyTo(models[device], offset);
                    break;
                default:
                    _ = f.Command(random.Next(2) == 0 ? 0x40 : 0xE7, lba, count, device);
                    break;
            }
        }
    }

    private static int Word(byte[] data, int word) => BinaryPrimitives.ReadUInt16LittleEndian(data.AsSpan(2 * word));

    private static string Text(byte[] data, int word, int length)
    {
        StringBuilder text = new();
        for (int i = 0; i < length; i++)
        {
            _ = text.Append((char)data[(2 * word) + (i ^ 1)]);
        }

        return text.ToString();
    }

    private static byte[] ReadImage(MemoryDiskImage image, long first, int count)
    {
        byte[] data = new byte[count * 512];
        for (int i = 0; i < count; i++)
        {
            Assert.True(image.TryRead(first + i, data.AsSpan(i * 512, 512)));
        }

        return data;
    }

    private AtaDisk Disk() => new(new MemoryDiskImage(_content), "SERIAL-1");

    private sealed class SparseImage(long sectors) : IDiskImage
    {
        private readonly Dictionary<long, byte[]> _written = [];

        public long SectorCount => sectors;

        public bool IsReadOnly => false;

        public bool TryRead(long sector, Span<byte> destination)
        {
            _written.GetValueOrDefault(sector, new byte[512]).CopyTo(destination);
            return true;
        }

        public bool TryWrite(long sector, ReadOnlySpan<byte> source)
        {
            _written[sector] = source.ToArray();
            return true;
        }

        public bool TryFlush() => true;
    }

    private sealed class FailingImage : IDiskImage
    {
        public int FailsFrom { get; set; }

        public int Flushes { get; private set; }

        public long SectorCount => 50;

        public bool IsReadOnly => false;

        public bool TryRead(long sector, Span<byte> destination) => sector < FailsFrom;

        public bool TryWrite(long sector, ReadOnlySpan<byte> source) => sector < FailsFrom;

        public bool TryFlush()
        {
            Flushes++;
            return FailsFrom >= SectorCount;
        }
    }
}
