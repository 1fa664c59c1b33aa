using System.Buffers.Binary;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Tests.Oracle;
using Xunit;

namespace ToyVmm.Tests.Classification;

/// <summary>
/// The holes on the real CPU, in its user mode: none of these instructions traps, and each tells of, or depends on, a kernel that is not the
/// program's. SGDT, SIDT, SLDT, STR and SMSW are left out where the host has UMIP, which makes them trap (SDM 3A 2.5).
/// </summary>
public sealed class HostClassificationTests
{
    private const uint CodeAddress = 0x5000;
    private const uint Stack = OracleLayout.WindowAddress + 256;

    // Linux's selectors: the kernel's code segment, and user code of 32 bits.
    private const uint KernelCode = 0x10;
    private const uint UserCode = 0x23;

    [HostCpuFact]
    public void Popf_leaves_IF_and_IOPL_in_silence()
    {
        using HostCpu host = new();
        OracleImage after = Run(host, [0x9D], stack: Eflags.Fixed | Eflags.CF | Eflags.IoplMask);
        Assert.Equal(Eflags.IF | Eflags.Fixed | Eflags.CF, after.State.Eflags & (Eflags.IF | Eflags.IoplMask | Eflags.Fixed | Eflags.CF));
        Assert.Equal(Stack + 4, after.State.Esp);
    }

    [HostCpuFact]
    public void Pushf_shows_the_real_IF()
    {
        using HostCpu host = new();
        OracleImage after = Run(host, [0x9C]);
        Assert.Equal(Eflags.IF, BinaryPrimitives.ReadUInt32LittleEndian(after.Window[252..]) & Eflags.IF);
    }

    [HostCpuTheory]
    [InlineData(new byte[] { 0x0E, 0x58 })] // push cs; pop eax
    [InlineData(new byte[] { 0x16, 0x58 })] // push ss; pop eax
    [InlineData(new byte[] { 0x8C, 0xC8 })] // mov eax, cs
    [InlineData(new byte[] { 0x8C, 0xD0 })] // mov eax, ss
    public void A_selector_shows_the_real_ring(byte[] code)
    {
        using HostCpu host = new();
        Assert.Equal(3u, Run(host, code).State.Eax & 3);
    }

    [HostCpuTheory]
    [InlineData(new byte[] { 0x0F, 0x02, 0xC1 })] // lar eax, ecx
    [InlineData(new byte[] { 0x0F, 0x03, 0xC1 })] // lsl eax, ecx
    [InlineData(new byte[] { 0x0F, 0x00, 0xE1 })] // verr cx
    public void A_question_about_a_selector_is_answered_by_the_real_ring(byte[] code)
    {
        using HostCpu host = new();
        Assert.Equal(0u, Run(host, code, ecx: KernelCode).State.Eflags & Eflags.ZF);
        Assert.Equal(Eflags.ZF, Run(host, code, ecx: UserCode).State.Eflags & Eflags.ZF);
    }

    [HostCpuFact]
    public void Verw_does_not_trap()
    {
        using HostCpu host = new();
        Assert.Equal(0u, Run(host, [0x0F, 0x00, 0xE9], ecx: KernelCode).State.Eflags & Eflags.ZF);
    }

    [HostCpuFact]
    public void Cpuid_names_the_real_processor()
    {
        using HostCpu host = new();
        Assert.NotEqual(0x1234_5678u, Run(host, [0x0F, 0xA2], ebx: 0x1234_5678).State.Ebx);
    }

    [HostWithoutUmipFact]
    public void System_registers_show_themselves()
    {
        using HostCpu host = new();
        Assert.Equal(Cr0.PE, Run(host, [0x0F, 0x01, 0xE0]).State.Eax & Cr0.PE);       // smsw eax
        Assert.NotEqual(0u, Run(host, [0x0F, 0x00, 0xC8]).State.Eax & 0xFFF8);       // str eax
        OracleImage table = Run(host, [0x0F, 0x01, 0x01], ecx: OracleLayout.WindowAddress); // sgdt [ecx]
        Assert.NotEqual(0, BinaryPrimitives.ReadUInt16LittleEndian(table.Window));
    }

    private static OracleImage Run(HostCpu host, byte[] code, uint ecx = 0, uint ebx = 0, uint stack = 0)
    {
        host.Load(code, CodeAddress, []);
        OracleImage input = host.Input(0);
        input.Window.Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(input.Window[256..], stack);
        input.State = new OracleState { Ecx = ecx, Ebx = ebx, Esp = Stack, Eflags = OracleState.FixedFlags };
        host.Run(1);
        return host.Output(0);
    }
}

/// <summary>A test of instructions that trap in user mode where the host has UMIP; skipped there, and where there is no oracle.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class HostWithoutUmipFactAttribute : FactAttribute
{
    /// <summary>Asks the host once a test.</summary>
    public HostWithoutUmipFactAttribute() =>
        Skip = HostCpu.Unavailable()
            ?? (!File.Exists("/proc/cpuinfo") ? "There is no /proc/cpuinfo to ask about UMIP."
                : File.ReadAllText("/proc/cpuinfo").Contains("umip", StringComparison.Ordinal) ? "The host has UMIP: SGDT, STR and SMSW trap in user mode." : null);
}
