using System.Diagnostics;
using ToyVmm.Hardware.Devices;
using ToyVmm.Hardware.State;
using ToyVmm.VirtualMachines;
using Xunit;

namespace ToyVmm.Tests.Inputs;

/// <summary>The one door for input, and the clock that keeps host time.</summary>
public sealed class InputQueueTests
{
    // Reads COM1 until a 'q', then the keyboard's output buffer; hands what it saw to the debug exit port:
    //   mov dx, 0x3FD; l: in al, dx; test al, 1; jz l; mov dx, 0x3F8; in al, dx; cmp al, 'q'; mov dx, 0x3FD; jne l
    //   k: in al, 0x64; test al, 1; jz k; in al, 0x60; out 0xF4, al
    private static readonly byte[] s_reader =
    [
        0xBA, 0xFD, 0x03, 0xEC, 0xA8, 0x01, 0x74, 0xFB, 0xBA, 0xF8, 0x03, 0xEC, 0x3C, (byte)'q', 0xBA, 0xFD, 0x03, 0x75, 0xF0,
        0xE4, 0x64, 0xA8, 0x01, 0x74, 0xFA, 0xE4, 0x60, 0xE6, 0xF4,
    ];

    // PIT mode 2 at 1000 Hz on IRQ0, vector 8 -> iret at 0x7C00 + 0x2A; then sti; l: hlt; jmp l
    private static readonly byte[] s_idler =
    [
        0xFA, 0x31, 0xC0, 0x8E, 0xD8, 0xC7, 0x06, 0x20, 0x00, 0x31, 0x7C, 0xC7, 0x06, 0x22, 0x00, 0x00, 0x00,  // cli; ds = 0; [8 * 4] = 0000:7C31
        0xB0, 0x11, 0xE6, 0x20, 0xB0, 0x08, 0xE6, 0x21, 0xB0, 0x04, 0xE6, 0x21, 0xB0, 0x03, 0xE6, 0x21,         // ICW1-4: vectors from 8, automatic EOI
        0xB0, 0x34, 0xE6, 0x43, 0xB0, 0xA9, 0xE6, 0x40, 0xB0, 0x04, 0xE6, 0x40,                                 // counter 0: mode 2, 1193
        0xFB, 0xF4, 0xEB, 0xFD,                                                                                 // sti; hlt; jmp
        0xCF,                                                                                                   // 7C31: iret
    ];

    [Fact]
    public void Bytes_and_keys_arrive_and_are_recorded_with_their_moments()
    {
        using VirtualMachine vm = VirtualMachine.Create(s_reader);
        List<StampedInput> recorded = [];
        vm.Input.Recorder = recorded.Add;
        vm.Input.Enqueue("aq"u8);
        Assert.True(vm.Input.Enqueue([new KeyInput(Ps2Key.A, true), new KeyInput(Ps2Key.A, false)]));
        StopReason stop = vm.Run(new RunLimits { MaxInstructions = 100_000 });
        Assert.Equal((StopKind.DebugExit, 0x1EU), (stop.Kind, stop.Code)); // set 1, as the controller translates: the make code of A

        // Each device takes its own as it has room: without FIFOs the port has it for a byte at a time.
        Assert.Equal([new SerialInput((byte)'a'), new SerialInput((byte)'q')], recorded.Select(input => input.Event).OfType<SerialInput>());
        Assert.Equal([new KeyInput(Ps2Key.A, true), new KeyInput(Ps2Key.A, false)], recorded.Select(input => input.Event).OfType<KeyInput>());
        Assert.True(recorded.Zip(recorded.Skip(1)).All(pair => pair.First.At.Instructions <= pair.Second.At.Instructions && pair.First.At.Exits <= pair.Second.At.Exits));
        Assert.True(vm.Input.IsEmpty);
    }

    [Fact]
    public void A_guest_that_ignores_its_keyboard_does_not_make_keys_pile_up()
    {
        using InputQueue queue = new();
        KeyInput[] keys = [.. Enumerable.Repeat(new KeyInput(Ps2Key.A, true), 4000)];
        Assert.True(queue.Enqueue(keys));
        Assert.False(queue.Enqueue(keys));
    }

    /// <summary>Counts that no queue has are refused before anything is put into it: however many bytes follow.</summary>
    [Theory]
    [InlineData(0, (256 << 20) + 1, "bytes.Length is 268435457")]
    [InlineData(1, 4097, "keys.Length is 4097")]
    [InlineData(2, (1 << 16) + 1, "mouse.Length is 65537")]
    [InlineData(3, (1 << 16) + 1, "events.Length is 65537")]
    [InlineData(3, -1, "events.Length is -1")]
    [InlineData(0, 1 << 20, "only 999996 bytes follow")]
    public void A_state_with_too_much_waiting_is_refused(int which, int count, string error)
    {
        byte[] state = new byte[1_000_000];
        BitConverter.TryWriteBytes(state.AsSpan(4 * which), count);
        StateTransfer transfer = StateTransfer.ForRestoring(state);
        using InputQueue queue = new();
        ((ISavedState)queue).Transfer(transfer);
        Assert.Contains(error, transfer.Error, StringComparison.Ordinal);
        Assert.True(queue.IsEmpty);
    }

    [Fact]
    public void A_state_that_ends_within_what_waits_fills_no_queue()
    {
        byte[] state = new byte[16 + 60_000];
        BitConverter.TryWriteBytes(state.AsSpan(8), 60_000);    // mouse events, each of 13 bytes
        StateTransfer transfer = StateTransfer.ForRestoring(state);
        using InputQueue queue = new();
        ((ISavedState)queue).Transfer(transfer);
        Assert.Contains("ends too early", transfer.Error, StringComparison.Ordinal);
        int taken = 0;
        while (queue.TryTake(out MouseEvent _))
        {
            taken++;
        }

        Assert.InRange(taken, 60_000 / 13, (60_000 / 13) + 1);
    }

    [Fact]
    public void An_idle_guest_s_clock_keeps_host_time_and_does_not_run_away()
    {
        using VirtualMachine vm = VirtualMachine.Create(s_idler, new VirtualMachineOptions { Pace = true });
        long started = Stopwatch.GetTimestamp();
        Assert.Equal(StopKind.TimeLimit, vm.Run(new RunLimits { Timeout = TimeSpan.FromSeconds(0.5) }).Kind);
        double host = Stopwatch.GetElapsedTime(started).TotalSeconds;
        double guest = (double)vm.Machine.Clock.Now / vm.Machine.Clock.Frequency;
        Assert.InRange(guest, 0.25, host + 0.02);

        // A thousand ticks a second, but the host is woken far less often than that.
        Assert.True(vm.Statistics.Traps[8] > 200);
    }

    [Fact]
    public void A_pause_between_runs_stops_the_clock()
    {
        using VirtualMachine vm = VirtualMachine.Create(s_idler, new VirtualMachineOptions { Pace = true });
        _ = vm.Run(new RunLimits { Timeout = TimeSpan.FromSeconds(0.1) });
        Thread.Sleep(1000);
        long started = Stopwatch.GetTimestamp();
        _ = vm.Run(new RunLimits { Timeout = TimeSpan.FromSeconds(0.1) });
        double host = 0.1 + Stopwatch.GetElapsedTime(started).TotalSeconds;
        Assert.True((double)vm.Machine.Clock.Now / vm.Machine.Clock.Frequency < host + 0.8);
    }

    [Fact]
    public void Without_pace_idle_time_is_skipped_and_the_run_repeats()
    {
        InputMoment Moment()
        {
            using VirtualMachine vm = VirtualMachine.Create(s_idler);
            _ = vm.Run(new RunLimits { MaxInstructions = 20_000 });
            return vm.Now;
        }

        InputMoment first = Moment();
        Assert.Equal(first, Moment());
        Assert.True(first.Clock > 3_000_000_000, $"{first}"); // seconds of guest time, in no time
    }

    [Fact]
    public void Input_wakes_a_sleeping_guest_before_its_timer_and_tells_it_the_time()
    {
        // The controller is told to raise IRQ1 and to translate. The timer's IRQ stays masked: only the RTC's slow deadlines are left, and the keyboard's IRQ1 (vector 9, the same iret).
        byte[] code = [.. s_idler];
        byte[] image = [.. code[..5], 0xC7, 0x06, 0x24, 0x00, 0x33, 0x7C, 0xC7, 0x06, 0x26, 0x00, 0x00, 0x00, .. code[17..33], 0xB0, 0xFD, 0xE6, 0x21, 0xB0, 0x60, 0xE6, 0x64, 0xB0, 0x41, 0xE6, 0x60, 0xFB, 0xF4, 0xB0, 0x07, 0xE6, 0xF4, 0xCF];
        using VirtualMachine vm = VirtualMachine.Create(image, new VirtualMachineOptions { Pace = true });
        List<StampedInput> recorded = [];
        vm.Input.Recorder = recorded.Add;
        vm.Input.Open();
        using Timer timer = new(_ => vm.Input.Enqueue([new KeyInput(Ps2Key.B, true)]), null, 150, Timeout.Infinite);
        StopReason stop = vm.Run(new RunLimits { Timeout = TimeSpan.FromSeconds(30) });
        Assert.Equal((StopKind.DebugExit, 7U), (stop.Kind, stop.Code));
        Assert.Contains(recorded, input => input.Event is KeyInput);
        Assert.True((double)vm.Machine.Clock.Now / vm.Machine.Clock.Frequency > 0.1);
    }
}
