using ToyVmm.Hardware.Cpu;
using ToyVmm.Tests.Interpretation;
using Xunit;

namespace ToyVmm.Tests.Translation;

/// <summary>
/// Instructions with several accesses around the end of the linear addresses, where one of them may run over it. The pages on both sides are there and in
/// the view already, so that nothing else can go wrong: every third place of ESP, beside the interpreter (<see cref="TranslatorTwin"/>).
/// </summary>
public sealed unsafe class AddressWrapTests
{
    private const uint Directory = 0x1_0000;
    private const uint LowTable = 0x1_1000;
    private const uint HighTable = 0x1_2000;
    private const uint TopPage = 0x5_0000;

    [TranslatorTheory]
    [InlineData("pushad", "60")]
    [InlineData("popad", "61")]
    [InlineData("enter 0x10, 0", "C8100000")]
    [InlineData("leave", "C9")]
    [InlineData("push eax", "50")]
    [InlineData("pop ebx", "5B")]
    [InlineData("pop dword [esp-8]", "8F4424F8")]
    [InlineData("call", "E800000000")]
    [InlineData("ret", "C3")]
    [InlineData("movsd", "A5")]
    [InlineData("rep movsd", "F3A5")]
    [InlineData("cmpxchg8b [esp]", "0FC70C24")]
    [InlineData("xchg [esp], eax", "870424")]
    public void An_instruction_may_run_over_the_last_address(string name, string code)
    {
        byte[] warm = [0x8B, 0x03, 0x89, 0x03, 0xEB, 0x00]; // mov eax, [ebx]; mov [ebx], eax; jmp to the next
        for (uint esp = 0xFFFF_FFD0; esp is >= 0xFFFF_FFD0 or < 0x30; esp += 3)
        {
            using TestCpu cpu = Paged();
            foreach (uint page in (uint[])[0xFFFF_FF00, 0x100])
            {
                for (int n = 0; n < 2; n++)
                {
                    cpu.Load(warm);
                    cpu.State->Ebx = page;
                    _ = cpu.Run(3);
                    Assert.Equal(TestCpu.None, cpu.FaultVector);
                }
            }

            cpu.Load([.. Convert.FromHexString(code), 0xEB, 0xFE]);
            CpuState* s = cpu.State;
            (s->Eax, s->Ecx, s->Edx, s->Ebx) = (0x1111_1111, 3, 0x3333_3333, 0x4444_4444);
            (s->Esp, s->Ebp, s->Esi, s->Edi) = (esp, esp + 4, esp, 0x200);
            ulong before = s->Retired;

            // The whole block on the host, or the first fault.
            _ = cpu.Run(code.StartsWith("E8", StringComparison.Ordinal) || code == "C3" ? 1u : 2);
            Assert.True(s->Retired > before || cpu.FaultVector != TestCpu.None, name);
        }
    }

    // The first MiB mapped to itself, and RAM at the last page.
    private static TestCpu Paged()
    {
        TestCpu cpu = new();
        Span<byte> ram = cpu.Bytes;
        Put(ram, Directory, LowTable | 3);
        Put(ram, Directory + 0xFFC, HighTable | 3);
        Put(ram, HighTable + 0xFFC, TopPage | 3);
        for (uint page = 0; page < TestCpu.MemorySize; page += 0x1000)
        {
            Put(ram, LowTable + (page / 0x1000 * 4), page | 3);
        }

        for (int n = 0; n < 0x200; n++)
        {
            ram[n] = (byte)(n | 0x40);
            ram[(int)TopPage + 0xE00 + n] = (byte)(n ^ 0x99);
        }

        cpu.State->Cr3 = Directory;
        cpu.State->Cr0 |= Cr0.PG;
        cpu.Vcpu.NotifyStateChanged();
        return cpu;
    }

    private static void Put(Span<byte> ram, uint address, uint value) => BitConverter.GetBytes(value).CopyTo(ram[(int)address..]);
}
