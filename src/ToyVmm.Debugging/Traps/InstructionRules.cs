using System.Buffers.Binary;
using System.Globalization;
using ToyVmm.Engines;
using ToyVmm.Engines.Classification;
using ToyVmm.Engines.Probing;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Memory;

namespace ToyVmm.Debugging.Traps;

/// <summary>What is sensitive about an instruction, by mnemonic: a sentence, with the values that decided.</summary>
internal static unsafe class InstructionRules
{
    /// <summary>The rule of an instruction that has completed.</summary>
    public static string For(in CpuState before, in CpuState after, InstructionInspection instruction, Vcpu vcpu)
    {
        string mnemonic = instruction.Row?.Mnemonic ?? "";
        uint iopl = (before.OtherFlags >> 12) & 3;
        string level = string.Create(CultureInfo.InvariantCulture, $"CPL {before.Cpl}, IOPL {iopl}");
        return mnemonic switch
        {
            "POPF" or "POPFD" => PopFlags(before, after, mnemonic == "POPFD" ? 4 : 2, level, vcpu),
            "PUSHF" or "PUSHFD" => "PUSHF shows IF and IOPL: a program that the monitor has deprivileged would see the monitor's (SDM 2B, PUSHF)",
            "CLI" or "STI" => $"{mnemonic} changes IF, which needs CPL <= IOPL: {level}; the flag is the virtual CPU's, never the host's (SDM 3A 6.8.1)",
            "IRET" or "IRETD" => $"IRET changes CS, the ring and IF, IOPL by rank: {level} (SDM 2A, IRET)",
            "SGDT" or "SIDT" or "SLDT" or "STR" => $"{mnemonic} shows where the processor's table lies, in any ring: that must be the guest's, not the host's (SDM 2B, {mnemonic})",
            "SMSW" => "SMSW shows the low half of CR0, in any ring: that must be the guest's (SDM 2B, SMSW)",
            "LGDT" or "LIDT" or "LLDT" or "LTR" => $"{mnemonic} loads a table register, which needs CPL 0; the guest's is the virtual CPU's (SDM 3A 2.4)",
            "LMSW" or "CLTS" => $"{mnemonic} changes CR0, which needs CPL 0 (SDM 3A 2.5)",
            "LAR" or "LSL" or "VERR" or "VERW" => $"{mnemonic} looks into the descriptor table, as CPL and RPL let it: it must be the guest's table and the guest's ring (SDM 3A 5.10)",
            "MOV" when Changes(instruction, "CR") => "MOV to a control register changes the mode or the address space, which needs CPL 0 (SDM 3A 2.5)",
            "MOV" when Changes(instruction, "DR") => "MOV to a debug register arms the virtual CPU's breakpoints, which needs CPL 0 (SDM 3B 17.2)",
            "MOV" when instruction.Row is { IsPrivileged: true } => "MOV from a control or debug register shows the virtual CPU's, which needs CPL 0 (SDM 3A 2.5)",
            "MOV" when instruction.Row is { Changes.IsEmpty: true } => "MOV from a segment register shows a selector, and with it the ring: it must be the guest's (SDM 2B, MOV)",
            "MOV" or "POP" or "LDS" or "LES" or "LFS" or "LGS" or "LSS" => $"{mnemonic} loads a segment register: the descriptor comes from the guest's table and is checked against the guest's ring (SDM 3A 5.6)",
            "PUSH" => "PUSH of a segment register shows a selector, and with it the ring: it must be the guest's (SDM 2B, PUSH)",
            "CALL" or "JMP" or "RETF" => $"a far {(mnemonic == "RETF" ? "RET" : mnemonic)} changes CS, and may change the ring or the task: the guest's descriptors decide (SDM 3A 5.8)",
            "INVLPG" or "INVD" or "WBINVD" => $"{mnemonic} needs CPL 0: it is about the guest's TLB and caches, not the host's (SDM 3A 2.8.4)",
            "RDTSC" or "RDPMC" => $"{mnemonic} shows a clock or a counter: the virtual CPU's, so that time is the guest's (SDM 2B, {mnemonic})",
            "RDMSR" or "WRMSR" => string.Create(CultureInfo.InvariantCulture, $"{mnemonic} reaches model-specific register 0x{before.Ecx:x}, which needs CPL 0 (SDM 2B, {mnemonic})"),
            "CPUID" => "CPUID shows which processor it is: it must be the virtual one (SDM 2A, CPUID)",
            "SYSENTER" or "SYSEXIT" => $"{mnemonic} changes the ring through the guest's model-specific registers (SDM 2B, {mnemonic})",
            "IN" or "OUT" or "INSB" or "INSW" or "INSD" or "OUTSB" or "OUTSW" or "OUTSD" => $"{mnemonic} needs CPL <= IOPL, or the TSS's permission map: {level} (SDM 1 19.5)",
            "FNSTENV" or "FNSAVE" or "FXSAVE" => $"{mnemonic} shows the selectors of the last x87 instruction, FCS and FDS: they must be the guest's (SDM 1 8.1.8)",
            "INTO" => "INTO would call a handler of the guest's table, but OF is clear (SDM 2A, INTO)",
            _ => $"{mnemonic} depends on the processor's system state or changes it (docs/classification.md)",
        };
    }

    private static bool Changes(InstructionInspection instruction, string prefix) =>
        instruction.Row is { } row && row.Changes.Any(change => change.StartsWith(prefix, StringComparison.Ordinal));

    // What makes POPF famous: in ring 3 it keeps IF and IOPL, and does not say so.
    private static string PopFlags(in CpuState before, in CpuState after, int size, string level, Vcpu vcpu)
    {
        const string Rule = "POPF loads IF only where CPL <= IOPL, and IOPL only at CPL 0; where it may not it keeps them and does not fault";
        Span<byte> bytes = stackalloc byte[4];
        bytes.Clear();
        uint top = before.Ss.Base + (before.Ss.Big ? before.Esp : (ushort)before.Esp);
        for (int n = 0; n < size; n++)
        {
            uint linear = top + (uint)n;
            GuestPhysicalAddress? physical = vcpu.Mmu.Tlb.TryGet(linear, out ulong page, out _) && (vcpu.State->Cr0 & Cr0.PG) != 0
                ? new GuestPhysicalAddress((page | (linear & 0xFFF)) & vcpu.Mmu.PhysicalMask)
                : vcpu.Mmu.Peek(linear);
            if (physical is not { } at || !vcpu.Memory.TryRead(at, bytes.Slice(n, 1)))
            {
                return $"{Rule}: {level} (SDM 2B, POPF)";
            }
        }

        uint image = BinaryPrimitives.ReadUInt32LittleEndian(bytes);
        uint mask = size == 4 ? uint.MaxValue : 0xFFFF;
        uint kept = (image ^ after.OtherFlags) & (Eflags.IF | Eflags.IoplMask) & mask;
        string outcome = kept == 0 ? "all of it was taken"
            : (kept & Eflags.IF) == 0 ? "its IOPL was kept out, silently"
            : (kept & Eflags.IoplMask) == 0 ? "its IF was kept out, silently"
            : "its IF and IOPL were kept out, silently";
        return string.Create(CultureInfo.InvariantCulture, $"{Rule}: {level}, the image was {image:x8}, and {outcome} (SDM 2B, POPF)");
    }
}
