using Iced.Intel;
using ToyVmm.Debugging.Strict;
using ToyVmm.VirtualMachines;
using Xunit;
using static Iced.Intel.AssemblerRegisters;

namespace ToyVmm.Tests.Debugging.Strict;

/// <summary>Each mistake is reported once, where it is, however often it happens; and its mended twin is silent (pitfall 15).</summary>
public sealed class StrictCheckerTests
{
    private const uint Unwritten = 0x20_2000;

    private static readonly Dictionary<string, (StrictChecks Check, int Bits, Action<StrictGuest> Write)> s_guests = new()
    {
        ["JZ behind MUL"] = (StrictChecks.Flags, 32, g =>
        {
            g.A.mov(eax, 3);
            g.A.mul(eax);
            Mend(g, a => a.test(eax, eax));
            Branch(g, (a, to) => a.je(to));
        }),
        ["JO behind a shift by three"] = (StrictChecks.Flags, 32, g =>
        {
            g.A.mov(eax, 3);
            g.A.mov(cl, (sbyte)(g.IsMended ? 1 : 3));
            g.A.shl(eax, cl);
            Branch(g, (a, to) => a.jo(to));
        }),
        ["a shift by zero leaves the flags undefined that were"] = (StrictChecks.Flags, 32, g =>
        {
            g.A.mov(eax, 3);
            g.A.mul(eax);
            g.A.mov(cl, (sbyte)(g.IsMended ? 1 : 0));
            g.A.shl(eax, cl);
            Branch(g, (a, to) => a.je(to));
        }),
        ["JC behind BSF, whose ZF alone is defined"] = (StrictChecks.Flags, 32, g =>
        {
            g.A.mov(eax, 8);
            g.A.bsf(ebx, eax);
            Branch(g, (a, to) =>
            {
                if (g.IsMended)
                {
                    a.je(to);
                }
                else
                {
                    a.jb(to);
                }
            });
        }),
        ["SETZ behind DIV"] = (StrictChecks.Flags, 32, g =>
        {
            g.A.xor(edx, edx);
            g.A.mov(eax, 7);
            g.A.mov(ecx, 2);
            g.A.div(ecx);
            Mend(g, a => a.test(edx, edx));
            g.Bug();
            g.A.sete(al);
        }),
        ["the old page is read"] = (StrictChecks.Tlb, 32, g =>
        {
            g.Paging();
            g.A.mov(eax, __dword_ptr[0x40_0000]);
            g.A.mov(__dword_ptr[0x10_2000], 0x20_1003);
            Mend(g, a => a.invlpg(__[0x40_0000]));
            g.Bug();
            g.A.mov(eax, __dword_ptr[0x40_0000]);
        }),
        ["a page that is gone is read"] = (StrictChecks.Tlb, 32, g =>
        {
            g.Paging();
            g.A.mov(eax, __dword_ptr[0x40_1000]);
            g.A.mov(__dword_ptr[0x10_2004], 0);
            if (g.IsMended)
            {
                g.A.mov(__dword_ptr[0x10_2004], 0x20_1003);
            }

            g.Bug();
            g.A.mov(eax, __dword_ptr[0x40_1000]);
        }),
        ["a page that has become read-only is written"] = (StrictChecks.Tlb, 32, g =>
        {
            g.Paging();
            g.A.mov(__dword_ptr[0x40_0000], eax);
            g.A.mov(__dword_ptr[0x10_2000], 0x20_0001);
            if (g.IsMended)
            {
                g.A.mov(eax, __dword_ptr[0x40_0000]);
            }
            else
            {
                g.Bug();
                g.A.mov(__dword_ptr[0x40_0000], eax);
            }
        }),
        ["a page that was read-only is written: no flush is needed"] = (StrictChecks.None, 32, g =>
        {
            g.Paging();
            g.A.mov(__dword_ptr[0x10_2000], 0x20_0001);
            g.A.mov(eax, __dword_ptr[0x40_0000]);
            g.A.mov(__dword_ptr[0x10_2000], 0x20_0003);
            g.A.mov(__dword_ptr[0x40_0000], eax);
        }),
        ["CR3 flushes"] = (StrictChecks.None, 32, g =>
        {
            g.Paging();
            g.A.mov(eax, __dword_ptr[0x40_0000]);
            g.A.mov(__dword_ptr[0x10_2000], 0x20_1003);
            g.A.mov(eax, cr3);
            g.A.mov(cr3, eax);
            g.A.mov(eax, __dword_ptr[0x40_0000]);
        }),
        ["a variable is compared that was never set"] = (StrictChecks.Memory, 32, g =>
        {
            Mend(g, a => a.mov(__dword_ptr[Unwritten], 0));
            g.Bug();
            g.A.cmp(__dword_ptr[Unwritten], 0);
        }),
        ["what is copied is followed"] = (StrictChecks.Memory, 32, g =>
        {
            g.A.mov(eax, g.IsMended ? __dword_ptr[0x1_0000] : __dword_ptr[Unwritten]);
            g.A.push(eax);
            g.A.pop(ebx);
            g.A.mov(__dword_ptr[Unwritten + 0x100], ebx);
            g.A.mov(esi, Unwritten + 0x100);
            g.A.mov(edi, Unwritten + 0x200);
            g.A.mov(ecx, 1);
            g.A.cld();
            g.A.rep.movsd();
            g.A.movzx(edx, __byte_ptr[Unwritten + 0x200]);
            g.Bug();
            g.A.add(edx, 5);
        }),
        ["REP STOS initialises"] = (StrictChecks.None, 32, g =>
        {
            g.A.mov(edi, Unwritten);
            g.A.mov(ecx, 16);
            g.A.xor(eax, eax);
            g.A.cld();
            g.A.rep.stosd();
            g.A.cmp(__dword_ptr[Unwritten + 60], 0);
        }),
        ["an unset function pointer"] = (StrictChecks.Memory, 32, g =>
        {
            // The address 0 is where the guest put a RET.
            g.A.mov(__byte_ptr[0], 0xC3);
            Mend(g, a => a.mov(__dword_ptr[Unwritten], 0));
            g.Bug();
            g.A.call(__dword_ptr[Unwritten]);
        }),
        ["an unset pointer"] = (StrictChecks.Memory, 32, g =>
        {
            Mend(g, a => a.mov(__dword_ptr[Unwritten], 0));
            g.A.mov(ebx, __dword_ptr[Unwritten]);
            g.Bug();
            g.A.mov(eax, __dword_ptr[ebx + 0x400]);
        }),
        ["XOR and SUB of a register with itself are zero"] = (StrictChecks.None, 32, g =>
        {
            g.A.mov(eax, __dword_ptr[Unwritten]);
            g.A.sub(eax, eax);
            g.A.add(eax, 1);
            g.A.mov(ebx, __dword_ptr[Unwritten]);
            g.A.xor(ebx, ebx);
            g.A.add(ebx, 1);
        }),
        ["a word that reaches beyond what was set"] = (StrictChecks.None, 32, g =>
        {
            g.A.mov(__byte_ptr[Unwritten], 0);
            g.A.cmp(__dword_ptr[Unwritten], 0);
        }),
        ["no end of interrupt"] = (StrictChecks.Eoi, 32, g =>
        {
            g.Handler(0x20, () =>
            {
                g.A.push(eax);
                g.A.push(edx);
                if (g.IsMended)
                {
                    g.Out(0x20, 0x20);
                }

                g.A.pop(edx);
                g.A.pop(eax);
                g.Bug();
                g.A.iretd();
            });
            g.Timer(0x20);
            g.A.sti();
            g.A.hlt();
        }),
        ["no end of interrupt for the local APIC"] = (StrictChecks.Eoi, 32, g =>
        {
            g.Handler(0x40, () =>
            {
                if (g.IsMended)
                {
                    g.A.mov(__dword_ptr[0xFEE0_00B0], 0);
                }

                g.Bug();
                g.A.iretd();
            });
            g.A.mov(__dword_ptr[0xFEE0_00F0], 0x1FF);
            g.A.mov(__dword_ptr[0xFEE0_0320], 0x40);
            g.A.mov(__dword_ptr[0xFEE0_0380], 100);
            g.A.sti();
            g.A.hlt();
        }),
        ["the 8259s were never remapped"] = (StrictChecks.Vectors, 32, g =>
        {
            byte vectors = (byte)(g.IsMended ? 0x20 : 8);
            g.Handler(vectors, () =>
            {
                g.Out(0x20, 0x20);
                g.A.iretd();
            });
            g.Timer(vectors);
            g.A.sti();
            g.Bug(); // the interrupt comes before the next instruction, in the sleep
            g.A.hlt();
            g.A.nop();
        }),
        ["A20 is closed"] = (StrictChecks.A20, 32, g =>
        {
            g.Out(0x92, (byte)(g.IsMended ? 2 : 0));
            g.Bug();
            g.A.mov(__dword_ptr[0x30_0000], eax);
        }),
        ["CR3 with bits below the table"] = (StrictChecks.Reserved, 32, g =>
        {
            g.A.mov(eax, g.IsMended ? 0x10_0000 : 0x10_0123);
            g.Bug();
            g.A.mov(cr3, eax);
        }),
        ["a 64-bit code descriptor"] = (StrictChecks.Reserved, 32, g =>
        {
            g.A.mov(__dword_ptr[0x3_0008], 0xFFFF);
            g.A.mov(__dword_ptr[0x3_000C], g.IsMended ? 0x00CF_9B00 : 0x00EF_9B00);
            g.A.mov(__word_ptr[0x2_FFF0], 0x17);
            g.A.mov(__dword_ptr[0x2_FFF2], 0x3_0000);
            g.A.lgdt(__[0x2_FFF0]);
            Label there = g.A.CreateLabel();
            Label target = g.A.CreateLabel();
            g.A.call(there);
            g.A.jmp(target);
            g.A.Label(ref there);
            g.A.pop(eax);
            g.A.push(8);
            g.A.push(eax);
            g.Bug();
            g.A.retf();
            g.A.Label(ref target);
        }),
        ["no jump behind CR0.PE"] = (StrictChecks.Mode, 16, g =>
        {
            g.A.mov(eax, cr0);
            g.A.or(al, 1);
            g.A.mov(cr0, eax);
            Label next = g.A.CreateLabel();
            if (g.IsMended)
            {
                g.A.jmp(next);
            }
            else
            {
                g.Bug();
                g.A.mov(bx, 5);
                g.A.jmp(next);
            }

            g.A.Label(ref next);
        }),
    };

    public static IEnumerable<object[]> Names => s_guests.Keys.Select(name => new object[] { name });

    [Theory]
    [MemberData(nameof(Names))]
    public void A_mistake_is_found_once(string name)
    {
        (StrictChecks check, int bits, Action<StrictGuest> write) = s_guests[name];
        StrictGuest guest = new(mended: false, bits);
        write(guest);
        (IReadOnlyList<StrictFinding> findings, uint bug, StopReason stop) = guest.Run();
        Assert.Equal(StopKind.HaltedForever, stop.Kind);
        if (check == StrictChecks.None)
        {
            Assert.True(findings.Count == 0, string.Join("\n", findings));
            return;
        }

        StrictFinding finding = Assert.Single(findings);
        Assert.Equal(check, finding.Check);
        Assert.NotEqual("", finding.Manual);
        if (check == StrictChecks.Vectors)
        {
            Assert.InRange(finding.Address, bug, bug + 1);
        }
        else
        {
            Assert.Equal(bug, finding.Address);
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void The_mended_twin_is_silent(string name)
    {
        (StrictChecks _, int bits, Action<StrictGuest> write) = s_guests[name];
        StrictGuest guest = new(mended: true, bits);
        write(guest);
        (IReadOnlyList<StrictFinding> findings, uint _, StopReason stop) = guest.Run();
        Assert.Equal(StopKind.HaltedForever, stop.Kind);
        Assert.True(findings.Count == 0, string.Join("\n", findings));
    }

    [Fact]
    public void A_mistake_in_a_loop_is_one_finding_with_its_count()
    {
        StrictGuest guest = new(mended: false);
        guest.A.mov(ecx, 10);
        Label top = guest.A.CreateLabel();
        Label on = guest.A.CreateLabel();
        guest.A.Label(ref top);
        guest.A.mov(eax, 3);
        guest.A.mul(eax);
        guest.Bug();
        guest.A.js(on);
        guest.A.Label(ref on);
        guest.A.nop();
        guest.A.dec(ecx);
        guest.A.jne(top);
        (IReadOnlyList<StrictFinding> findings, uint bug, StopReason _) = guest.Run();
        StrictFinding finding = Assert.Single(findings);
        Assert.Equal((bug, 10ul, 3ul), (finding.Address, finding.Count, finding.Instructions));
    }

    [Fact]
    public void An_instruction_that_faults_has_used_nothing()
    {
        StrictGuest guest = new(mended: false);
        guest.Paging();
        guest.Handler(14, () =>
        {
            guest.A.add(esp, 4);
            guest.A.cli();
            guest.A.hlt();
        });
        guest.A.mov(eax, __dword_ptr[Unwritten]);
        guest.A.add(__dword_ptr[0x80_0000], eax);
        (IReadOnlyList<StrictFinding> findings, uint _, StopReason stop) = guest.Run();
        Assert.Equal(StopKind.HaltedForever, stop.Kind);
        Assert.True(findings.Count == 0, string.Join("\n", findings));
    }

    [Fact]
    public void Only_what_is_asked_for_is_looked_for()
    {
        StrictGuest guest = new(mended: false);
        s_guests["JZ behind MUL"].Write(guest);
        Assert.Empty(guest.Run(StrictChecks.All & ~StrictChecks.Flags).Findings);
    }

    private static void Mend(StrictGuest guest, Action<Assembler> mend)
    {
        if (guest.IsMended)
        {
            mend(guest.A);
        }
    }

    private static void Branch(StrictGuest guest, Action<Assembler, Label> branch)
    {
        Label next = guest.A.CreateLabel();
        guest.Bug();
        branch(guest.A, next);
        guest.A.Label(ref next);
        guest.A.nop();
    }
}
