namespace ToyVmm.Hardware.Devices;

/// <summary>
/// The time of day as an MC146818 shows it: seconds since a fixed date, to and from the registers in BCD or binary, 12 or 24 hours.
/// Values that are no date or time - a guest may write any byte - carry over as a calendar would carry them.
/// </summary>
internal static class RtcCalendar
{
    public const int Seconds = 0x00;
    public const int Minutes = 0x02;
    public const int Hours = 0x04;
    public const int DayOfWeek = 0x06;
    public const int DayOfMonth = 0x07;
    public const int Month = 0x08;
    public const int Year = 0x09;
    public const int Century = 0x32;

    private const byte Afternoon = 0x80;        // hours bit 7 in 12-hour mode
    private const long SecondsPerDay = 86_400;

    /// <summary>The registers that belong to the time of day.</summary>
    public static ReadOnlySpan<byte> Registers => [Seconds, Minutes, Hours, DayOfWeek, DayOfMonth, Month, Year, Century];

    /// <summary>Seconds since 1 January of year 1, without a time zone.</summary>
    public static long SecondOf(DateTime time) => time.Ticks / TimeSpan.TicksPerSecond;

    /// <summary>The register of a moment.</summary>
    /// <param name="register">One of <see cref="Registers"/>.</param>
    /// <param name="second">Seconds since year 1.</param>
    /// <param name="dayOfWeekOffset">What the guest added to the calendar's day of week.</param>
    /// <param name="binary">Register B bit 2 (DM).</param>
    /// <param name="hours24">Register B bit 1 (24/12).</param>
    public static byte Encode(int register, long second, int dayOfWeekOffset, bool binary, bool hours24)
    {
        // After year 9999 the clock stands still: no run lasts that long, and no guest may make it throw.
        DateTime time = new(Math.Min(second, SecondOf(DateTime.MaxValue)) * TimeSpan.TicksPerSecond, DateTimeKind.Unspecified);
        return register switch
        {
            Seconds => Number(time.Second, binary),
            Minutes => Number(time.Minute, binary),
            Hours => EncodeHour(time.Hour, binary, hours24),
            DayOfWeek => Number(((int)time.DayOfWeek + dayOfWeekOffset) % 7 + 1, binary),
            DayOfMonth => Number(time.Day, binary),
            Month => Number(time.Month, binary),
            Year => Number(time.Year % 100, binary),
            _ => Number(time.Year / 100 % 100, binary),
        };
    }

    /// <summary>Hours 0 to 23 as the hours and the hours alarm register hold them.</summary>
    public static byte EncodeHour(int hour, bool binary, bool hours24)
    {
        if (hours24)
        {
            return Number(hour, binary);
        }

        int shown = hour % 12 == 0 ? 12 : hour % 12;
        return (byte)(Number(shown, binary) | (hour >= 12 ? Afternoon : 0));
    }

    /// <summary>A number below 100 as a register holds it.</summary>
    public static byte Number(int value, bool binary) => (byte)(binary ? value : (value / 10 << 4) | (value % 10));

    /// <summary>The moment that a set of registers describes, and the day-of-week offset that goes with it.</summary>
    /// <param name="registers">The CMOS bytes.</param>
    /// <param name="binary">Register B bit 2.</param>
    /// <param name="hours24">Register B bit 1.</param>
    public static (long Second, int DayOfWeekOffset) Decode(ReadOnlySpan<byte> registers, bool binary, bool hours24)
    {
        int year = (Value(registers[Century], binary) * 100) + Value(registers[Year], binary);
        int month = Math.Max(Value(registers[Month], binary), 1) - 1;
        int monthCount = (year * 12) + month;

        // Stay inside DateTime, with room for a clock that runs on for centuries.
        year = Math.Clamp(monthCount / 12, 1, 9000);
        DateTime first = new(year, (monthCount % 12) + 1, 1, 0, 0, 0, DateTimeKind.Unspecified);
        long day = SecondOf(first) / SecondsPerDay + Math.Max(Value(registers[DayOfMonth], binary), 1) - 1;
        long second = (day * SecondsPerDay)
            + (DecodeHour(registers[Hours], binary, hours24) * 3600L)
            + (Value(registers[Minutes], binary) * 60L)
            + Value(registers[Seconds], binary);
        int calendar = (int)new DateTime(second * TimeSpan.TicksPerSecond, DateTimeKind.Unspecified).DayOfWeek;
        int offset = (((Value(registers[DayOfWeek], binary) - 1 - calendar) % 7) + 7) % 7;
        return (second, offset);
    }

    private static int DecodeHour(byte register, bool binary, bool hours24) =>
        hours24 ? Value(register, binary) : (Value((byte)(register & ~Afternoon), binary) % 12) + ((register & Afternoon) != 0 ? 12 : 0);

    private static int Value(byte register, bool binary) => binary ? register : ((register >> 4) * 10) + (register & 15);
}
