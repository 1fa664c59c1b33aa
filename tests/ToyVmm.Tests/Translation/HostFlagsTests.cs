using Iced.Intel;
using ToyVmm.Engines;
using ToyVmm.Engines.Translation;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Tests.Interpretation;
using Xunit;

namespace ToyVmm.Tests.Translation;

/// <summary>Flags that the manuals leave undefined: what the host does with them decides where an instruction runs.</summary>
public sealed unsafe class HostFlagsTests
{
    [TranslatorFact]
    public void Amd_processors_differ_nowhere()
    {
        IReadOnlySet<Mnemonic> differing = HostFlags.Probe(2000);
        Assert.Equal(differing.Order(), HostFlags.Differing.Order());
        if (System.Runtime.Intrinsics.X86.X86Base.CpuId(0, 0) is { Ebx: 0x6874_7541 })
        {
            Assert.Empty(differing);
        }
    }

    [TranslatorFact]
    public void What_differs_is_called_out()
    {
        // mov ecx, 9; L: shl eax, 3; imul eax, ecx; loop L; hlt
        byte[] code = Convert.FromHexString("B909000000C1E0030FAFC1E2F8F4");
        (ulong none, string same) = Run(new HashSet<Mnemonic>());
        (ulong some, string also) = Run(new HashSet<Mnemonic> { Mnemonic.Imul });
        Assert.Equal(same, also);
        Assert.True(none <= 1, $"{none} call-outs");
        Assert.True(some >= 8, $"{some} call-outs");

        (ulong CallOuts, string State) Run(HashSet<Mnemonic> differing)
        {
            using TestCpu cpu = new(translates: true, options: new TranslatorOptions { Hotness = 0, Verify = true, Differing = differing });
            cpu.Load(code);
            cpu.State->Eax = 3;
            VmExit exit = cpu.Run(100);
            return (cpu.Vcpu.Translation!.CallOuts, $"{exit.Reason} {cpu.State->Eax:x} {LazyFlags.Get(cpu.State):x} {cpu.State->Retired}");
        }
    }
}
