using System.Globalization;
using System.Text;

namespace ToyVmm.VirtualMachines.Hypercalls;

/// <summary>The table of <see cref="HypercallCatalog"/> for C, for NASM and for people.</summary>
public static class HypercallText
{
    private const string Notice = "Written from the monitor's own table (HypercallCatalog); a test compares.";

    /// <summary>The C header: constants, structures, and a function for each call (GCC, 32-bit, ring 0).</summary>
    public static string CHeader()
    {
        StringBuilder text = new();
        _ = text.Append(CultureInfo.InvariantCulture, $"/* hypercalls.h - the paravirtual interface, for C guests. {Notice} */\n#ifndef HYPERCALLS_H\n#define HYPERCALLS_H\n\n#include <stdint.h>\n\n");
        foreach (HypercallDefinition call in HypercallCatalog.Calls)
        {
            _ = text.Append(CultureInfo.InvariantCulture, $"#define TOYVMM_CALL_{Upper(call.Name)} {(int)call.Call}\n");
        }

        _ = text.Append('\n');
        foreach (GuestConstant error in HypercallCatalog.Errors)
        {
            _ = text.Append(CultureInfo.InvariantCulture, $"#define TOYVMM_{Upper(error.Name)} {error.Value} /* {error.Meaning} */\n");
        }

        _ = text.Append('\n');
        foreach (GuestConstant constant in HypercallCatalog.Constants)
        {
            _ = text.Append(CultureInfo.InvariantCulture, $"#define TOYVMM_{Upper(constant.Name)} {Number(constant.Value)}u /* {constant.Meaning} */\n");
        }

        AppendStructure(text, "The clock page.", "toyvmm_clock_page", HypercallCatalog.ClockPage, "volatile ");
        AppendStructure(text, "An entry of mmu_update.", "toyvmm_table_entry", HypercallCatalog.TableEntry, "");
        _ = text.Append("""

            /* Any call: the result, or an error, negated. Memory may be read and written. */
            static inline int32_t toyvmm_call(uint32_t number, uint32_t ebx, uint32_t ecx, uint32_t edx, uint32_t esi)
            {
                int32_t result;
                __asm__ volatile(".byte 0x0F, 0x01, 0xC1" : "=a"(result) : "a"(number), "b"(ebx), "c"(ecx), "d"(edx), "S"(esi) : "memory");
                return result;
            }

            """.ReplaceLineEndings("\n"));
        foreach (HypercallDefinition call in HypercallCatalog.Calls)
        {
            string parameters = call.Arguments.Count == 0 ? "void" : string.Join(", ", call.Arguments.Select(argument => $"uint32_t {argument.Name}"));
            IEnumerable<string> values = from register in (string[])["EBX", "ECX", "EDX", "ESI"] select call.Arguments.FirstOrDefault(argument => argument.Register == register)?.Name ?? "0";
            _ = text.Append(CultureInfo.InvariantCulture, $"\nstatic inline int32_t toyvmm_{call.Name}({parameters})\n{{\n    return toyvmm_call(TOYVMM_CALL_{Upper(call.Name)}, {string.Join(", ", values)});\n}}\n");
        }

        return text.Append("\n#endif\n").ToString();
    }

    /// <summary>The NASM include: constants and structures, and a macro that makes a call.</summary>
    public static string NasmInclude()
    {
        StringBuilder text = new();
        _ = text.Append(CultureInfo.InvariantCulture, $"; hypercalls.inc - the paravirtual interface, for NASM guests. {Notice}\n%ifndef HYPERCALLS_INC\n%define HYPERCALLS_INC\n\n");
        foreach (HypercallDefinition call in HypercallCatalog.Calls)
        {
            string arguments = string.Join(", ", call.Arguments.Select(argument => $"{argument.Register} = {argument.Name}"));
            _ = text.Append(CultureInfo.InvariantCulture, $"{$"TOYVMM_CALL_{Upper(call.Name)}",-32}equ {(int)call.Call}{(arguments.Length == 0 ? "" : " ; ")}{arguments}\n");
        }

        _ = text.Append('\n');
        foreach (GuestConstant constant in HypercallCatalog.Errors.Concat(HypercallCatalog.Constants))
        {
            _ = text.Append(CultureInfo.InvariantCulture, $"{$"TOYVMM_{Upper(constant.Name)}",-32}equ {Number(constant.Value)} ; {constant.Meaning}\n");
        }

        AppendStruc(text, "The clock page.", "TOYVMM_CLOCK_PAGE", HypercallCatalog.ClockPage);
        AppendStruc(text, "An entry of mmu_update.", "TOYVMM_TABLE_ENTRY", HypercallCatalog.TableEntry);
        return text.Append("""

            ; HYPERCALL name: VMCALL, with the arguments in their registers already; the result, or an error, negated, in EAX.
            %macro HYPERCALL 1
                    mov eax, TOYVMM_CALL_%1
                    vmcall
            %endmacro

            %endif

            """.ReplaceLineEndings("\n")).ToString();
    }

    /// <summary>The manual, docs/hypercalls.md.</summary>
    public static string Manual()
    {
        StringBuilder text = new();
        _ = text.Append($"""
            # Hypercalls

            {Notice} The same interface as `guest-images/include/hypercalls.h` (C) and `hypercalls.inc` (NASM) have it.

            A guest that knows of its monitor asks it with `vmcall` (0F 01 C1) in ring 0; in other rings that is #UD. EAX has the number, EBX, ECX, EDX and ESI
            the arguments. EAX then has the result, or an error, negated; every other register, and the flags, are unchanged. Addresses are guest-physical. All
            arguments are checked before anything changes: a call that fails has done nothing.

            ## Finding it

            CPUID leaf 1 ECX bit 31 is set (a hypervisor is present), where the processor model has CPUID.

            | leaf | EAX | EBX | ECX | EDX |
            |---|---|---|---|---|
            | 0x40000000 | the last leaf | `ToyV` | `mmTo` | `yVmm` |
            | 0x40000001 | version: {HypercallCatalog.AbiVersion} | a bit for each call: {Number(HypercallCatalog.Features)} | 0 | 0 |
            | 0x40000002 | this guest's number | the most pages of RAM that it may ever have | 0 | 0 |

            ## Calls

            """.ReplaceLineEndings("\n"));
        foreach (HypercallDefinition call in HypercallCatalog.Calls)
        {
            _ = text.Append(CultureInfo.InvariantCulture, $"\n### {(int)call.Call} {call.Name}\n\n{call.Purpose}\n\n");
            foreach (HypercallArgument argument in call.Arguments)
            {
                _ = text.Append(CultureInfo.InvariantCulture, $"* {argument.Register} `{argument.Name}`: {argument.Meaning}\n");
            }

            _ = text.Append(CultureInfo.InvariantCulture, $"* result: {call.Result}\n");
            foreach ((HypercallError error, string reason) in call.Errors)
            {
                string name = HypercallCatalog.Errors.First(constant => constant.Value == (uint)error).Name;
                _ = text.Append(CultureInfo.InvariantCulture, $"* -{Upper(name)} ({(int)error}): {reason}\n");
            }
        }

        AppendTable(text, "The clock page", HypercallCatalog.ClockPage);
        _ = text.Append("""

            A bit of `pending` that goes from 0 to 1 while `vector` is 32 or more interrupts: an external interrupt with that vector, when IF allows it; one for all bits
            that are raised until it is delivered. It wakes a CPU that sleeps. There is no end of interrupt to tell anybody.

            """.ReplaceLineEndings("\n"));
        AppendTable(text, "An entry of mmu_update", HypercallCatalog.TableEntry);
        return text.Append("""

            ## Errors

            Every other number in EAX is answered with -ENOSYS (38).

            """.ReplaceLineEndings("\n")).ToString();
    }

    private static string Upper(string name) => name.ToUpperInvariant();

    private static string Number(uint value) => value < 10 ? value.ToString(CultureInfo.InvariantCulture) : $"0x{value:X}";

    private static void AppendStructure(StringBuilder text, string title, string name, IReadOnlyList<GuestField> fields, string qualifier)
    {
        _ = text.Append(CultureInfo.InvariantCulture, $"\n/* {title} */\nstruct {name} {{\n");
        foreach (GuestField field in fields)
        {
            _ = text.Append(CultureInfo.InvariantCulture, $"    {qualifier}uint{field.Size * 8}_t {field.Name}; /* 0x{field.Offset:X2}: {field.Meaning} */\n");
        }

        _ = text.Append("} __attribute__((packed, aligned(8)));\n");
    }

    private static void AppendStruc(StringBuilder text, string title, string name, IReadOnlyList<GuestField> fields)
    {
        _ = text.Append(CultureInfo.InvariantCulture, $"\n; {title}\nstruc {name}\n");
        foreach (GuestField field in fields)
        {
            _ = text.Append(CultureInfo.InvariantCulture, $"{$".{field.Name}:",-24}{(field.Size == 8 ? "resq" : "resd")} 1 ; {field.Meaning}\n");
        }

        _ = text.Append("endstruc\n");
    }

    private static void AppendTable(StringBuilder text, string title, IReadOnlyList<GuestField> fields)
    {
        _ = text.Append(CultureInfo.InvariantCulture, $"\n## {title}\n\n| offset | bytes | name | |\n|---|---|---|---|\n");
        foreach (GuestField field in fields)
        {
            _ = text.Append(CultureInfo.InvariantCulture, $"| 0x{field.Offset:X2} | {field.Size} | `{field.Name}` | {field.Meaning} |\n");
        }
    }
}
