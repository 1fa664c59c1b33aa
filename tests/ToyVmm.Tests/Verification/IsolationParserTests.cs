using System.Text;
using ToyVmm.Debugging.Monitoring;
using ToyVmm.Engines.Classification;
using ToyVmm.Hardware;
using ToyVmm.Hardware.Devices;
using ToyVmm.Tests.Fuzz;
using ToyVmm.Tests.Loading;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Loading;
using Xunit;
using Xunit.Abstractions;

namespace ToyVmm.Tests.Verification;

/// <summary>
/// What the product reads beside images (those: <see cref="LoaderFuzzTests"/>): command lines, firmware, disks and discs, what is typed at a terminal
/// and at the monitor's prompt, the classification. Any bytes give an answer or a refusal in words.
/// </summary>
public sealed class IsolationParserTests(ITestOutputHelper output)
{
    private const int MostTimesMore = 100;

    private static readonly string[] s_words =
    [
        "x", "xp", "x/", "xp/4i", "x/65536xg", "x/99999999999x", "x/i", "x/4cb", "info", "i", "registers", "mem", "tlb", "pic", "pit", "apic", "exits", "block", "sendkey", "ctrl-alt-delete", "a-b-c",
        "f1", "shift-", "-", "help", "?", "screen", "stop", "$pc", "$sp", "$eax", "$nothing", "$", "0x", "0xFFFFFFFF", "0xfffffffe", "4294967296", "-1", "0", "/4x", "/", "//", "\t", "\0", "ß", "\uD800",
    ];

    [Fact]
    public void Command_lines_and_names_of_modules()
    {
        using TestMemory memory = new();
        ForAll(4000, random =>
        {
            byte[] image = random.OneIn(2) ? TestImages.BzImage(payload: 256) : TestImages.MultibootElf(7);
            LoadOptions options = new()
            {
                CommandLine = Text(random, random.OneIn(20) ? 70_000 : 600),
                ImageName = random.OneIn(2) ? Text(random, 40) : null,
                InitialRamDisk = random.OneIn(4) ? new byte[random.Below(9000)] : null,
                Modules = random.OneIn(2) ? [] : [.. Enumerable.Range(0, random.Below(6)).Select(_ => new BootModule(Text(random, 300), new byte[random.Below(5000)]))],
            };
            LoadResult result = ImageLoader.Load(image, memory.Memory, options);
            Assert.True(result.Succeeded != (result.Error is not null));
            Assert.True(result.Succeeded || result.Error!.ToString().Length > 10);
            Assert.True(memory.Memory.IsIntact);
        });
    }

    [Fact]
    public void Video_BIOSes()
    {
        int accepted = 0;
        ForAll(4000, random =>
        {
            byte[] rom = new byte[random.OneIn(8) ? random.Below(64) : 512 * (1 + random.Below(random.OneIn(20) ? 140 : 8))];
            Fill(random, rom);
            if (rom.Length > 0x20 && !random.OneIn(8))
            {
                int data = random.OneIn(3) ? random.UInt16() : random.Below(rom.Length);
                (rom[0], rom[1], rom[0x18], rom[0x19]) = (0x55, 0xAA, (byte)data, (byte)(data >> 8));
                "PCIR"u8[..Math.Min(4, Math.Max(0, rom.Length - data))].CopyTo(rom.AsSpan(Math.Min(data, rom.Length)));
            }

            if (PciVga.Problem(rom) is { } problem)
            {
                Assert.NotEmpty(problem);
                return;
            }

            accepted++;
            PciVga card = new(rom, _ => { });
            Assert.True(card.RomSize >= rom.Length && card.RomSize <= PciVga.LongestRom);
            _ = card.Read(random.UInt32(), 4);
        });
        Assert.True(accepted > 100 || FuzzSettings.Cases(1000) < 1000, $"{accepted} ROMs were accepted");
    }

    [Fact]
    public void Firmware_that_is_noise() => ForAll(150, random =>
    {
        byte[] bios = new byte[1 + random.Below(random.OneIn(4) ? 300_000 : 0x1_0000)];
        Fill(random, bios);
        if (!random.OneIn(4))
        {
            // The first instruction is 16 bytes below its end: a jump into structured noise.
            new NoiseCode(random, false).Generate(Math.Min(bios.Length, 4000)).CopyTo(bios, 0);
        }

        VirtualMachineOptions options = new() { Machine = new MachineConfig { MemorySize = 1 << 20, Bios = bios }, Load = new LoadOptions { Format = ImageFormat.BootSector } };
        using VirtualMachine vm = VirtualMachine.Create(TestImages.Disk(512 * (1 + random.Below(8))), options);
        StopReason stop = vm.Run(new RunLimits { MaxInstructions = 3000, Timeout = TimeSpan.FromSeconds(1) });
        Assert.True(Enum.IsDefined(stop.Kind));
        Assert.Null(vm.BrokenCanary);
    });

    [Fact]
    public void Disks_and_discs_of_any_size_and_content() => ForAll(40, random =>
    {
        string disk = Path.GetTempFileName();
        string disc = Path.GetTempFileName();
        try
        {
            File.WriteAllBytes(disk, Drive(random));
            File.WriteAllBytes(disc, Drive(random));
            VirtualMachineOptions options = new()
            {
                Machine = new MachineConfig { MemorySize = 2 << 20, Disks = [new DiskConfig(disk, random.Pick<DiskAccess>([DiskAccess.ReadOnly, DiskAccess.Snapshot]))], CdRom = random.OneIn(2) ? disc : null },
            };
            try
            {
                // The built-in BIOS looks at the drives, and runs what it finds.
                using VirtualMachine vm = VirtualMachine.CreateFromDrives(options);
                StopReason stop = vm.Run(new RunLimits { MaxInstructions = 300_000, Timeout = TimeSpan.FromSeconds(1) });
                Assert.True(Enum.IsDefined(stop.Kind));
                Assert.Null(vm.BrokenCanary);
            }
            catch (DriveException e)
            {
                Assert.NotEmpty(e.Message);
            }
        }
        finally
        {
            File.Delete(disk);
            File.Delete(disc);
        }
    });

    [Fact]
    public void Geometries_of_any_size() => ForAll(20_000, random =>
    {
        long bytes = (long)(random.Bits64() >> (1 + random.Below(62)));
        DiskGeometry bios = DiskGeometry.ForImageSize(bytes);
        Assert.True(bios is { Cylinders: >= 1, Heads: >= 1 and <= 255, SectorsPerTrack: >= 1 and <= 63, SectorCount: >= 1 });
        Assert.True(bios.SectorCount == Math.Max(1, (bytes / 512) + (bytes % 512 == 0 ? 0 : 1)));
        AtaGeometry ata = AtaGeometry.Translate(bios.SectorCount, 1 + random.Below(16), 1 + random.Below(255));
        Assert.True(ata is { Cylinders: >= 1 and <= 0xFFFF, Heads: >= 1 and <= 16, SectorsPerTrack: >= 1 and <= 255 });
        (int cylinder, int head, int sector) = ata.AddressOf(random.Below(int.MaxValue));
        Assert.True(ata.SectorOf(cylinder, head, sector) is null or >= 0);
        Assert.True(ata.SectorOf(random.UInt16(), random.Byte(), random.Byte()) is not { } found || found < ata.SectorCount);
    });

    [Fact]
    public void The_monitors_prompt()
    {
        using VirtualMachine vm = VirtualMachine.Create(TestImages.MultibootElf(7), new VirtualMachineOptions { Machine = new MachineConfig { MemorySize = 4 << 20 } });
        MonitorCommands monitor = new(vm);
        ForAll(3000, random =>
        {
            StringBuilder line = new();
            for (int n = random.Below(5); n >= 0; n--)
            {
                _ = line.Append(random.OneIn(8) ? Text(random, 12) : random.Pick<string>(s_words)).Append(random.OneIn(6) ? "" : " ");
            }

            MonitorReply reply = monitor.Execute(line.ToString());
            Assert.NotNull(reply.Text);
            Assert.True(Enum.IsDefined(reply.Action));
            Assert.True(!reply.IsError || reply.Text.Length > 0, line.ToString());
        });
    }

    [Fact]
    public void What_a_terminal_sends() => ForAll(5000, random =>
    {
        TerminalKeys keys = new();
        byte[] bytes = new byte[random.Below(60)];
        Fill(random, bytes);
        for (int n = 0; n < bytes.Length; n++)
        {
            bytes[n] = random.Below(4) switch { 0 => 0x1B, 1 => random.Pick("[O;123456789~ABCDFHPQRSZ"u8), _ => bytes[n] };
        }

        Dictionary<Ps2Key, int> down = [];
        foreach (KeyInput key in keys.Decode(bytes).Concat(keys.Flush()))
        {
            Assert.True(Enum.IsDefined(key.Key));
            down[key.Key] = down.GetValueOrDefault(key.Key) + (key.Pressed ? 1 : -1);
        }

        // No key stays down, and nothing is left to wait for.
        Assert.All(down.Values, count => Assert.Equal(0, count));
        Assert.False(keys.IsPending);
    });

    [Fact]
    public void Classifications()
    {
        StringWriter text = new();
        ClassificationTable.Write(ClassificationTable.Rows.Take(40), text);
        string good = text.ToString();
        int read = 0;
        ForAll(4000, random =>
        {
            char[] bad = good.ToCharArray();
            for (int hits = random.Below(4); hits > 0; hits--)
            {
                bad[random.Below(bad.Length)] = random.OneIn(3) ? (char)random.UInt16() : random.Pick("\t\n :,+-0129#"u8) is var b ? (char)b : ' ';
            }

            try
            {
                read += ClassificationTable.Read(new StringReader(new string(bad)[(random.OneIn(4) ? random.Below(60) : 0)..])).Count();
            }
            catch (FormatException e)
            {
                Assert.NotEmpty(e.Message);
            }
        });
        Assert.True(read > 1000 || FuzzSettings.Cases(1000) < 1000);
    }

    private void ForAll(int standardCases, Action<EdgeRandom> check)
    {
        ulong first = FuzzSettings.FirstSeed();
        int cases = Math.Min(FuzzSettings.Cases(standardCases), MostTimesMore * standardCases);
        for (int n = 0; n < cases; n++)
        {
            try
            {
                check(new EdgeRandom(first + (ulong)n));
            }
            catch (Exception e)
            {
                throw new FuzzViolationException($"TOYVMM_SEED=0x{first + (ulong)n:X} TOYVMM_FUZZ_CASES=0: {e.GetType().Name}: {e.Message}\n{e.StackTrace}");
            }
        }

        output.WriteLine($"seed 0x{first:X}: {cases} cases");
    }

    private static string Text(EdgeRandom random, int longest)
    {
        char[] text = new char[random.Below(longest + 1)];
        for (int n = 0; n < text.Length; n++)
        {
            text[n] = random.OneIn(10) ? (char)random.UInt16() : (char)(' ' + random.Below(95));
        }

        return new string(text);
    }

    private static byte[] Drive(EdgeRandom random)
    {
        byte[] drive = new byte[random.Pick([0, 1, 511, 512, 513, 2047, 2048, 4096, 163_840, 40_960 + random.Below(100_000)])];
        Fill(random, drive);
        if (drive.Length >= 512)
        {
            new NoiseCode(random, false).Generate(500).CopyTo(drive, 0);
            (drive[510], drive[511]) = (0x55, 0xAA);
        }

        return drive;
    }

    private static void Fill(EdgeRandom random, byte[] bytes)
    {
        for (int n = 0; n < bytes.Length; n++)
        {
            bytes[n] = (byte)random.Bits32();
        }
    }

    private sealed class TestMemory : LoaderFixture
    {
        public new Hardware.Memory.GuestMemory Memory => base.Memory;
    }
}
