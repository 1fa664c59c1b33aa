namespace ToyVmm.Tests.Oracle;

/// <summary>
/// What is compared with the host CPU. The world of a case is that of a user program: protected mode, CPL 3, IOPL 0, 32-bit
/// code and stack, all segments flat (base 0, 4 GiB) except that CS cannot be written, no paging, no trap flag, alignment checks
/// off; <see cref="OracleLayout.MemorySize"/> bytes of memory from address 0.
/// </summary>
public interface ICpuUnderTest
{
    /// <summary>What <see cref="Run"/> returns when no exception was raised.</summary>
    const int NoException = -1;

    /// <summary>Whether undefined flags follow AMD's rules, so that on an AMD host every flag is compared.</summary>
    bool FollowsAmdUndefinedFlags => false;

    /// <summary>Puts code into memory; it stays for the following runs.</summary>
    /// <param name="code">One instruction or a straight line of them.</param>
    /// <param name="address">Where it starts; below 64 KiB.</param>
    void Load(ReadOnlySpan<byte> code, uint address);

    /// <summary>Runs from a state.</summary>
    /// <param name="instructions">How many instructions complete; a repeated string instruction counts one.</param>
    /// <param name="state">Registers before, with EIP at the loaded code; registers after. After a fault: as the exception handler would find them pushed.</param>
    /// <param name="window">Memory from <see cref="OracleLayout.WindowAddress"/> before; and after.</param>
    /// <returns>The vector of the first exception, or <see cref="NoException"/>.</returns>
    int Run(int instructions, ref OracleState state, Span<byte> window);
}
