using System.Net;
using System.Net.Sockets;
using Xunit;

namespace ToyVmm.GuestTests;

/// <summary>--gdb: what makes no sense is told before anything runs.</summary>
public sealed class CommandLineGdbTests
{
    [Theory]
    [InlineData("nowhere")]
    [InlineData("0.0.0.0:1234")]
    [InlineData("99999")]
    [InlineData("unix:")]
    public void A_place_that_makes_no_sense_is_an_error(string place)
    {
        ToolResult result = CommandLine.Run("run", "hello", "--gdb", place);
        Assert.Equal((64, ""), (result.Status, result.Output));
        Assert.StartsWith($"toyvmm: --gdb {place}: ", result.Errors, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--timeout", "5")]
    [InlineData("--max-instructions", "5")]
    [InlineData("--max-exits", "5")]
    public void Limits_are_gdbs_business(string option, string value)
    {
        ToolResult result = CommandLine.Run("run", "hello", "--gdb", "0", option, value);
        Assert.Equal(64, result.Status);
        Assert.Contains($"{option} and --gdb", result.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public void Several_guests_have_no_one_gdb()
    {
        Assert.Equal(64, CommandLine.Run("run", "hello", "hello", "--gdb", "0").Status);
        Assert.Equal(64, CommandLine.Run("debug", "hello", "--gdb", "0", "--script", "x").Status);
    }

    [Fact]
    public void A_port_in_use_is_an_error()
    {
        using Socket taken = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        taken.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        taken.Listen();
        ToolResult result = CommandLine.Run("run", "hello", "--gdb", ((IPEndPoint)taken.LocalEndPoint!).Port.ToString(System.Globalization.CultureInfo.InvariantCulture));
        Assert.Equal(66, result.Status);
        Assert.Contains("somebody else waits there", result.Errors, StringComparison.Ordinal);
    }
}
