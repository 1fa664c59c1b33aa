using System.Buffers.Binary;
using ToyVmm.Debugging.Inspecting;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Memory;
using ToyVmm.Hardware.Paging;
using ToyVmm.VirtualMachines;
using Xunit;

namespace ToyVmm.Tests.Debugging;

/// <summary>What is said of a page walk is what the MMU does, for random tables in every paging mode.</summary>
public sealed unsafe class PageWalkReportTests
{
    private const uint Tables = 0x10_0000;
    private const uint TableBytes = 0x1_0000;

    [Fact]
    public void The_verdicts_are_those_of_the_MMU()
    {
        Random random = new(3);
        using VirtualMachine vm = VirtualMachine.Create(new byte[] { 0xF4 }, new VirtualMachineOptions { Machine = new Hardware.MachineConfig { MemorySize = 4u << 20 } });
        CpuState* s = vm.Vcpu.State;
        Mmu mmu = vm.Vcpu.Mmu;
        int allowed = 0;
        int faults = 0;
        byte[] tables = new byte[TableBytes];
        for (int n = 0; n < 400; n++)
        {
            bool pae = random.Next(2) == 0;
            Fill(random, tables, pae);
            Assert.True(vm.Machine.Memory.TryWrite(new GuestPhysicalAddress(Tables), tables));
            s->Cr0 = Cr0.PE | Cr0.ET | Cr0.PG | (random.Next(2) == 0 ? Cr0.WP : 0);
            s->Cr4 = (pae ? Cr4.PAE : 0) | (random.Next(2) == 0 ? Cr4.PSE : 0) | (random.Next(2) == 0 ? Cr4.PGE : 0);
            s->Efer = pae && random.Next(2) == 0 ? Efer.NXE : 0;
            s->Cr3 = Tables;
            for (int pointer = 0; pointer < 4; pointer++)
            {
                s->PageDirectoryPointers[pointer] = Tables + ((uint)random.Next(16) << 12) + (random.Next(5) > 0 ? 1u : 0);
            }

            for (int address = 0; address < 20; address++)
            {
                uint linear = (uint)random.NextInt64();
                PageWalkReport report = PageWalkReport.Read(vm, linear);
                Assert.NotEmpty(report.ToText().Text);
                foreach (AccessVerdict verdict in report.Verdicts)
                {
                    mmu.Tlb.FlushAll();
                    bool goes = mmu.Translate(linear, verdict.Access, out ulong physical, out _, out uint code);

                    // What the MMU sets on its way may be in the very tables: the next walk starts from the same.
                    Assert.True(vm.Machine.Memory.TryWrite(new GuestPhysicalAddress(Tables), tables));
                    Assert.Equal((goes, code), (verdict.IsAllowed, verdict.ErrorCode));
                    Assert.Equal(goes, verdict.Reason.Length == 0);
                    if (goes)
                    {
                        Assert.Equal(physical, report.Physical!.Value.Value);
                        allowed++;
                    }
                    else
                    {
                        faults++;
                    }
                }
            }
        }

        Assert.True(allowed > 2000 && faults > 2000, $"{allowed} accesses went through, {faults} did not");
    }

    // Entries lead to other tables, and now and then have reserved bits.
    private static void Fill(Random random, byte[] tables, bool pae)
    {
        for (int at = 0; at < tables.Length; at += pae ? 8 : 4)
        {
            ulong entry = Tables + ((uint)random.Next(16) << 12) + (uint)(random.Next(4) > 0 ? random.Next(256) | 1 : random.Next(256));
            entry &= random.Next(4) > 0 ? ~0x80ul : ulong.MaxValue;
            entry &= (entry & 0x80) != 0 && random.Next(3) > 0 ? ~0x3F_F000ul : ulong.MaxValue;
            if (pae)
            {
                entry |= random.Next(6) == 0 ? 1ul << 63 : random.Next(20) == 0 ? 1ul << 40 : 0;
                BinaryPrimitives.WriteUInt64LittleEndian(tables.AsSpan(at), entry);
            }
            else
            {
                BinaryPrimitives.WriteUInt32LittleEndian(tables.AsSpan(at), (uint)entry);
            }
        }
    }
}
