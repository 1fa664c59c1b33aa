namespace ToyVmm.VirtualMachines.Verification.HostCpu;

/// <summary>Where things are: the same numbers as in <c>runner.asm</c>. Offsets count from the start of the shared memory.</summary>
internal static class RunnerLayout
{
    public const int PageSize = 4096;

    // Addresses in the runner's process.
    public const uint Pages = 0x0012_0000;
    public const uint PagesSize = 0x002E_0000;
    public const uint Base = 0x6D3A_0000;
    public const uint End = Base + 0x1000 + 0x5000 + OutputOffset + OutputSize; // code, stack, input, output

    public const int PageCount = (int)PagesSize / PageSize;
    public const int MostResumes = 4096;
    public const int MostRecords = 512;
    public const int RecordSize = 64;

    // What the runner reads.
    public const int EndAddress = 0x00;
    public const int ResumeCount = 0x04;
    public const int RecordLimit = 0x08;
    public const int ChangeCount = 0x0C;
    public const int TouchCount = 0x10;
    public const int Registers = 0x40;       // EDI ESI EBP ESP EBX EDX ECX EAX EFLAGS EIP
    public const int InitialFxSave = 0x200;
    public const int TouchList = 0x400;      // addresses
    public const int ChangeList = 0x1000;    // address | protection, length
    public const int ResumeList = 0x4000;

    // What it writes.
    public const int OutputOffset = 0x8000;
    public const int OutputSize = 0x9000;
    public const int Ending = OutputOffset;
    public const int RecordCount = OutputOffset + 0x04;
    public const int HasLdt = OutputOffset + 0x08;
    public const int Context = OutputOffset + 0x40;
    public const int FinalFxSave = OutputOffset + 0x200;
    public const int RecordList = OutputOffset + 0x1000;

    // Both.
    public const int PageData = OutputOffset + OutputSize;
    public const int SharedSize = PageData + (int)PagesSize;

    // Values of Ending.
    public const uint Ended = 1;
    public const uint Unreachable = 2;

    // Values of a protection: PROT_NONE, PROT_READ | PROT_EXEC, and PROT_WRITE too.
    public const byte Absent = 0;
    public const byte ReadOnly = 5;
    public const byte Writable = 7;

    // Bytes of struct sigcontext_32.
    public const int ContextGs = 0;
    public const int ContextFs = 4;
    public const int ContextEs = 8;
    public const int ContextDs = 12;
    public const int ContextEdi = 16;
    public const int ContextEsi = 20;
    public const int ContextEbp = 24;
    public const int ContextEsp = 28;
    public const int ContextEbx = 32;
    public const int ContextEdx = 36;
    public const int ContextEcx = 40;
    public const int ContextEax = 44;
    public const int ContextEip = 56;
    public const int ContextCs = 60;
    public const int ContextEflags = 64;
    public const int ContextSs = 72;
}
