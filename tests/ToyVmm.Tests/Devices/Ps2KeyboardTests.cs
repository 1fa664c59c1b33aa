using ToyVmm.Hardware.Devices;
using ToyVmm.Hardware.Time;
using Xunit;

namespace ToyVmm.Tests.Devices;

public sealed class Ps2KeyboardTests
{
    [Theory]
    [InlineData(Ps2Key.A, "1C", "F0 1C", "1E", "9E")]
    [InlineData(Ps2Key.F7, "83", "F0 83", "41", "C1")]
    [InlineData(Ps2Key.RightControl, "E0 14", "E0 F0 14", "E0 1D", "E0 9D")]
    [InlineData(Ps2Key.Up, "E0 75", "E0 F0 75", "E0 48", "E0 C8")]
    [InlineData(Ps2Key.KeypadEnter, "E0 5A", "E0 F0 5A", "E0 1C", "E0 9C")]
    [InlineData(Ps2Key.PrintScreen, "E0 12 E0 7C", "E0 F0 7C E0 F0 12", "E0 2A E0 37", "E0 B7 E0 AA")]
    [InlineData(Ps2Key.Pause, "E1 14 77 E1 F0 14 F0 77", "", "E1 1D 45 E1 9D C5", "")]
    [InlineData(Ps2Key.Escape, "76", "F0 76", "01", "81")]
    [InlineData(Ps2Key.F12, "07", "F0 07", "58", "D8")]
    [InlineData(Ps2Key.Space, "29", "F0 29", "39", "B9")]
    [InlineData(Ps2Key.IntlBackslash, "61", "F0 61", "56", "D6")]
    [InlineData(Ps2Key.KeypadMultiply, "7C", "F0 7C", "37", "B7")]
    [InlineData(Ps2Key.NumLock, "77", "F0 77", "45", "C5")]
    public void ScanCodesOfSetTwoAndOne(Ps2Key key, string make2, string break2, string make1, string break1)
    {
        Assert.Equal((make2, break2), Codes(key, 2));
        Assert.Equal((make1, break1), Codes(key, 1));
    }

    [Theory]
    [InlineData(Ps2Key.A, "1C", "")]
    [InlineData(Ps2Key.LeftShift, "12", "F0 12")]
    [InlineData(Ps2Key.F1, "07", "")]
    [InlineData(Ps2Key.Delete, "64", "")]
    public void ScanCodesOfSetThreeBreakOnlyForModifiers(Ps2Key key, string make, string release) =>
        Assert.Equal((make, release), Codes(key, 3));

    [Fact]
    public void TheNumberRowAndLettersOfSetOneAreTheXtLayout()
    {
        string rows = "1234567890-=|qwertyuiop[]|asdfghjkl;'`|\\zxcvbnm,./";
        int[] starts = [0x02, 0x10, 0x1E, 0x2B];
        foreach ((string row, int start) in rows.Split('|').Zip(starts))
        {
            for (int index = 0; index < row.Length; index++)
            {
                Assert.True(Ps2UsLayout.TryFind(row[index], out Ps2Key key, out Ps2Key? modifier));
                Assert.Null(modifier);
                Assert.Equal($"{start + index:X2}", Codes(key, 1).Make);
            }
        }
    }

    [Fact]
    public void EveryKeyHasItsOwnCodesInEverySet()
    {
        Ps2Key[] keys = Enum.GetValues<Ps2Key>();
        Assert.Equal(105, keys.Length);
        for (int set = 1; set <= 3; set++)
        {
            Assert.Equal(keys.Length, keys.Select(key => Codes(key, set).Make).Distinct().Count());
        }
    }

    [Theory]
    [InlineData("EE", "EE")]
    [InlineData("F2", "FA AB 83")]
    [InlineData("F4", "FA")]
    [InlineData("F5", "FA")]
    [InlineData("F6", "FA")]
    [InlineData("FF", "FA AA")]
    [InlineData("ED 07", "FA FA")]
    [InlineData("F3 20", "FA FA")]
    [InlineData("F0 00", "FA FA 02")]
    [InlineData("F0 01 F0 00", "FA FA FA FA 01")]
    [InlineData("F0 09", "FA FE")]
    [InlineData("F7", "FA")]
    [InlineData("FB 1C 1B F4", "FA FA FA FA")]
    [InlineData("EF", "FE")]
    [InlineData("01", "FE")]
    [InlineData("ED F4", "FA FA")] // a command instead of the argument
    public void CommandsAndTheirAnswers(string sent, string answered)
    {
        Ps2Keyboard keyboard = new(new VirtualClock(1_000_000));
        foreach (string value in sent.Split(' '))
        {
            keyboard.Receive(Convert.ToByte(value, 16));
        }

        Assert.Equal(answered, Drain(keyboard));
    }

    [Fact]
    public void ResendRepeatsTheLastByte()
    {
        Ps2Keyboard keyboard = new(new VirtualClock(1_000_000));
        keyboard.Receive(0xEE);
        _ = Drain(keyboard);
        keyboard.Receive(0xFE);
        Assert.Equal("EE", Drain(keyboard));
    }

    [Fact]
    public void LedsAreKept()
    {
        Ps2Keyboard keyboard = new(new VirtualClock(1_000_000));
        keyboard.Receive(0xED);
        keyboard.Receive(0x05);
        Assert.Equal(5, keyboard.Leds);
    }

    [Fact]
    public void ADisabledKeyboardDoesNotScan()
    {
        Ps2Keyboard keyboard = new(new VirtualClock(1_000_000));
        keyboard.Receive(0xF5);
        _ = Drain(keyboard);
        keyboard.KeyEvent(Ps2Key.A, true);
        Assert.Equal("", Drain(keyboard));
        keyboard.Receive(0xF4);
        _ = Drain(keyboard);
        keyboard.KeyEvent(Ps2Key.A, true);
        Assert.Equal("1C", Drain(keyboard));
    }

    [Theory]
    [InlineData(2, "00")]
    [InlineData(1, "FF")]
    public void TheBufferOverrunsWithItsMarker(byte set, string marker)
    {
        Ps2Keyboard keyboard = new(new VirtualClock(1_000_000));
        keyboard.Receive(0xF0);
        keyboard.Receive(set);
        _ = Drain(keyboard);
        for (int press = 0; press < 40; press++)
        {
            keyboard.KeyEvent(Ps2Key.A, true);
        }

        string[] bytes = Drain(keyboard).Split(' ');
        Assert.Equal(17, bytes.Length);
        Assert.Equal(marker, bytes[^1]);
    }

    [Fact]
    public void TypedTextOfAnyLengthArrivesWhole()
    {
        Ps2Keyboard keyboard = new(new VirtualClock(1_000_000));
        int unknown = keyboard.Type(string.Concat(Enumerable.Repeat("aB\n", 100)) + "é");
        Assert.Equal(1, unknown);
        string expected = string.Join(' ', Enumerable.Repeat("1C F0 1C 12 32 F0 32 F0 12 5A F0 5A", 100));
        Assert.Equal(expected, Drain(keyboard));
        Assert.Equal(0, keyboard.PendingEvents);
    }

    [Fact]
    public void EveryPrintableCharacterCanBeTyped()
    {
        for (char character = ' '; character < '\x7F'; character++)
        {
            Assert.True(Ps2UsLayout.TryFind(character, out _, out _), $"'{character}'");
        }

        Assert.True(Ps2UsLayout.TryFind('\x03', out Ps2Key key, out Ps2Key? modifier));
        Assert.Equal((Ps2Key.C, Ps2Key.LeftControl), (key, modifier));
        Assert.True(Ps2UsLayout.TryFind('\x1B', out key, out modifier));
        Assert.Equal((Ps2Key.Escape, (Ps2Key?)null), (key, modifier));
    }

    [Fact]
    public void AHeldKeyRepeatsUntilItIsReleased()
    {
        VirtualClock clock = new(1_000_000);
        Ps2Keyboard keyboard = new(clock);
        keyboard.KeyEvent(Ps2Key.A, true);
        clock.AdvanceTo(499_999);
        Assert.Equal("1C", Drain(keyboard));
        clock.AdvanceTo(500_000);
        Assert.Equal("1C", Drain(keyboard));
        clock.AdvanceTo(1_500_000);         // 10.9 a second
        Assert.Equal(10, Drain(keyboard).Split(' ').Length);
        keyboard.KeyEvent(Ps2Key.A, false);
        Assert.Equal("F0 1C", Drain(keyboard));
        clock.AdvanceTo(9_000_000);
        Assert.Equal("", Drain(keyboard));
    }

    [Fact]
    public void ControlPauseIsBreakAndAltPrintScreenIsSystemRequest()
    {
        Ps2Keyboard keyboard = new(new VirtualClock(1_000_000));
        keyboard.KeyEvent(Ps2Key.LeftControl, true);
        keyboard.KeyEvent(Ps2Key.Pause, true);
        keyboard.KeyEvent(Ps2Key.LeftControl, false);
        Assert.Equal("14 E0 7E E0 F0 7E F0 14", Drain(keyboard));
        keyboard.KeyEvent(Ps2Key.LeftAlt, true);
        keyboard.KeyEvent(Ps2Key.PrintScreen, true);
        Assert.Equal("11 84", Drain(keyboard));
    }

    private static (string Make, string Break) Codes(Ps2Key key, int set)
    {
        Ps2Keyboard keyboard = new(new VirtualClock(1_000_000));
        keyboard.Receive(0xF0);
        keyboard.Receive((byte)set);
        _ = Drain(keyboard);
        keyboard.KeyEvent(key, true);
        string make = Drain(keyboard);
        keyboard.KeyEvent(key, false);
        return (make, Drain(keyboard));
    }

    private static string Drain(Ps2Keyboard keyboard)
    {
        List<string> bytes = [];
        while (keyboard.HasData)
        {
            bytes.Add($"{keyboard.Send():X2}");
        }

        return string.Join(' ', bytes);
    }
}
