using ToyVmm.Engines;
using ToyVmm.Engines.Translation;
using ToyVmm.Hardware;
using ToyVmm.Tests.Translation;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Loading;
using Xunit;

namespace ToyVmm.Tests.Verification;

/// <summary>
/// A guest with 8 MiB of RAM whose page tables show 256 of its pages at a million addresses: what the VMM keeps for each address must not grow with them.
/// (Jump tables did: two gigabytes after half a million functions; and host mappings are shared by all guests of a process.)
/// </summary>
[Collection(nameof(AloneInTheProcess))]
public sealed class HostMemoryLimitTests
{
    private const int Stores = 8000;

    // PSE paging: the first 4 MiB one to one, every other directory entry the one table at 201000, whose entries are frames of 300000-3FFFFF, seven apart,
    // filled with RET. Then EDX = 400000 and, page after page, for ever:
    private static readonly byte[] s_setup =
    [
        0xBF, 0x00, 0x00, 0x20, 0x00, 0xC7, 0x07, 0x83, 0x00, 0x00, 0x00, 0x83, 0xC7, 0x04, 0xB9, 0xFF, 0x03, 0x00, 0x00, 0xB8, 0x03, 0x10, 0x20, 0x00, 0xFC, 0xF3, 0xAB,
        0xBF, 0x00, 0x10, 0x20, 0x00, 0xB9, 0x00, 0x04, 0x00, 0x00, 0xB8, 0x03, 0x00, 0x30, 0x00,
        0x89, 0x07, 0x83, 0xC7, 0x04, 0x05, 0x00, 0x70, 0x00, 0x00, 0x25, 0x03, 0xF0, 0x0F, 0x00, 0x0D, 0x00, 0x00, 0x30, 0x00, 0x49, 0x75, 0xE9,
        0xBF, 0x00, 0x00, 0x30, 0x00, 0xB9, 0x00, 0x00, 0x04, 0x00, 0xB8, 0xC3, 0xC3, 0xC3, 0xC3, 0xF3, 0xAB,
        0x0F, 0x20, 0xE0, 0x0C, 0x10, 0x0F, 0x22, 0xE0, 0xB8, 0x00, 0x00, 0x20, 0x00, 0x0F, 0x22, 0xD8, 0x0F, 0x20, 0xC0, 0x0D, 0x00, 0x00, 0x00, 0x80, 0x0F, 0x22, 0xC0,
        0xBA, 0x00, 0x00, 0x40, 0x00,
    ];

    // MOV ECX, 3; again: CALL EDX; DEC ECX; JNZ again; ADD EDX, 1000; JMP to the MOV ECX
    private static readonly byte[] s_calls = [0xB9, 3, 0, 0, 0, 0xFF, 0xD2, 0x49, 0x75, 0xFB, 0x81, 0xC2, 0x00, 0x10, 0x00, 0x00, 0xEB, 0xEE];

    // ADD [EDX], EAX; ADD EDX, 1000; JMP to the next - so many times that none of them faults too often to stay on the host; then from the beginning. EAX is 0, but no store
    // knows it, and where addresses begin again at 0 nothing changes. JMP to the first.
    private static readonly byte[] s_stores = [0x31, 0xC0, .. Enumerable.Repeat<byte[]>([0x01, 0x02, 0x81, 0xC2, 0x00, 0x10, 0x00, 0x00, 0xEB, 0x00], Stores).SelectMany(store => store), 0xE9, .. BitConverter.GetBytes(-(10 * Stores) - 5)];

    [TranslatorFact]
    public void Code_at_every_address_takes_a_bounded_part_of_the_hosts_memory()
    {
        const int MostPagesEach = 4096;
        using VirtualMachine vm = Create(s_calls);
        int most = 0;
        for (int round = 0; round < 10; round++)
        {
            Assert.Equal(StopKind.InstructionLimit, vm.Run(new RunLimits { MaxInstructions = 50_000 }).Kind);
            most = Math.Max(most, vm.Engine.Translated!.JumpTablePages);
        }

        // Beyond the limit, and back again: what was forgotten is found again.
        Assert.True(vm.Vcpu.Translation!.BlocksTranslated > 2 * MostPagesEach, $"{vm.Vcpu.Translation!.BlocksTranslated} blocks");
        Assert.InRange(most, MostPagesEach / 2, MostPagesEach);
        Assert.Null(vm.VerifyEmittedCode());
        Assert.Null(HostWindows.Check(vm));
    }

    [TranslatorFact]
    public void A_neighbour_does_not_notice_that_the_hosts_mappings_are_used_up()
    {
        const int WithViews = 1;
        NeighbourHistory alone = Neighbour.Alone(WithViews, EngineKind.Translator);
        using VirtualMachine attacker = Create(s_stores);
        using Neighbour neighbour = new(WithViews, EngineKind.Translator);
        for (int slice = 0; slice < Neighbour.Slices; slice++)
        {
            Assert.Equal(StopKind.InstructionLimit, attacker.Run(new RunLimits { MaxInstructions = 40_000 }).Kind);
            neighbour.RunSlice();
        }

        Assert.Equal(alone, neighbour.History());
        TranslationStatistics taken = attacker.Vcpu.Translation!;
        Assert.True(taken.ViewEvictions > 0, $"{taken.PagesMapped} pages were mapped, {taken.HiddenFaults} hidden faults, {taken.Adaptations} adaptations");
    }

    private static VirtualMachine Create(byte[] loop) => VirtualMachine.Create((byte[])[.. s_setup, .. loop], new VirtualMachineOptions
    {
        Engine = EngineKind.Translator,
        Machine = new MachineConfig { MemorySize = 8 << 20 },
        Translator = new TranslatorOptions { Hotness = 1, Verify = true },
        Load = new LoadOptions { Format = ImageFormat.Raw, RealModeEntry = false },
    });
}
