using System.Globalization;
using System.Text;
using Iced.Intel;

namespace ToyVmm.Tests.Oracle;

/// <summary>Compares the outcome of a case on two CPUs and describes a difference so that it can be worked on without running anything.</summary>
public static class OracleComparer
{
    /// <summary>The first field that differs, or null.</summary>
    /// <param name="expected">The host's registers.</param>
    /// <param name="expectedWindow">The host's memory.</param>
    /// <param name="actual">The registers of the CPU under test.</param>
    /// <param name="actualWindow">Its memory.</param>
    /// <param name="undefinedFlags">EFLAGS bits that are not compared.</param>
    public static string? Difference(in OracleState expected, ReadOnlySpan<byte> expectedWindow, in OracleState actual, ReadOnlySpan<byte> actualWindow, uint undefinedFlags)
    {
        OracleState same = actual with { Eflags = (actual.Eflags & ~undefinedFlags) | (expected.Eflags & undefinedFlags) };
        if (same == expected && expectedWindow.SequenceEqual(actualWindow))
        {
            return null;
        }

        for (int register = 0; register < 8; register++)
        {
            if (expected[register] != actual[register])
            {
                return $"{OracleState.Names[register]}: host 0x{expected[register]:X8}, under test 0x{actual[register]:X8}";
            }
        }

        if (expected.Eip != actual.Eip)
        {
            return $"EIP: host 0x{expected.Eip:X8}, under test 0x{actual.Eip:X8}";
        }

        if (expected.Eflags != same.Eflags)
        {
            return $"EFLAGS: host 0x{expected.Eflags:X8} [{OracleState.FlagNames(expected.Eflags)}], under test 0x{actual.Eflags:X8} [{OracleState.FlagNames(actual.Eflags)}],"
                + $" differing [{OracleState.FlagNames(expected.Eflags ^ same.Eflags)}] 0x{expected.Eflags ^ same.Eflags:X8}";
        }

        int at = expectedWindow.CommonPrefixLength(actualWindow);
        return $"memory at 0x{OracleLayout.WindowAddress + at:X8}: host 0x{expectedWindow[at]:X2}, under test 0x{actualWindow[at]:X2}";
    }

    /// <summary>The whole report of a difference.</summary>
    public static string Report(
        EncodedInstruction instruction, string difference, ulong seed, in OracleState before, ReadOnlySpan<byte> windowBefore,
        string expected, ReadOnlySpan<byte> expectedWindow, in OracleState actual, ReadOnlySpan<byte> actualWindow)
    {
        var text = new StringBuilder();
        text.AppendLine(CultureInfo.InvariantCulture, $"{instruction.Form}: {difference}");
        text.AppendLine(CultureInfo.InvariantCulture, $"  code    {Convert.ToHexString(instruction.Code)} at 0x{instruction.Address:X8}: {Disassemble(instruction)}");
        text.AppendLine(CultureInfo.InvariantCulture, $"  before  {before}");
        text.AppendLine(CultureInfo.InvariantCulture, $"  host    {expected}");
        text.AppendLine(CultureInfo.InvariantCulture, $"  tested  {actual}");
        AppendMemory(text, windowBefore, expectedWindow, actualWindow);
        foreach (MemoryUse use in instruction.Uses.Take(4))
        {
            text.AppendLine(CultureInfo.InvariantCulture, $"  access  {use.Size} bytes at 0x{use.Address(before):X8}");
        }

        text.Append(CultureInfo.InvariantCulture, $"  seed    TOYVMM_SEED=0x{seed:X16}");
        return text.ToString();
    }

    /// <summary>The instruction in NASM's syntax.</summary>
    public static string Disassemble(EncodedInstruction instruction)
    {
        var formatter = new NasmFormatter();
        var output = new StringOutput();
        formatter.Format(instruction.Instruction, output);
        return output.ToStringAndReset();
    }

    // Only the rows of 16 bytes in which anything happens.
    private static void AppendMemory(StringBuilder text, ReadOnlySpan<byte> before, ReadOnlySpan<byte> expected, ReadOnlySpan<byte> actual)
    {
        for (int row = 0; row < before.Length; row += 16)
        {
            ReadOnlySpan<byte> old = before.Slice(row, 16);
            ReadOnlySpan<byte> host = expected.Slice(row, 16);
            ReadOnlySpan<byte> tested = actual.Slice(row, 16);
            if (!old.SequenceEqual(host) || !old.SequenceEqual(tested))
            {
                text.AppendLine(CultureInfo.InvariantCulture, $"  memory 0x{OracleLayout.WindowAddress + row:X8}: before {Convert.ToHexString(old)}, host {Convert.ToHexString(host)}, tested {Convert.ToHexString(tested)}");
            }
        }
    }
}
