using System.Security.Cryptography;
using ToyVmm.Engines;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Tests.Interpretation;
using Xunit;

namespace ToyVmm.Tests.Translation;

/// <summary>Runs a few instructions on a CPU from a fixed state, and tells how it ended.</summary>
internal static unsafe class TemplateRun
{
    private const ulong MostInstructions = 20;

    /// <summary>Runs code; the CPU may have run other code before.</summary>
    /// <returns>All that the code could have changed, and the fault, if there was one.</returns>
    public static string Execute(TestCpu cpu, byte[] code)
    {
        cpu.Reset();
        CpuState* s = cpu.State;
        bool isThere = cpu.Bytes.Slice((int)TestCpu.Origin, code.Length).SequenceEqual(code);
        for (int n = 0; n < cpu.Bytes.Length; n++)
        {
            // Code that is there already stays what it is, and so stays translated.
            if (!isThere || n < TestCpu.Origin || n >= TestCpu.Origin + code.Length)
            {
                cpu.Bytes[n] = (byte)((n * 7) ^ (n >> 8));
            }
        }

        if (!isThere)
        {
            cpu.Load(code);
        }

        s->Eip = TestCpu.Origin - s->Cs.Base;
        (s->Eax, s->Ecx, s->Edx, s->Ebx) = (0x0000_8412, 0x9123, 0, 0xFEDC_7788);
        (s->Esp, s->Ebp, s->Esi, s->Edi) = (0x8000, 0x8040, 0x9200, 0x9300);
        s->FpuControl = 0x37F;
        s->FpuTags = 0;
        s->Mxcsr = 0x1F80;
        s->Cr4 |= Cr4.OSFXSR;
        s->TscOffset = 0 - s->Retired;
        cpu.Vcpu.NotifyStateChanged();
        ulong before = s->Retired;
        VmExit exit;
        do
        {
            exit = cpu.Run(MostInstructions - (s->Retired - before));
            if (exit.Reason == ExitReason.Mmio && !exit.IsWrite)
            {
                cpu.Vcpu.CompleteRead(0x1234_5678);
            }
        }
        while (exit.Reason == ExitReason.Mmio);
        CpuState end = cpu.FaultVector == TestCpu.None ? *s : cpu.AtFault;
        return $"{exit.Reason} after {s->Retired - before}, fault {cpu.FaultVector} at {cpu.FaultAddress:x}: "
            + $"{end.Eax:x} {end.Ecx:x} {end.Edx:x} {end.Ebx:x} {end.Esp:x} {end.Ebp:x} {end.Esi:x} {end.Edi:x} {end.Eip:x} {LazyFlags.GetEflags(&end):x} "
            + $"{end.FpuControl:x} {end.FpuStatus:x} {end.FpuTags:x} {end.Shadow} {end.Mxcsr:x} {end.XmmRegisters[2]:x} {end.XmmRegisters[3]:x} {Convert.ToHexString(SHA256.HashData(cpu.Bytes))}";
    }
}
