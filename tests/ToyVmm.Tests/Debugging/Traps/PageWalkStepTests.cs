using System.Buffers.Binary;
using ToyVmm.Debugging.Traps;
using ToyVmm.Engines.Probing;
using ToyVmm.Hardware;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Memory;
using ToyVmm.Hardware.Paging;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Loading;
using Xunit;
using Xunit.Abstractions;

namespace ToyVmm.Tests.Debugging.Traps;

/// <summary>Micro-steps of page walks, on random tables of both kinds, against the pure walk: the model of everything that pages.</summary>
public sealed unsafe class PageWalkStepTests(ITestOutputHelper output)
{
    private const uint Code = 0x7C00;
    private const uint Directory = 0x10_0000;
    private const uint FirstTable = 0x11_0000;
    private const int Tables = 4;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Steps_are_those_of_the_model(bool pae)
    {
        Random random = new(pae ? 36 : 32);
        using VirtualMachine vm = VirtualMachine.Create(new byte[] { 0xF4 }, new VirtualMachineOptions
        {
            Machine = new MachineConfig { MemorySize = 8 << 20 },
            Engine = EngineKind.Interpreter,
            Load = new LoadOptions { Format = ImageFormat.Raw },
        });
        int hidden = 0;
        int refused = 0;
        for (int round = 0; round < 4_000; round++)
        {
            Prepare(vm, random, pae);
            GuestMemory memory = vm.Machine.Memory;
            uint linear = (uint)random.Next(Tables) * (pae ? 1u << 21 : 1u << 22) | (uint)random.Next(8) << 12 | (uint)random.Next(4096);
            bool write = random.Next(2) == 0;
            vm.Cpu.Edi = linear;
            Assert.True(memory.TryWrite(new GuestPhysicalAddress(Code), write ? [0x88, 0x07] : [0x8A, 0x07]));

            // What the model says, before anything has happened.
            PageWalk walk = PageWalker.Walk(memory, vm.Vcpu.State, vm.Vcpu.Mmu.PhysicalMask, linear);
            bool allowed = walk.Result == PageWalkResult.Mapped && vm.Vcpu.Mmu.Allows(walk.Rights, write ? PageAccess.Write : PageAccess.Read);
            uint directory = memory.ReadUInt32(new GuestPhysicalAddress(walk.DirectoryEntryAddress));
            uint table = walk.HasTableEntry ? memory.ReadUInt32(new GuestPhysicalAddress(walk.TableEntryAddress)) : 0;

            List<Trap> traps = [];
            using TrapRecorder recorder = new(vm, traps.Add);
            recorder.Attach();
            _ = vm.Run(new RunLimits { MaxInstructions = 1 });
            Trap trap = Assert.Single(traps);
            MicroStep[] steps = [.. trap.Steps];
            int at = Array.FindIndex(steps, step => step.Kind == MicroStepKind.WalkBegins && step.Address == linear);
            if ((linear & ~0xFFFu) == (Code & ~0xFFFu) && at < 0)
            {
                // The page of the code, which the fetch has filled, with D unless the data are stored there.
                continue;
            }

            Assert.True(at >= 0, TrapText.Explain(trap));
            List<MicroStep> expected = [new(MicroStepKind.WalkBegins, linear, Value: steps[at].Value, Detail: write ? (uint)PageAccess.Write : 0)];
            if (walk.PointerIndex is { } pointer)
            {
                expected.Add(new MicroStep(MicroStepKind.PointerEntry, Value: walk.PointerEntry, Size: 8, Selector: (uint)pointer));
            }

            int size = pae ? 8 : 4;
            if (walk.HasDirectoryEntry)
            {
                // The fetch of the code may have set A in the same entry meanwhile.
                expected.Add(new MicroStep(MicroStepKind.DirectoryEntry, walk.DirectoryEntryAddress, walk.DirectoryEntry | (steps[at..].First(step => step.Kind == MicroStepKind.DirectoryEntry).Value & 0x20), size));
                directory |= (uint)expected[^1].Value & 0x20;
            }

            if (walk.HasTableEntry)
            {
                expected.Add(new MicroStep(MicroStepKind.TableEntry, walk.TableEntryAddress, walk.TableEntry | (steps[at..].First(step => step.Kind == MicroStepKind.TableEntry).Value & 0x20), size));
                table |= (uint)expected[^1].Value & 0x20;
            }

            if (allowed)
            {
                uint leaf = write ? 0x60u : 0x20;
                uint directoryBits = walk.HasTableEntry ? 0x20 : leaf;
                AddMark(expected, walk.DirectoryEntryAddress, directory, directoryBits);
                if (walk.HasTableEntry)
                {
                    AddMark(expected, walk.TableEntryAddress, table, leaf);
                }

                TlbRights rights = walk.Rights | (write ? TlbRights.Dirty : 0);
                expected.Add(new MicroStep(MicroStepKind.TlbFilled, linear & ~0xFFFu, walk.Page, Detail: (uint)rights));

                // And the memory and the TLB agree.
                Assert.Equal(directory | directoryBits, memory.ReadUInt32(new GuestPhysicalAddress(walk.DirectoryEntryAddress)));
                Assert.True(vm.Vcpu.Mmu.Tlb.TryGet(linear, out ulong page, out TlbRights filled));
                Assert.Equal((walk.Page, rights), (page, filled));
                hidden++;

                // The page may be the display's, or that of the code.
                Assert.True(trap.Kind is TrapKind.HiddenFault or TrapKind.Mmio or TrapKind.SelfModifyingCode, TrapText.Explain(trap));
                Assert.Equal(FaultNature.Hidden, trap.Reason.Fault);
            }
            else
            {
                uint error = (walk.Result == PageWalkResult.NotPresent ? 0u : 1) | (walk.Result == PageWalkResult.ReservedBit ? 8u : 0) | (write ? 2u : 0);
                expected.Add(new MicroStep(MicroStepKind.AccessRefused, linear, Detail: error));
                refused++;
                Assert.Equal(FaultNature.True, trap.Reason.Fault);
                Assert.Equal((14, error, linear), (trap.Events[0].Vector, trap.Events[0].ErrorCode, trap.Events[0].FaultAddress));
            }

            Assert.Equal(expected, steps[at..(at + expected.Count)]);
        }

        output.WriteLine($"{hidden} hidden faults, {refused} true ones");
        Assert.True(hidden > 500 && refused > 500);
    }

    private static void AddMark(List<MicroStep> steps, ulong address, uint entry, uint bits)
    {
        if ((entry & bits) != bits)
        {
            steps.Add(new MicroStep(MicroStepKind.EntryMarked, address, entry | bits, 4, Detail: entry));
        }
    }

    // Random tables for a few large regions, the first of which has the code; everything maps into 8 MiB of RAM.
    private static void Prepare(VirtualMachine vm, Random random, bool pae)
    {
        vm.Vcpu.Reset();
        ref CpuState s = ref vm.Cpu;
        int size = pae ? 8 : 4;
        Span<byte> page = new byte[4096];
        for (int n = 0; n < Tables; n++)
        {
            for (int entry = 0; entry < 16; entry++)
            {
                ulong bits = ((ulong)random.Next(1, 2048) << 12) | Bits(random, large: false);
                Put(page, entry * size, n == 0 && entry == Code >> 12 ? Code & ~0xFFFu | 3 : bits, size);
            }

            Assert.True(vm.Machine.Memory.TryWrite(new GuestPhysicalAddress(FirstTable + (ulong)(n * 4096)), page));
        }

        page.Clear();
        for (int n = 0; n < Tables; n++)
        {
            bool large = n != 0 && random.Next(3) == 0;
            ulong bits = large ? ((ulong)random.Next(2) << 22) | Bits(random, large: true) | 0x80 : FirstTable + (ulong)(n * 4096) | (Bits(random, large: false) & ~0x80ul);
            Put(page, n * size, n == 0 ? bits | 3 : bits, size);
        }

        Assert.True(vm.Machine.Memory.TryWrite(new GuestPhysicalAddress(Directory), page));
        s.Cr3 = Directory;
        if (pae)
        {
            Span<byte> pointers = new byte[32];
            BinaryPrimitives.WriteUInt64LittleEndian(pointers, Directory | 1);
            Assert.True(vm.Machine.Memory.TryWrite(new GuestPhysicalAddress(Directory + 0x8000), pointers));
            s.Cr3 = Directory + 0x8000;
            s.PageDirectoryPointers[0] = Directory | 1;
        }

        Flat(ref s.Cs, 0xC09B);
        Flat(ref s.Ds, 0xC093);
        Flat(ref s.Es, 0xC093);
        Flat(ref s.Ss, 0xC093);
        s.Cr4 = (pae ? Cr4.PAE : 0) | (random.Next(2) == 0 ? Cr4.PSE : 0) | (random.Next(2) == 0 ? Cr4.PGE : 0);
        s.Cr0 |= Cr0.PE | Cr0.PG | (random.Next(2) == 0 ? Cr0.WP : 0);
        s.Eip = Code;
        s.IdtLimit = 0;
        vm.Vcpu.NotifyStateChanged();
    }

    private static void Flat(ref SegmentCache segment, ushort access)
    {
        segment.Selector = 8;
        segment.Base = 0;
        segment.Limit = uint.MaxValue;
        segment.Access = access;
        segment.Refresh();
    }

    private static ulong Bits(Random random, bool large) =>
        (random.Next(4) == 0 ? 0u : 1) | ((uint)random.Next(64) << 1) | (random.Next(16) == 0 ? 0x80u : 0) | (random.Next(8) == 0 ? 0x100u : 0) | (large && random.Next(8) == 0 ? 1u << 13 : 0);

    private static void Put(Span<byte> page, int at, ulong entry, int size)
    {
        if (size == 8)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(page[at..], entry);
        }
        else
        {
            BinaryPrimitives.WriteUInt32LittleEndian(page[at..], (uint)entry);
        }
    }
}
