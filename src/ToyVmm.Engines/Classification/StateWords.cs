using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Classification;

/// <summary>
/// A CPU's state as words that two states of a pair can be compared by: what belongs to the program, and what belongs to the system. Linear
/// addresses count from where the world begins, so that a moved world compares equal.
/// </summary>
internal static unsafe class StateWords
{
    /// <summary>EFLAGS bits of the system: a monitor must not let a guest change them.</summary>
    public const uint SystemFlags = Eflags.IF | Eflags.IoplMask | Eflags.VM | Eflags.VIF | Eflags.VIP;

    /// <summary>Words of the program.</summary>
    public const int ProgramCount = 52;

    /// <summary>All words.</summary>
    public const int Count = ProgramCount + 68;

    private static readonly string[] s_segments = ["ES", "CS", "SS", "DS", "FS", "GS", "LDTR", "TR"];

    private static readonly string[] s_names = MakeNames();

    /// <summary>A word's name, for people.</summary>
    public static string Name(int word) => s_names[word];

    /// <summary>Takes the words of a state.</summary>
    /// <param name="vcpu">The CPU.</param>
    /// <param name="origin">Where the world begins.</param>
    /// <param name="words">Receives them.</param>
    public static void Read(Vcpu vcpu, uint origin, Span<uint> words)
    {
        CpuState* s = vcpu.State;
        uint eflags = LazyFlags.GetEflags(s);
        int n = 0;
        for (int r = 0; r < 8; r++)
        {
            words[n++] = (&s->Eax)[r];
        }

        words[n++] = s->Eip;
        words[n++] = eflags & ~SystemFlags;
        for (int r = 0; r < 16; r++)
        {
            words[n++] = Fold(s->FpuRegisters[r]);
        }

        words[n++] = s->FpuControl;
        words[n++] = s->FpuStatus;
        words[n++] = s->FpuTags;
        words[n++] = s->FpuOpcode;
        words[n++] = s->FpuInstructionOffset;
        words[n++] = s->FpuDataOffset;
        words[n++] = s->Mxcsr;
        for (int r = 0; r < 16; r++)
        {
            words[n++] = Fold(s->XmmRegisters[r]);
        }

        n = ProgramCount;
        words[n++] = s->Cpl;
        words[n++] = eflags & SystemFlags;
        for (int r = 0; r < s_segments.Length; r++)
        {
            SegmentCache* cache = &s->Es + r;
            words[n++] = cache->Selector;
            words[n++] = cache->Present ? cache->Base - origin : 0;
            words[n++] = cache->Limit;

            // Without the accessed bit of code and data.
            words[n++] = cache->Access & ~(cache->IsCodeOrData ? 1u : 0);
        }

        words[n++] = s->GdtBase - origin;
        words[n++] = s->GdtLimit;
        words[n++] = s->IdtBase - origin;
        words[n++] = s->IdtLimit;
        words[n++] = s->Cr0;
        words[n++] = s->Cr2;
        words[n++] = s->Cr3;
        words[n++] = s->Cr4;
        for (int r = 0; r < 4; r++)
        {
            words[n++] = s->BreakpointAddresses[r];
        }

        words[n++] = s->Dr6;
        words[n++] = s->Dr7;
        words[n++] = s->SysenterCs;
        words[n++] = s->SysenterEsp;
        words[n++] = s->SysenterEip;
        words[n++] = s->Efer;
        words[n++] = (uint)s->TscOffset;
        words[n++] = (uint)(s->TscOffset >> 32);
        words[n++] = (uint)vcpu.ApicBase;
        words[n++] = s->Halted;
        words[n++] = s->NmiBlocked;
        words[n..Count].Clear();
    }

    // A change of any bit shows: the factor is odd, and the upper half depends on all bits.
    private static uint Fold(ulong value) => (uint)((value * 0x9E37_79B9_7F4A_7C15) >> 32) ^ (uint)value;

    private static string[] MakeNames()
    {
        List<string> names = ["EAX", "ECX", "EDX", "EBX", "ESP", "EBP", "ESI", "EDI", "EIP", "EFLAGS"];
        names.AddRange(Enumerable.Range(0, 16).Select(n => $"R{n / 2}"));
        names.AddRange(["FCW", "FSW", "FTW", "FOP", "FIP", "FDP", "MXCSR"]);
        names.AddRange(Enumerable.Range(0, 16).Select(n => $"XMM{n / 2}"));
        while (names.Count < ProgramCount)
        {
            names.Add("");
        }

        names.AddRange(["CPL", "EFLAGS"]);
        foreach (string segment in s_segments)
        {
            names.AddRange([segment, $"{segment} base", $"{segment} limit", $"{segment} access"]);
        }

        names.AddRange(["GDTR", "GDTR limit", "IDTR", "IDTR limit", "CR0", "CR2", "CR3", "CR4", "DR0", "DR1", "DR2", "DR3", "DR6", "DR7",
            "SYSENTER_CS", "SYSENTER_ESP", "SYSENTER_EIP", "EFER", "TSC", "TSC", "APIC_BASE", "halted", "NMI blocked"]);
        while (names.Count < Count)
        {
            names.Add("");
        }

        return [.. names];
    }
}
