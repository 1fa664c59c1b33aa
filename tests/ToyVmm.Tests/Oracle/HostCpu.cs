using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;

namespace ToyVmm.Tests.Oracle;

/// <summary>
/// The strongest oracle there is for an x86 emulator: the processor this test runs on. Executes user-mode 32-bit instructions
/// natively, many register and memory states a call, and returns the full state after each.
/// </summary>
/// <remarks>
/// <para>The code runs as genuine 32-bit code (compatibility mode, SDM 3A 2.2), so every opcode exists that 64-bit mode took away: AAA,
/// PUSHA, the one-byte INC, 16-bit addressing, 16-bit branches. Its code, data and stack segments are LDT entries
/// (modify_ldt(2)) whose base is a 1 MiB mapping below 2 GiB and whose limit ends with it: the guest has addresses from 0
/// on, and cannot reach the .NET process around it.</para>
/// <para>An instruction that faults kills the process (signals are blocked while it runs). The caller filters: see
/// <see cref="DivideModel"/>, and keep memory operands in the window. TF and AC must stay clear. If it happens, the
/// <see cref="OracleJournal"/> in the directory for temporary files tells what ran. One thread at a time.</para>
/// </remarks>
public sealed unsafe class HostCpu : IDisposable
{
    /// <summary>How many cases one call of <see cref="Run"/> can take.</summary>
    public const int MaxCases = 256;

    private const nuint RegionSize = 0x10_0000;
    private const uint SegmentIs32Bit = 1 << 0;
    private const uint ContentsCode = 2 << 1;
    private const uint ReadOrExecuteOnly = 1 << 3;
    private const uint LimitInPages = 1 << 4;
    private const uint NotPresent = 1 << 5;
    private const nint ReadLdt = 0;
    private const nint WriteLdt = 0x11;
    private const int LdtEntries = 8192;

    // The LDT belongs to the process: two instances must not look for a free entry at the same time.
    private static readonly Lock LdtLock = new();

    private readonly OracleJournal journal;
    private readonly byte* region;
    private readonly uint codeEntry;
    private readonly uint dataEntry;
    private readonly uint jumpToCode;
    private readonly uint exit;
    private readonly delegate* unmanaged<byte*, nint, void> entry;
    private uint loadedAddress;
    private bool disposed;

    /// <summary>Maps the region, makes its segments and emits the machine code.</summary>
    /// <exception cref="PlatformNotSupportedException">This host cannot run 32-bit code so; the message says why (see <see cref="Unavailable"/>).</exception>
    public HostCpu()
    {
        if (!OperatingSystem.IsLinux() || RuntimeInformation.ProcessArchitecture != Architecture.X64)
        {
            throw new PlatformNotSupportedException($"The host-CPU oracle needs x86-64 Linux; this is {RuntimeInformation.OSDescription} on {RuntimeInformation.ProcessArchitecture}.");
        }

        nint address = LinuxNative.mmap(
            0, RegionSize, LinuxNative.PROT_READ | LinuxNative.PROT_WRITE | LinuxNative.PROT_EXEC, LinuxNative.MAP_PRIVATE | LinuxNative.MAP_ANONYMOUS | LinuxNative.MAP_32BIT, -1, 0);
        if (address is -1 or 0)
        {
            throw new PlatformNotSupportedException($"The host-CPU oracle needs writable, executable memory below 2 GiB; mmap failed with errno {Marshal.GetLastPInvokeError()}.");
        }

        region = (byte*)address;

        // Every page is there before a case runs: the kernel would restart an instruction that faults for one, and an instruction
        // that had stored a part of its operands (ENTER) would then read back its own stores.
        for (int offset = 0; offset < (int)RegionSize; offset += Environment.SystemPageSize)
        {
            region[offset] = 0;
        }

        try
        {
            lock (LdtLock)
            {
                (codeEntry, dataEntry) = FreeLdtEntries();
                SetLdtEntry(codeEntry, SegmentIs32Bit | ContentsCode | LimitInPages);
                SetLdtEntry(dataEntry, SegmentIs32Bit | LimitInPages);
            }
        }
        catch
        {
            _ = LinuxNative.munmap(address, RegionSize);
            throw;
        }

        (nint entryAddress, jumpToCode, exit) = HostCpuThunk.Emit(region, Selector(codeEntry), Selector(dataEntry));
        entry = (delegate* unmanaged<byte*, nint, void>)entryAddress;
        journal = new OracleJournal();
    }

    /// <summary>Why this host has no oracle, as a reason to skip a test; null when it has one.</summary>
    public static string? Unavailable()
    {
        try
        {
            using var probe = new HostCpu();
            probe.Load([0x40], OracleLayout.CodeStart, []); // inc eax: REX in 64-bit mode, so it proves the mode too
            OracleImage image = probe.Input(0);
            image.State = new OracleState { Eax = 41, Eflags = OracleState.FixedFlags };
            probe.Run(1);
            return probe.Output(0).State.Eax == 42 ? null : "32-bit code does not run as such on this host.";
        }
        catch (PlatformNotSupportedException reason)
        {
            return reason.Message;
        }
    }

    /// <summary>The vendor string of CPUID leaf 0, e.g. "AuthenticAMD": undefined flags depend on it.</summary>
    public static string Vendor()
    {
        if (!X86Base.IsSupported)
        {
            return "not x86";
        }

        (_, int b, int c, int d) = X86Base.CpuId(0, 0);
        Span<int> words = [b, d, c];
        return System.Text.Encoding.ASCII.GetString(MemoryMarshal.AsBytes(words));
    }

    /// <summary>The input of a case, to be filled in before <see cref="Run"/>; EIP is set by <see cref="Run"/>.</summary>
    public OracleImage Input(int index) => Image(index, HostCpuThunk.InState, HostCpuThunk.InWindow);

    /// <summary>The output of a case after <see cref="Run"/>.</summary>
    public OracleImage Output(int index) => Image(index, HostCpuThunk.OutState, HostCpuThunk.OutWindow);

    /// <summary>
    /// Puts the code of the next cases into place: a straight line of instructions that ends behind its last byte or, if it
    /// branches, at one of the targets. Space for an exit stub (<see cref="HostCpuThunk.StubSize"/> bytes) is needed at each end.
    /// </summary>
    /// <param name="code">The instructions.</param>
    /// <param name="address">Their address, between <see cref="OracleLayout.CodeStart"/> and <see cref="OracleLayout.CodeEnd"/>.</param>
    /// <param name="targets">Where branches may go, apart from the end of the code.</param>
    /// <exception cref="ArgumentException">Code, stubs or targets overlap, or lie outside the area for code.</exception>
    public void Load(ReadOnlySpan<byte> code, uint address, ReadOnlySpan<uint> targets)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        uint end = address + (uint)code.Length;
        if (code.IsEmpty || address < OracleLayout.CodeStart || end + HostCpuThunk.StubSize > OracleLayout.CodeEnd)
        {
            throw new ArgumentException($"{code.Length} bytes of code at 0x{address:X} do not fit between 0x{OracleLayout.CodeStart:X} and 0x{OracleLayout.CodeEnd:X}.", nameof(code));
        }

        foreach (uint target in targets)
        {
            bool isInside = target >= OracleLayout.CodeStart && target + HostCpuThunk.StubSize <= OracleLayout.CodeEnd;
            bool isClear = target + HostCpuThunk.StubSize <= address || target >= end + HostCpuThunk.StubSize;
            if (target != end && (!isInside || !isClear))
            {
                throw new ArgumentException($"A stub at target 0x{target:X} collides with the code at 0x{address:X}..0x{end:X}, or lies outside the area for code.", nameof(targets));
            }
        }

        code.CopyTo(new Span<byte>(region + address, code.Length));
        HostCpuThunk.WriteStub(region, end, exit);
        foreach (uint target in targets)
        {
            HostCpuThunk.WriteStub(region, target, exit);
        }

        region[jumpToCode] = 0xE9;
        *(uint*)(region + jumpToCode + 1) = address - (jumpToCode + 5);
        loadedAddress = address;
    }

    /// <summary>Notes what is about to run, for the case that it kills the process.</summary>
    public void Note(string what) => journal.Note(what);

    /// <summary>Runs the loaded code on the first <paramref name="count"/> inputs; each starts from its own registers and window.</summary>
    /// <exception cref="ArgumentException">An input has flags that would not come back (TF: a trap; AC: alignment faults).</exception>
    public void Run(int count)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        if (loadedAddress == 0)
        {
            throw new InvalidOperationException("Run before Load: there is no code.");
        }

        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, MaxCases);
        for (int i = 0; i < count; i++)
        {
            ref OracleState state = ref Input(i).State;
            if ((state.Eflags & ~OracleState.VaryingFlags) != OracleState.FixedFlags)
            {
                throw new ArgumentException($"EFLAGS 0x{state.Eflags:X8} of case {i} sets more than arithmetic flags and DF, or lacks bit 1 and IF.", nameof(count));
            }

            state.Eip = loadedAddress;
        }

        entry(region + HostCpuThunk.Cases, count);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (disposed)
        {
            return;
        }

        disposed = true;
        journal.Dispose();
        lock (LdtLock)
        {
            // An empty descriptor, as modify_ldt(2) defines it: base and limit 0, "read/execute only" and "not present".
            ClearLdtEntry(codeEntry);
            ClearLdtEntry(dataEntry);
        }

        _ = LinuxNative.munmap((nint)region, RegionSize);
    }

    private static ushort Selector(uint ldtEntry) => (ushort)((ldtEntry << 3) | 4 | 3); // table indicator LDT, RPL 3

    private static (uint Code, uint Data) FreeLdtEntries()
    {
        byte[] table = new byte[LdtEntries * 8];
        fixed (byte* pointer = table)
        {
            nint bytes = LinuxNative.syscall(LinuxNative.SYS_modify_ldt, ReadLdt, pointer, (nuint)table.Length);
            if (bytes < 0)
            {
                throw new PlatformNotSupportedException($"The host-CPU oracle needs modify_ldt(2); this kernel (or its sandbox) refuses with errno {Marshal.GetLastPInvokeError()}.");
            }
        }

        // A cleared entry is all zeros, or what the kernel writes for "empty": present bit (47) clear.
        uint[] free = [.. Enumerable.Range(0, LdtEntries).Where(i => (table[(i * 8) + 5] & 0x80) == 0).Take(2).Select(i => (uint)i)];
        return free is [uint code, uint data] ? (code, data) : throw new PlatformNotSupportedException("All LDT entries of this process are in use.");
    }

    private void SetLdtEntry(uint number, uint flags)
    {
        var descriptor = new LinuxNative.user_desc { entry_number = number, base_addr = (uint)region, limit = (uint)(RegionSize / 4096) - 1, flags = flags };
        if (LinuxNative.syscall(LinuxNative.SYS_modify_ldt, WriteLdt, &descriptor, (nuint)sizeof(LinuxNative.user_desc)) != 0)
        {
            throw new PlatformNotSupportedException($"The host-CPU oracle needs modify_ldt(2); writing an entry failed with errno {Marshal.GetLastPInvokeError()}.");
        }
    }

    private static void ClearLdtEntry(uint number)
    {
        var descriptor = new LinuxNative.user_desc { entry_number = number, flags = ReadOrExecuteOnly | NotPresent };
        _ = LinuxNative.syscall(LinuxNative.SYS_modify_ldt, WriteLdt, &descriptor, (nuint)sizeof(LinuxNative.user_desc));
    }

    private OracleImage Image(int index, int state, int window)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, MaxCases);
        byte* record = region + HostCpuThunk.Cases + (index * HostCpuThunk.CaseSize);
        return new OracleImage((OracleState*)(record + state), record + window);
    }
}
