using System.Diagnostics;
using ToyVmm.Engines;
using ToyVmm.Hardware;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Loading;
using Xunit;

namespace ToyVmm.Tests.Verification;

/// <summary>A limit of host time holds inside an instruction too (found by the isolation property: a REP LODSB of 4 GiB kept the VMM for 20 seconds).</summary>
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
}
