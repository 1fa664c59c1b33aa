namespace ToyVmm.GuestTests.RandomPrograms;

/// <summary>Where things lie in a random system program: linear addresses, and physical ones too, except in the paging window.</summary>
internal static class ProgramLayout
{
    public const uint Base = 0x10_0000;
    public const uint Entry = Base + 0x20;

    // What snippets may change, and its master copy, from which it is restored between snippets.
    public const uint MasterTables = 0x10_4000;
    public const uint Tables = 0x10_8000;
    public const uint TablesLength = 0x1000;
    public const uint Gdt = Tables;
    public const uint GdtEntries = 48;
    public const uint Ldt = Tables + 0x200;
    public const uint LdtEntries = 16;
    public const uint Tasks = Tables + 0x300;
    public const uint TaskStride = 0x80;
    public const uint Idt = Tables + 0x800;
    public const uint IdtEntries = 0x50;
    public const uint MasterPages = 0x10_A000;
    public const uint PageDirectory = 0x11_0000;
    public const uint WindowTable = 0x11_2000;

    // The program's own parts.
    public const uint Stubs = 0x11_4000;
    public const uint Common = 0x11_5000;
    public const uint Restore = 0x11_5400;
    public const uint Finish = 0x11_5800;
    public const uint Landing = 0x11_6000;
    public const uint GateLanding = 0x11_6010;
    public const uint GateReturn = 0x11_6040;
    public const uint LogPointer = 0x11_8000;
    public const uint SnippetNumber = 0x11_8004;
    public const uint GdtPointer = 0x11_8010;
    public const uint IdtPointer = 0x11_8018;
    public const uint Scratch = 0x11_9000;
    public const uint Slots = 0x12_0000;
    public const uint SlotLength = 0x100;
    public const uint VirtualSource = 0x14_0000;
    public const uint VirtualCode = 0x2_0000;
    public const uint VirtualLength = 0x40;
    public const uint ImageEnd = 0x15_0000;

    public const uint TaskStack = 0x1C_0000;
    public const uint UserStack = 0x1D_0000;
    public const uint InnerStack = 0x1E_0000;
    public const uint KernelStack = 0x1F_0000;
    public const uint Log = 0x20_0000;
    public const int RecordWords = 24;

    // 16 pages whose entries snippets edit: linear, and what lies behind them.
    public const uint Window = 0x40_0000;
    public const uint WindowPhysical = 0x30_0000;
    public const int WindowPages = 16;

    // Selectors of the first descriptors; everything behind them is random.
    public const ushort Code0 = 0x08;
    public const ushort Data0 = 0x10;
    public const ushort Code3 = 0x1B;
    public const ushort Data3 = 0x23;
    public const ushort MainTask = 0x28;
    public const ushort OtherTask = 0x30;
    public const ushort LocalTable = 0x38;
    public const ushort Conforming = 0x40;
    public const int FirstRandom = 9;

    // Vectors: exceptions, the two that end a snippet, random gates, and those whose handler returns.
    public const byte EndVector = 0x21;
    public const byte LandedVector = 0x22;
    public const byte ReturningVector = 0x30;

    // With PAE: the pointers stand where the page directory stands without it, and the low megabytes are two 2 MiB pages.
    // The window keeps its place, and its table too.
    public const uint PaeDirectory = PageDirectory + 0x1000;
    public const uint PaeWindowEntry = PaeDirectory + ((Window >> 21) * 8);
    public const uint Cr4Pae = 1 << 5;
    public const uint EferRegister = 0xC000_0080;
    public const uint EferNxe = 1 << 11;

    // CR0: PE, ET, NE, WP, PG.
    public const uint Cr0 = 0x8001_0031;
}
