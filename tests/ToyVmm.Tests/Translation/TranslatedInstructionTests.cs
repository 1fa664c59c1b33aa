using ToyVmm.Engines;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Tests.Interpretation;
using Xunit;

namespace ToyVmm.Tests.Translation;

/// <summary>Instructions that need more than a prefix to run on the host: each leaves the same state as the interpreter, or the same fault.</summary>
public sealed unsafe class TranslatedInstructionTests
{
    [TranslatorTheory]
    [InlineData("add fs:[0x9000], bh", "64003D00900000")]
    [InlineData("mov ah, gs:[ecx]", "658A21")]
    [InlineData("mov dh, [esp+4]", "8A742404")]
    [InlineData("add [esp+4], ch", "006C2404")]
    [InlineData("xor bh, [esp]", "323C24")]
    [InlineData("cmp [esp], ah", "382424")]
    [InlineData("movzx esp, ah", "0FB6E4")]
    [InlineData("xchg ah, [esp]", "862424")]
    [InlineData("rep inc ax", "F36640")]
    [InlineData("repne dec ebp", "F24D")]
    [InlineData("mov cs:[0x9000], al: #GP", "2EA200900000")]
    [InlineData("cmp cs:[0x9000], al", "2E380500900000")]
    [InlineData("push esp", "54")]
    [InlineData("pop esp", "5C")]
    [InlineData("push dword [esp+8]", "FF742408")]
    [InlineData("pop dword [esp+8]", "8F442408")]
    [InlineData("leave", "C9")]
    [InlineData("inc esp", "44")]
    [InlineData("xchg esp, eax", "94")]
    [InlineData("bswap esp", "0FCC")]
    [InlineData("lea esp, [esp+ecx*4-8]", "8D648CF8")]
    [InlineData("mov eax, [0x9000]", "A100900000")]
    [InlineData("mov [0x9000], al", "A200900000")]
    [InlineData("bts [0x9000], ecx, a bit far away", "0FAB0D00900000")]
    [InlineData("div ecx", "F7F1")]
    [InlineData("div of nothing: #DE", "31C9F7F1")]
    [InlineData("jecxz to the next", "E300")]
    [InlineData("loop to the next", "E200")]
    [InlineData("call, pop", "E80000000058")]
    [InlineData("cld, lodsd", "FCAD")]
    [InlineData("rdtsc", "0F31")]
    [InlineData("fld1, fstp", "D9E8DD1D00900000")]
    [InlineData("a load beyond memory", "8B0DFCFFFF0F")]
    [InlineData("a load across the end of the addresses", "8B0DFEFFFFFF")]
    public void An_instruction_does_what_the_interpreter_does(string name, string code)
    {
        byte[] bytes = [0x90, .. Convert.FromHexString(code), 0xF4];
        string interpreted = Execute(bytes, translates: false);
        Assert.Equal((name, interpreted), (name, Execute(bytes, translates: true)));
    }

    private static string Execute(byte[] code, bool translates)
    {
        using TestCpu cpu = new(translates: translates);
        CpuState* s = cpu.State;
        for (int n = 0; n < cpu.Bytes.Length; n++)
        {
            cpu.Bytes[n] = (byte)((n * 7) ^ (n >> 8));
        }

        cpu.Load(code);
        (s->Eax, s->Ecx, s->Edx, s->Ebx) = (0x0000_8412, 0x9123, 0, 0xFEDC_7788);
        (s->Esp, s->Ebp, s->Esi, s->Edi) = (0x8000, 0x8040, 0x9200, 0x9300);
        s->FpuControl = 0x37F;
        s->FpuTags = 0;
        cpu.Vcpu.NotifyStateChanged();
        ulong before = s->Retired;
        VmExit exit;
        do
        {
            exit = cpu.Run(20 - (s->Retired - before));
            if (exit.Reason == ExitReason.Mmio && !exit.IsWrite)
            {
                cpu.Vcpu.CompleteRead(0x1234_5678);
            }
        }
        while (exit.Reason == ExitReason.Mmio);
        Assert.True(!translates || cpu.Vcpu.Translation!.HostInstructions > 0);
        CpuState end = cpu.FaultVector == TestCpu.None ? *s : cpu.AtFault;
        return $"{exit.Reason} after {s->Retired - before}, fault {cpu.FaultVector} at {cpu.FaultAddress:x}: "
            + $"{end.Eax:x} {end.Ecx:x} {end.Edx:x} {end.Ebx:x} {end.Esp:x} {end.Ebp:x} {end.Esi:x} {end.Edi:x} {end.Eip:x} {LazyFlags.GetEflags(&end):x} "
            + $"{end.FpuStatus:x} {end.FpuTags:x} {Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(cpu.Bytes))}";
    }
}
