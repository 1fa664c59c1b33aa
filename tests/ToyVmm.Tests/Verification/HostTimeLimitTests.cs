using System.Diagnostics;
using ToyVmm.Engines;
using ToyVmm.Hardware;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Loading;
using Xunit;

namespace ToyVmm.Tests.Verification;

/// <summary>Host time that a guest cannot take (found by the isolation property: a REP LODSB of 4 GiB kept the VMM for 20 seconds, whatever the limit).</summary>
public sealed class HostTimeLimitTests
{
    private static readonly TimeSpan s_limit = TimeSpan.FromMilliseconds(100);

    // Every 4 MiB of linear addresses show the second 4 MiB of RAM, but for the first, with the code:
    //   MOV EDI, 200000; MOV ECX, 400; MOV EAX, 400083; REP STOSD; MOV dword [200000], 83
    //   MOV EAX, CR4; OR AL, 10; MOV CR4, EAX; MOV EAX, 200000; MOV CR3, EAX; MOV EAX, CR0; OR EAX, 80000000; MOV CR0, EAX
    //   STD; MOV ECX, FFFFFFFF; MOV ESI, FFFFFFFF; REP LODSB; HLT
    private static readonly byte[] s_guest =
    [
        0xBF, 0x00, 0x00, 0x20, 0x00, 0xB9, 0x00, 0x04, 0x00, 0x00, 0xB8, 0x83, 0x00, 0x40, 0x00, 0xF3, 0xAB, 0xC7, 0x05, 0x00, 0x00, 0x20, 0x00, 0x83, 0x00, 0x00, 0x00,
        0x0F, 0x20, 0xE0, 0x0C, 0x10, 0x0F, 0x22, 0xE0, 0xB8, 0x00, 0x00, 0x20, 0x00, 0x0F, 0x22, 0xD8, 0x0F, 0x20, 0xC0, 0x0D, 0x00, 0x00, 0x00, 0x80, 0x0F, 0x22, 0xC0,
        0xFD, 0xB9, 0xFF, 0xFF, 0xFF, 0xFF, 0xBE, 0xFF, 0xFF, 0xFF, 0xFF, 0xF3, 0xAC, 0xF4,
    ];

    [Theory]
    [InlineData(EngineKind.Interpreter)]
    [InlineData(EngineKind.Auto)]
    public void A_string_of_billions_of_elements_is_cut_and_goes_on(EngineKind engine)
    {
        VirtualMachineOptions options = new()
        {
            Engine = engine,
            Machine = new MachineConfig { MemorySize = 8 << 20 },
            Translator = new TranslatorOptions { Hotness = 0 },
            Load = new LoadOptions { Format = ImageFormat.Raw, RealModeEntry = false },
        };
        using VirtualMachine vm = VirtualMachine.Create(s_guest, options);
        uint left = uint.MaxValue;
        for (int round = 0; round < 3; round++)
        {
            long started = Stopwatch.GetTimestamp();
            Assert.Equal(StopKind.TimeLimit, vm.Run(new RunLimits { Timeout = s_limit }).Kind);
            Assert.True(Stopwatch.GetElapsedTime(started) < TimeSpan.FromSeconds(5));
            Assert.InRange(vm.Cpu.Ecx, 1u, left - 1);
            Assert.Equal(vm.Cpu.Ecx, vm.Cpu.Esi);
            left = vm.Cpu.Ecx;
        }
    }

    /// <summary>A timer of a megahertz that is masked ticks for ever, and wakes nobody: that is no reason to keep the host busy for 25 hours of the guest's.</summary>
    [Fact]
    public void A_guest_that_no_timer_wakes_is_given_up()
    {
        // MOV AL, 34; OUT 43, AL; MOV AL, 2; OUT 40, AL; MOV AL, 0; OUT 40, AL (counter 0: mode 2, count 2); MOV AL, FF; OUT 21, AL; OUT A1, AL; STI; HLT
        byte[] guest = [0xB0, 0x34, 0xE6, 0x43, 0xB0, 0x02, 0xE6, 0x40, 0xB0, 0x00, 0xE6, 0x40, 0xB0, 0xFF, 0xE6, 0x21, 0xE6, 0xA1, 0xFB, 0xF4];
        VirtualMachineOptions options = new() { Machine = new MachineConfig { MemorySize = 1 << 20 }, Load = new LoadOptions { Format = ImageFormat.Raw } };
        using VirtualMachine vm = VirtualMachine.Create(guest, options);
        StopReason stop = vm.Run(new RunLimits { MaxInstructions = 1000, Timeout = TimeSpan.FromMinutes(2) });
        Assert.Equal(StopKind.HaltedForever, stop.Kind);
        Assert.True(vm.Machine.Clock.Now > vm.Machine.Clock.Frequency);
    }
}
