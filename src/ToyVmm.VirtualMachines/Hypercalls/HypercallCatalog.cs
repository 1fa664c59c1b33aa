using static ToyVmm.VirtualMachines.Hypercalls.HypercallError;

namespace ToyVmm.VirtualMachines.Hypercalls;

/// <summary>
/// The paravirtual interface as data. <c>guest-images/include/hypercalls.h</c>, <c>hypercalls.inc</c> and <c>docs/hypercalls.md</c> are written from it
/// (<see cref="HypercallText"/>), and a test holds them to it.
/// </summary>
public static class HypercallCatalog
{
    /// <summary>The version of the interface.</summary>
    public const uint AbiVersion = 1;

    /// <summary>The most bytes of one console_write.</summary>
    public const uint MostConsoleBytes = 1 << 16;

    /// <summary>The most entries of one mmu_update or balloon.</summary>
    public const uint MostEntries = 4096;

    /// <summary>No page; in an entry of mmu_update, no linear address.</summary>
    public const uint Nothing = uint.MaxValue;

    /// <summary>The first port of the bells that guests ring; those below it are the monitor's.</summary>
    public const uint FirstEventPort = 2;

    /// <summary>Bits of pending, and so ports.</summary>
    public const uint EventPorts = 32;

    /// <summary>One bit for each call: CPUID 0x40000001 EBX.</summary>
    public static uint Features => (1u << Calls.Count) - 1;

    /// <summary>The calls, in the order of their numbers.</summary>
    public static IReadOnlyList<HypercallDefinition> Calls { get; } =
    [
        new(Hypercall.Features, "features", "Tells the version of the interface, as CPUID does.", [], "the version: 1", []),
        new(
            Hypercall.ConsoleWrite, "console_write", "Sends bytes to the console, where COM1 sends its own: one exit instead of two for each byte.",
            [new("EBX", "gpa", "where the bytes lie"), new("ECX", "length", "how many, at most 65,536; 0 is allowed")],
            "0", [(BadAddress, "a byte lies outside RAM"), (InvalidArgument, "more than 65,536 bytes")]),
        new(Hypercall.Exit, "exit", "Ends the run; 0 is success.", [new("EBX", "code", "the verdict; the exit status is its low byte")], "does not return", []),
        new(Hypercall.Yield, "yield", "Gives the rest of the time slice to the other guests; alone on its host a guest goes on at once.", [], "0", []),
        new(
            Hypercall.ClockPage, "clock_page",
            "Names the page in which the monitor keeps time and state, for the guest to read without an exit. It is filled at once, again at every hypercall, and whenever the monitor raises a bit of its pending word.",
            [new("EBX", "gpa", "a page, 4096-aligned; 0xFFFFFFFF: none from now on")],
            "0", [(BadAddress, "not RAM"), (InvalidArgument, "not aligned, or shared with another guest")]),
        new(
            Hypercall.SetTimer, "set_timer", "Arms the one-shot timer, in place of an older deadline; at the deadline the monitor raises bit 0 of the clock page's pending word. One that has passed fires at once.",
            [new("EBX", "deadline_low", "guest nanoseconds, low half"), new("ECX", "deadline_high", "and high half; all-ones in both: no timer")],
            "0", [(InvalidArgument, "there is no clock page")]),
        new(
            Hypercall.MmuUpdate, "mmu_update",
            "Stores page-table or directory entries and flushes what any address space has cached of them: neither INVLPG nor MOV CR3 is needed (a global page is flushed where its entry names it). A page that an entry names, with P and A set, is usable at once - for writing with D set - without a fault at its first access.",
            [new("EBX", "gpa", "the entries, 8-aligned: see below"), new("ECX", "count", "how many, at most 4096")],
            "0",
            [(BadAddress, "the entries, or a place where one is to be stored, lie outside RAM"), (InvalidArgument, "too many, a misaligned address, or bits of an entry that must be 0 (bits 32-63 without PAE; with it those above the physical address, and bit 63 without EFER.NXE)")]),
        new(
            Hypercall.SetPageTable, "set_page_table",
            "Loads CR3, as MOV CR3 does, but nothing that the monitor has of that address space is compared with its tables: the guest has changed them by mmu_update only, or has flushed what it changed.",
            [new("EBX", "gpa", "the page directory, 4096-aligned; with PAE the pointer table, 32-aligned"), new("ECX", "recycled", "1: these are other tables than those that lay there before, if any; else 0")],
            "0", [(BadAddress, "not RAM"), (InvalidArgument, "not aligned, recycled is neither 0 nor 1, or with PAE a reserved bit is set in a present pointer")]),
        new(
            Hypercall.Balloon, "balloon",
            "Gives pages back to the host, or asks for them again. Inflated pages are holes: they read as 0xFF, and stores to them are lost. Deflated pages are zeroed RAM.",
            [new("EBX", "gpa", "page numbers (address / 4096), 4 bytes each"), new("ECX", "count", "how many, at most 4096"), new("EDX", "deflate", "0: inflate; 1: deflate")],
            "0",
            [(BadAddress, "the numbers lie outside RAM"), (NoMemory, "deflate: the guest's limit of memory does not allow it; or the host did not for all of them, and those that read as 0xFF are still away"),
             (InvalidArgument, "too many, the same page twice, a page that is not RAM (inflate) or was not given away (deflate), the clock page, a page shared with another guest, a page of the numbers themselves")]),
        new(
            Hypercall.EventSend, "event_send", "Raises a bit of another guest's pending word, where the configuration connects the two.",
            [new("EBX", "guest", "its number"), new("ECX", "port", "the bit: 2 to 31")],
            "0", [(NotPermitted, "there is no such guest, or nothing connects the two"), (InvalidArgument, "no such port")]),
        new(
            Hypercall.Share, "share", "Offers a page to another guest, takes the offer back, or accepts one: from then on both have the same page. Both must agree, and the configuration must connect them.",
            [new("EBX", "gpa", "a page of the caller's RAM, 4096-aligned"), new("ECX", "guest", "the other's number"),
             new("EDX", "what", "0 withdraw, 1 offer for reading, 2 offer for reading and writing, 3 accept"), new("ESI", "tag", "tells several pages of the same pair apart")],
            "0",
            [(NotPermitted, "nothing connects the two"), (NoMemory, "the host cannot share this memory"), (TryAgain, "accept: nothing of that tag is offered (yet)"), (BadAddress, "not RAM"),
             (InvalidArgument, "not aligned, an unknown what, a page that is shared or given away already, the clock page, a tag that is in use; withdraw: not offered, or accepted by a guest that is still there")]),
        new(
            Hypercall.TraceMark, "trace_mark", "Leaves a mark in the trace: where something that one measures begins or ends.",
            [new("EBX", "id", "what"), new("ECX", "value", "anything")], "0", []),
    ];

    /// <summary>The clock page. The guest writes <c>vector</c> and clears bits of <c>pending</c>; the rest is the monitor's.</summary>
    public static IReadOnlyList<GuestField> ClockPage { get; } =
    [
        new(0x00, 4, "version", "odd while the monitor writes: read it before and after the rest"),
        new(0x04, 4, "pending", "what has happened: bit 0 timer, bit 1 balloon_target or memory_pages has changed, bits 2-31 events; clear bits with a locked instruction"),
        new(0x08, 8, "tsc", "the time-stamp counter at the last update"),
        new(0x10, 8, "time_ns", "guest time then, in nanoseconds since power-on"),
        new(0x18, 4, "ns_mul", "now = time_ns + (((rdtsc - tsc) * ns_mul) >> ns_shift)"),
        new(0x1C, 4, "ns_shift", "see ns_mul"),
        new(0x20, 8, "wall_ns", "the date at time 0: nanoseconds since 1970, UTC"),
        new(0x28, 4, "vector", "written by the guest: the vector, 32-255, with which a raised bit of pending interrupts; there is no EOI; 0: none"),
        new(0x2C, 4, "guest", "this guest's number"),
        new(0x30, 4, "balloon_target", "how many pages the host would like the balloon to hold"),
        new(0x34, 4, "memory_pages", "where RAM ends, in pages: hot-add raises it"),
        new(0x38, 8, "instructions", "retired so far"),
        new(0x40, 8, "idle_ns", "time slept so far"),
    ];

    /// <summary>An entry of mmu_update.</summary>
    public static IReadOnlyList<GuestField> TableEntry { get; } =
    [
        new(0, 4, "entry", "where the entry is to be stored: aligned to its size, 4 or with PAE 8 bytes"),
        new(4, 4, "linear", "the page that it maps in the current address space; 0xFFFFFFFF: none"),
        new(8, 8, "value", "the entry"),
    ];

    /// <summary>Other numbers of the interface.</summary>
    public static IReadOnlyList<GuestConstant> Constants { get; } =
    [
        new("abi_version", AbiVersion, "the version that this file describes"),
        new("cpuid_signature", Engines.CpuModel.HypervisorLeaf, "leaf: EAX = the last leaf, EBX, ECX, EDX = ToyVmmToyVmm"),
        new("cpuid_features", Engines.CpuModel.HypervisorLeaf + 1, "leaf: EAX = version, EBX = a bit for each call"),
        new("cpuid_guest", Engines.CpuModel.HypervisorLeaf + 2, "leaf: EAX = this guest's number, EBX = most pages of RAM that it may ever have"),
        new("nothing", Nothing, "no page, no linear address"),
        new("pending_timer", 1, "bit of pending: the timer"),
        new("pending_memory", 2, "bit of pending: balloon_target or memory_pages"),
        new("first_event_port", FirstEventPort, "the first port that guests may ring"),
        new("share_withdraw", 0, "share: takes an offer back"),
        new("share_read", 1, "share: offers for reading"),
        new("share_write", 2, "share: offers for reading and writing"),
        new("share_accept", 3, "share: accepts"),
    ];

    /// <summary>The errors that calls return, negated in EAX.</summary>
    public static IReadOnlyList<GuestConstant> Errors { get; } =
    [
        new("eperm", (uint)NotPermitted, "the configuration does not allow it"),
        new("eagain", (uint)TryAgain, "not now"),
        new("enomem", (uint)NoMemory, "no memory"),
        new("efault", (uint)BadAddress, "an address outside RAM"),
        new("einval", (uint)InvalidArgument, "an argument that makes no sense"),
        new("enosys", (uint)NoSuchCall, "no such call"),
    ];
}
