using System.Diagnostics;
using System.Text;
using ToyVmm.Engines;
using ToyVmm.Hardware.Devices;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Tracing;
using Xunit;

namespace ToyVmm.GuestTests;

/// <summary>What guests draw, dot by dot, beside QEMU's picture of the same guest.</summary>
public sealed class ScreenTests
{
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(60);

    [RequiresToolTheory("qemu-system-i386")]
    [InlineData("vga-mode13", 640, 400)]
    [InlineData("vga-planes", 640, 480)]
    [InlineData("vga-text", 720, 400)]
    public async Task The_picture_is_the_one_that_QEMU_shows(string name, int width, int height)
    {
        GuestImage guest = GuestCatalog.Find(name);
        (int Width, int Height, byte[] Pixels) theirs = ReadPixmap(await ScreenOfQemu(guest));
        foreach (EngineKind engine in GuestRunner.Engines)
        {
            using VirtualMachine vm = GuestRunner.Create(guest, engine, new TraceHash());
            StopReason stop = vm.Run(new RunLimits { MaxInstructions = 100_000_000, Timeout = s_limit });
            Assert.Equal(guest.ExpectedStatus, stop.ExitStatus);
            Assert.Equal((engine, 0), (engine, Differing(vm, theirs, width, height)));
        }
    }

    [Fact]
    public void A_picture_drawn_in_chained_memory_costs_no_exits()
    {
        GuestImage guest = GuestCatalog.Find("vga-mode13");
        GuestImage hello = GuestCatalog.Find("hello-boot");
        foreach (EngineKind engine in GuestRunner.Engines)
        {
            // Clearing the four planes unchained: 32,768 stores; the fonts: 1,024 at power-on.
            Assert.InRange(Drawing(guest, upTo: "64000 pixels", engine), 0ul, 50_000ul);
            Assert.InRange(Drawing(hello, upTo: "Hello", engine), 0ul, 2000ul);
        }
    }

    private static int Differing(VirtualMachine vm, (int Width, int Height, byte[] Pixels) theirs, int width, int height)
    {
        VgaFrame ours = vm.Machine.Vga.ReadFrame();
        TextScreen? text = vm.Machine.Vga.IsTextMode ? vm.Machine.Vga.ReadScreen() : null;
        Assert.Equal((width, height, width, height), (ours.Width, ours.Height, theirs.Width, theirs.Height));
        int differing = 0;
        for (int y = 0; y < height; y++)
        {
            for (int x = 0; x < width; x++)
            {
                // QEMU repeats the eighth dot of characters B0 to BF too; IBM's reference says C0 to DF (attribute controller, mode control bit 2).
                if (text is not null && x % 9 == 8 && text[y / 16, x / 9].Code is >= 0xB0 and <= 0xBF)
                {
                    continue;
                }

                // Six bits of each component: how they become eight is a matter of taste.
                int at = ((y * width) + x) * 3;
                uint dot = (uint)((theirs.Pixels[at] << 16) | (theirs.Pixels[at + 1] << 8) | theirs.Pixels[at + 2]);
                differing += ((ours[x, y] ^ dot) & 0xFCFCFC) != 0 ? 1 : 0;
            }
        }

        return differing;
    }

    [Theory]
    [MemberData(nameof(GuestRunner.EngineRows), MemberType = typeof(GuestRunner))]
    public void The_mouse_moves_by_way_of_the_input_queue(EngineKind engine)
    {
        using VirtualMachine vm = VirtualMachine.Create(File.ReadAllBytes(GuestCatalog.Find("mouse").ImagePath), new VirtualMachineOptions { Engine = engine });
        vm.Input.Enqueue(new MouseEvent(3, 4, 0, MouseButtons.Right));
        Assert.False(vm.Input.IsEmpty);
        _ = vm.Run(new RunLimits { MaxInstructions = 1 });
        Assert.True(vm.Input.IsEmpty);
        vm.Machine.Mouse.Receive(0xEB);
        Assert.Equal([0xFA, 0x0A, 3, 4], Enumerable.Range(0, 4).Select(_ => vm.Machine.Mouse.Send()));
    }

    [Fact]
    public void A_screenshot_is_a_PNG_file()
    {
        using TemporaryFile picture = CommandLine.File([], ".png");
        ToolResult result = CommandLine.Run("run", "vga-mode13", "-q", "--serial", "none", "--screenshot", picture.Path);
        Assert.Equal((33, "", ""), (result.Status, result.Output, result.Errors));
        byte[] file = File.ReadAllBytes(picture.Path);
        Assert.Equal("\u0089PNG\r\n\x1A\n\0\0\0\rIHDR\0\0\x02\u0080\0\0\x01\u0090\b\x02", Encoding.Latin1.GetString(file, 0, 26));
        Assert.Equal([0, 0, 0, 0, (byte)'I', (byte)'E', (byte)'N', (byte)'D', 0xAE, 0x42, 0x60, 0x82], file[^12..]);

        // A limit is a stop as good as any; the text mode's picture has its own size.
        result = CommandLine.Run("run", "vga-text", "-q", "--serial", "none", "--max-instructions", "1000", "--screenshot", picture.Path);
        Assert.Equal(72, result.Status);
        Assert.Equal([0x00, 0x00, 0x02, 0xD0, 0x00, 0x00, 0x01, 0x90], File.ReadAllBytes(picture.Path)[16..24]);
    }

    [Fact]
    public void A_screenshot_that_cannot_be_written_is_refused_before_the_run()
    {
        ToolResult result = CommandLine.Run("run", "hello", "--screenshot", "/nowhere/picture.png");
        Assert.Equal((66, ""), (result.Status, result.Output));
        Assert.Contains("cannot write the screenshot /nowhere/picture.png: there is no such directory", result.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public void A_graphics_mode_is_described_where_there_are_only_characters()
    {
        ToolResult result = CommandLine.Run("run", "vga-planes", "-q", "--serial", "none", "--screen");
        Assert.Equal("(graphics, 640 x 480, 16 colours; --screenshot FILE.png takes the picture when the guest stops)\n", result.Output);
    }

    private static ulong Drawing(GuestImage guest, string upTo, EngineKind engine)
    {
        ulong exits = 0;
        using VirtualMachine vm = VirtualMachine.Create(
            File.ReadAllBytes(guest.ImagePath), new VirtualMachineOptions { Engine = engine, ExitObserver = (_, exit) => exits += exit.Reason == ExitReason.Mmio ? 1u : 0 });
        StopKind stop;
        do
        {
            stop = vm.Run(new RunLimits { MaxInstructions = 1000, Timeout = s_limit }).Kind;
        }
        while (stop == StopKind.InstructionLimit && !vm.SerialOutput.Contains(upTo, StringComparison.Ordinal));
        Assert.Contains(upTo, vm.SerialOutput, StringComparison.Ordinal);
        return exits;
    }

    // QEMU runs until the guest has printed its last line and hangs - there is no debug exit port - and is asked for its screen.
    private static async Task<byte[]> ScreenOfQemu(GuestImage guest)
    {
        using TemporaryFile image = CommandLine.File(File.ReadAllBytes(guest.ImagePath), ".img");
        using TemporaryFile serial = CommandLine.File([], ".txt");
        using TemporaryFile picture = CommandLine.File([], ".ppm");
        ProcessStartInfo start = new("qemu-system-i386") { RedirectStandardInput = true, RedirectStandardOutput = true };
        foreach (string argument in (string[])["-display", "none", "-no-reboot", "-monitor", "stdio", "-serial", $"file:{serial.Path}", "-drive", $"file={image.Path},format=raw"])
        {
            start.ArgumentList.Add(argument);
        }

        using Process qemu = Process.Start(start) ?? throw new InvalidOperationException("QEMU did not start.");
        Task<string> output = qemu.StandardOutput.ReadToEndAsync();
        Stopwatch watch = Stopwatch.StartNew();
        while (ReadShared(serial.Path) != guest.ExpectedSerial && watch.Elapsed < s_limit && !qemu.HasExited)
        {
            await Task.Delay(50);
        }

        await qemu.StandardInput.WriteAsync($"screendump {picture.Path}\nquit\n");
        qemu.StandardInput.Close();
        if (!qemu.WaitForExit(s_limit))
        {
            qemu.Kill(entireProcessTree: true);
        }

        Assert.True(guest.ExpectedSerial == ReadShared(serial.Path), $"the guest printed:\n{ReadShared(serial.Path)}\nand QEMU said:\n{await output}");
        return File.ReadAllBytes(picture.Path);
    }

    private static string ReadShared(string path)
    {
        using FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        using StreamReader reader = new(file, Encoding.Latin1);
        return reader.ReadToEnd();
    }

    // Portable pixmap, binary: "P6", width and height, 255, three bytes a dot.
    private static (int Width, int Height, byte[] Pixels) ReadPixmap(byte[] file)
    {
        string head = Encoding.Latin1.GetString(file, 0, Math.Min(file.Length, 40));
        string[] lines = head.Split('\n');
        Assert.Equal(("P6", "255"), (lines[0], lines[2]));
        int[] size = [.. lines[1].Split(' ').Select(number => int.Parse(number, System.Globalization.CultureInfo.InvariantCulture))];
        int start = lines[0].Length + lines[1].Length + lines[2].Length + 3;
        return (size[0], size[1], file[start..]);
    }
}
