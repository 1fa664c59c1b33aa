using System.Globalization;
using ToyVmm.Hardware;
using ToyVmm.Hardware.Devices;

namespace ToyVmm.Debugging.Inspecting;

/// <summary>Devices for people. Registers whose read would change something are not read but looked at.</summary>
internal static class DeviceText
{
    // Data sheets: 16550D 8.6.3, 8.6.6, 8.6.4, 8.6.7; 8042: IBM PC AT technical reference; ATA/ATAPI-6 7.15, 7.9; MC146818A.
    private static readonly string[] s_lineStatus = ["DR", "OE", "PE", "FE", "BI", "THRE", "TEMT", "FIFO error"];
    private static readonly string[] s_modemStatus = ["dCTS", "dDSR", "TERI", "dDCD", "CTS", "DSR", "RI", "DCD"];
    private static readonly string[] s_modemControl = ["DTR", "RTS", "OUT1", "OUT2", "loop"];
    private static readonly string[] s_interruptEnable = ["received", "transmitter empty", "line status", "modem status"];
    private static readonly string[] s_keyboardStatus = ["OBF", "IBF", "system", "command", "not locked", "AUX", "time-out", "parity"];
    private static readonly string[] s_ataStatus = ["ERR", "", "", "DRQ", "DSC", "DF", "DRDY", "BSY"];
    private static readonly string[] s_ataError = ["AMNF", "TK0NF", "ABRT", "MCR", "IDNF", "MC", "UNC", "ICRC"];
    private static readonly string[] s_rtcInterrupts = ["", "", "", "", "update", "alarm", "periodic", "IRQ"];

    /// <summary>The serial ports.</summary>
    public static InspectionText Serial(Machine machine)
    {
        InspectionWriter text = new();
        for (int n = 0; n < machine.SerialPorts.Count; n++)
        {
            SerialState state = machine.SerialPorts[n].State;
            string parity = (state.LineControl & 8) == 0 ? "N" : (state.LineControl & 0x20) != 0 ? (state.LineControl & 0x10) != 0 ? "S" : "M" : (state.LineControl & 0x10) != 0 ? "E" : "O";
            _ = text.Heading($"COM{n + 1}").Line($"  {machine.SerialPorts[n].BaudRate:0} baud {5 + (state.LineControl & 3)}{parity}{((state.LineControl & 4) != 0 ? 2 : 1)}, divisor {state.Divisor:x4}{((state.LineControl & 0x80) != 0 ? ", DLAB is set" : "")}")
                .Line($"  IER={state.InterruptEnable:x2} {Names(state.InterruptEnable, s_interruptEnable)}  IIR={state.InterruptIdentification:x2} {Pending(state.InterruptIdentification)}")
                .Line($"  LSR={state.LineStatus:x2} {Names(state.LineStatus, s_lineStatus)}  MCR={state.ModemControl:x2} {Names(state.ModemControl, s_modemControl)}  MSR={state.ModemStatus:x2} {Names(state.ModemStatus, s_modemStatus)}")
                .Line($"  {state.Received} received characters wait{((state.InterruptIdentification & 0xC0) != 0 ? FormattableString.Invariant($", FIFO on, interrupt at {state.Trigger}") : "")}; scratch {state.Scratch:x2}");
        }

        return machine.SerialPorts.Count == 0 ? text.Add("there is no serial port").ToText() : text.ToText();
    }

    /// <summary>Both ATA channels.</summary>
    public static InspectionText Ata(Machine machine)
    {
        InspectionWriter text = new();
        foreach ((string name, AtaChannel channel) in ((string, AtaChannel)[])[("primary", machine.PrimaryAta), ("secondary", machine.SecondaryAta)])
        {
            _ = text.Heading(string.Create(CultureInfo.InvariantCulture, $"{name} channel: device {channel.SelectedDevice} is selected, control {channel.DeviceControl:x2}{((channel.DeviceControl & 2) != 0 ? " nIEN" : "")}{((channel.DeviceControl & 4) != 0 ? " SRST" : "")}"));
            for (int n = 0; n < channel.Devices.Count; n++)
            {
                if (channel.Devices[n] is not { } device)
                {
                    _ = text.Line($"  device {n}: none");
                    continue;
                }

                AtaDeviceState state = device.State;
                string kind = device is AtapiCdRom disc ? disc.IsEmpty ? "CD-ROM, empty" : FormattableString.Invariant($"CD-ROM, {disc.BlockCount} blocks") : "disk";
                _ = text.Line($"  device {n}: {kind}{(state.InterruptPending ? ", INTRQ" : "")}{(state.BytesLeft > 0 ? FormattableString.Invariant($", {state.BytesLeft} bytes of data wait") : "")}")
                    .Line($"    status={state.Status:x2} {Names(state.Status, s_ataStatus)}  error={state.Error:x2}{((state.Status & 1) != 0 && state.Sense is null ? " " + Names(state.Error, s_ataError) : "")}")
                    .Line($"    features={state.Features:x2} count={state.Count:x2} low={state.Low:x2} mid/high={state.MiddleAndHigh:x4} device={state.Device:x2}{((state.Device & 0x40) != 0 ? " LBA" : "")}");
                if (state.Sense is { } sense)
                {
                    _ = text.Line($"    sense key {sense.Key:x} code {sense.Code:x2}/{sense.Qualifier:x2}");
                }
            }
        }

        return text.ToText();
    }

    /// <summary>The clock and its memory.</summary>
    public static InspectionText Clock(Machine machine)
    {
        RtcMc146818 rtc = machine.Rtc;
        InspectionWriter text = new();
        byte b = rtc.Peek(0x0B);
        _ = text.Line($"time {rtc.Peek(4):x2}:{rtc.Peek(2):x2}:{rtc.Peek(0):x2}, date {rtc.Peek(9):x2}-{rtc.Peek(8):x2}-{rtc.Peek(7):x2}, day of week {rtc.Peek(6):x2} ({((b & 4) != 0 ? "binary" : "BCD")}, {((b & 2) != 0 ? 24 : 12)} hours){((b & 0x80) != 0 ? ", stopped by SET" : "")}")
            .Line($"alarm {rtc.Peek(5):x2}:{rtc.Peek(3):x2}:{rtc.Peek(1):x2}, index {rtc.Index:x2}")
            .Line($"A={rtc.Peek(0x0A):x2}{((rtc.Peek(0x0A) & 0x80) != 0 ? " UIP" : "")} rate {Rate(rtc.Peek(0x0A))}")
            .Line($"B={b:x2} interrupts: {Names((byte)(b & 0x70), s_rtcInterrupts)}")
            .Line($"C={rtc.Peek(0x0C):x2} flags: {Names(rtc.Peek(0x0C), s_rtcInterrupts)}")
            .Heading("memory");
        for (int row = 0; row < RtcMc146818.Size; row += 16)
        {
            _ = text.Write($"  {row:x2}:");
            for (int n = row; n < row + 16; n++)
            {
                _ = text.Write($" {rtc.Peek(n):x2}");
            }

            _ = text.End();
        }

        return text.ToText();
    }

    /// <summary>The keyboard controller, and what is plugged in.</summary>
    public static InspectionText Keyboard(Machine machine)
    {
        KeyboardControllerState state = machine.KeyboardController.State;
        return new InspectionWriter()
            .Line($"8042: status={state.Status:x2} {Names(state.Status, s_keyboardStatus)}  data={state.Data:x2}, {state.Waiting} answers wait")
            .Line($"  command byte {state.Command:x2}: IRQ 1 {On(state.Command & 1)}, IRQ 12 {On(state.Command & 2)}, keyboard {On(~state.Command & 0x10)}, mouse {On(~state.Command & 0x20)}, translation {On(state.Command & 0x40)}")
            .Line($"  output port {state.OutputPort:x2}; A20 is {On(machine.A20Enabled ? 1 : 0)}")
            .Line($"keyboard: scan code set {machine.Keyboard.ScanCodeSet}, LEDs {machine.Keyboard.Leds:x2}, {(machine.Keyboard.HasData ? "has data" : "no data")}, {machine.Keyboard.PendingEvents} keys wait")
            .Write($"mouse: {(machine.Mouse.IsReporting ? "reports" : "does not report")}, {(machine.Mouse.HasData ? "has data" : "no data")}")
            .ToText();
    }

    private static string Names(int bits, string[] names)
    {
        string[] set = [.. names.Where((name, n) => name.Length > 0 && ((bits >> n) & 1) != 0)];
        return set.Length == 0 ? "-" : string.Join(' ', set);
    }

    private static string Pending(byte identification) => (identification & 0x0F) switch
    {
        1 => "nothing pending",
        6 => "line status",
        4 => "received data",
        0xC => "character time-out",
        2 => "transmitter empty",
        _ => "modem status",
    };

    private static string Rate(byte a) => (a & 15) == 0 ? "none" : string.Create(CultureInfo.InvariantCulture, $"{32_768 >> ((a & 15) - 1 + ((a & 15) < 3 ? 7 : 0))} Hz");

    private static string On(int bit) => bit != 0 ? "on" : "off";
}
