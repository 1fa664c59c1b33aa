using System.Net;
using ToyVmm.Debugging.Gdb;
using Xunit;

namespace ToyVmm.Tests.Debugging.Gdb;

/// <summary>Where a server waits, as users write it.</summary>
public sealed class GdbEndpointTests
{
    [Theory]
    [InlineData("1234", "127.0.0.1:1234")]
    [InlineData(":1234", "127.0.0.1:1234")]
    [InlineData("localhost:0", "127.0.0.1:0")]
    [InlineData("127.0.0.2:65535", "127.0.0.2:65535")]
    [InlineData("[::1]:1", "[::1]:1")]
    public void The_host_is_this_one_where_no_other_is_named(string text, string expected)
    {
        Assert.True(GdbEndpoint.TryParse(text, out GdbEndpoint? endpoint, out _));
        Assert.Equal(IPEndPoint.Parse(expected), endpoint.Address);
        Assert.Null(endpoint.Path);
    }

    [Fact]
    public void Every_address_only_when_it_is_asked_for()
    {
        Assert.True(GdbEndpoint.TryParse("any:1234", out GdbEndpoint? endpoint, out _));
        Assert.Contains(((IPEndPoint)endpoint.Address).Address, new[] { IPAddress.IPv6Any, IPAddress.Any });
        foreach (string text in (string[])["0.0.0.0:1234", "*:1234", "[::]:1234", ":::1234"])
        {
            Assert.False(GdbEndpoint.TryParse(text, out _, out string? problem));
            Assert.Contains("any:1234", problem, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_path_is_a_Unix_socket()
    {
        Assert.True(GdbEndpoint.TryParse("unix:/tmp/a:b", out GdbEndpoint? endpoint, out _));
        Assert.Equal("/tmp/a:b", endpoint.Path);
        Assert.False(GdbEndpoint.TryParse("unix:", out _, out _));
        Assert.False(GdbEndpoint.TryParse("unix:/" + new string('x', 200), out _, out string? problem));
        Assert.Contains("107", problem, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData(":")]
    [InlineData("65536")]
    [InlineData("-1")]
    [InlineData("+1")]
    [InlineData("localhost")]
    [InlineData("localhost:")]
    [InlineData("1:2:3")]
    [InlineData("[::1:1")]
    [InlineData("no-such-host.invalid:1")]
    public void What_makes_no_sense_is_told(string text)
    {
        Assert.False(GdbEndpoint.TryParse(text, out _, out string? problem));
        Assert.NotEmpty(problem);
    }
}
