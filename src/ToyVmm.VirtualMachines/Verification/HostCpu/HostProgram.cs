namespace ToyVmm.VirtualMachines.Verification.HostCpu;

/// <summary>A page of a program.</summary>
/// <param name="Address">Its linear address, a multiple of 4096.</param>
/// <param name="Content">What it holds, at most 4096 bytes; zeros follow.</param>
/// <param name="Writable">False for a page whose writes fault. Every page is readable and executable.</param>
public readonly record struct HostPage(uint Address, ReadOnlyMemory<byte> Content, bool Writable);

/// <summary>
/// A program for the host CPU: pages, the state to start from, and where to go on after a fault. It runs in ring 3 of a 32-bit process with flat
/// segments (CS 0x23, SS, DS and ES 0x2B, FS and GS 0), so that a guest whose GDT has user code at index 4 and user data at index 5 sees the same.
/// </summary>
/// <remarks>
/// <para>
/// A run is deterministic, and equal to a guest's, as long as the program keeps away from what shows the host: CPUID, RDTSC(P), RDPMC, RDRAND, RDSEED,
/// XGETBV, XSAVE and later extensions; SGDT, SIDT, SLDT, STR and SMSW (they tell of the host's tables, or the kernel makes up an answer: UMIP);
/// LAR, LSL, VERR, VERW, loads of and far transfers to the selectors that only Linux has (30h-33h, 64-bit code, and 78h-7Bh, the CPU's number); IRET
/// with NT set, which a host in long mode refuses; INT1, whose saved EIP depends on the hypervisor below Linux, if there is one; LDMXCSR with reserved
/// bits, of which AMD has one fewer; undefined results and flags; FXSAVE's MXCSR_MASK; and the x87 pointers in images of FSTENV, FSAVE and FXSAVE,
/// which the kernel does not preserve in full. IF is set and IOPL is 0.
/// </para>
/// <para>
/// <c>INT 80h</c>, SYSENTER and SYSCALL are system calls on the host. A filter in the kernel (seccomp) lets no system call of a program pass: it ends with
/// <see cref="HostEnding.Died"/> and the signal SIGSYS (31). A page that is not in <see cref="Pages"/> is not there, be its address inside of
/// [<see cref="LowestAddress"/>, <see cref="AddressLimit"/>) or not, but for the runner's own: see <see cref="HostProcessor.OccupiedStart"/>.
/// </para>
/// </remarks>
public sealed class HostProgram
{
    private const uint TrapFlag = 0x100;
    private const uint MxcsrReserved = 0xFFFF_0000;

    /// <summary>The lowest address that a page may have.</summary>
    public const uint LowestAddress = RunnerLayout.Pages;

    /// <summary>The first address behind the last that a page may have.</summary>
    public const uint AddressLimit = RunnerLayout.Pages + RunnerLayout.PagesSize;

    /// <summary>The most entries of <see cref="ResumeAddresses"/>.</summary>
    public const int MostResumeAddresses = RunnerLayout.MostResumes;

    /// <summary>The largest <see cref="MostFaults"/>.</summary>
    public const int FaultCapacity = RunnerLayout.MostRecords;

    /// <summary>The pages; each address once.</summary>
    public required IReadOnlyList<HostPage> Pages { get; init; }

    /// <summary>
    /// The registers to start with. Of EFLAGS, what POPF changes in ring 3 takes effect: CF PF AF ZF SF DF OF NT AC ID; TF must be clear.
    /// </summary>
    public required HostRegisters Registers { get; init; }

    /// <summary>The x87, MMX and SSE state to start with: 512 bytes as FXSAVE writes them in 32-bit mode (SDM 1 10.5.1); reserved bits of MXCSR are clear.</summary>
    public required ReadOnlyMemory<byte> FxSave { get; init; }

    /// <summary>Where the program may go on after a fault, ascending: at the first address above the faulting EIP, or at the end where there is none.</summary>
    public required ReadOnlyMemory<uint> ResumeAddresses { get; init; }

    /// <summary>The address of an INT3 in one of the pages; executing it ends the program.</summary>
    public required uint EndAddress { get; init; }

    /// <summary>After how many faults the program goes on at its end, from 1 to <see cref="FaultCapacity"/>.</summary>
    public required int MostFaults { get; init; }

    /// <summary>Checks all but the pages, which is done as they are loaded.</summary>
    /// <exception cref="ArgumentException">A rule is not kept.</exception>
    internal void Check()
    {
        if (FxSave.Length != 512 || (BitConverter.ToUInt32(FxSave.Span[24..]) & MxcsrReserved) != 0)
        {
            throw new ArgumentException("the FXSAVE image has 512 bytes, and no reserved bit of MXCSR is set");
        }

        if ((Registers.Eflags & TrapFlag) != 0)
        {
            throw new ArgumentException("a program does not start with TF: the first trap would be the runner's");
        }

        if (MostFaults is < 1 or > FaultCapacity)
        {
            throw new ArgumentException($"the most faults are from 1 to {FaultCapacity}, not {MostFaults}");
        }

        ReadOnlySpan<uint> resumes = ResumeAddresses.Span;
        if (resumes.Length > MostResumeAddresses)
        {
            throw new ArgumentException($"there are at most {MostResumeAddresses} addresses to resume at, not {resumes.Length}");
        }

        for (int i = 1; i < resumes.Length; i++)
        {
            if (resumes[i] <= resumes[i - 1])
            {
                throw new ArgumentException($"the addresses to resume at do not ascend: {resumes[i]:X} follows {resumes[i - 1]:X}");
            }
        }
    }
}
