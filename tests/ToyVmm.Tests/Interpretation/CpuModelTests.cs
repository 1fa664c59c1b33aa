using System.Text;
using Iced.Intel;
using ToyVmm.Engines;
using ToyVmm.Hardware.Cpu;
using Xunit;

namespace ToyVmm.Tests.Interpretation;

/// <summary>Every CPU model: which instructions it has (each form that Iced knows executes or is #UD), which bits of CR0, CR4 and EFLAGS, which MSRs.</summary>
public sealed unsafe class CpuModelTests
{
    private static readonly string[] s_names = ["386", "486", "pentium", "p6", "sse2", "max"];

    // The first model that has what came with a feature, from the processors' manuals. Features that are not here no model has.
    private static readonly Dictionary<CpuidFeature, string> s_first = new()
    {
        [CpuidFeature.INTEL8086] = "386",
        [CpuidFeature.INTEL186] = "386",
        [CpuidFeature.INTEL286] = "386",
        [CpuidFeature.INTEL386] = "386",
        [CpuidFeature.PAUSE] = "386",
        [CpuidFeature.FPU] = "386",
        [CpuidFeature.FPU287] = "386",
        [CpuidFeature.FPU387] = "386",
        [CpuidFeature.INTEL486] = "486",
        [CpuidFeature.CPUID] = "pentium",
        [CpuidFeature.TSC] = "pentium",
        [CpuidFeature.MSR] = "pentium",
        [CpuidFeature.CX8] = "pentium",
        [CpuidFeature.RDPMC] = "p6",
        [CpuidFeature.MULTIBYTENOP] = "p6",
        [CpuidFeature.SEP] = "p6",
        [CpuidFeature.CMOV] = "p6",
        [CpuidFeature.MMX] = "p6",
        [CpuidFeature.FXSR] = "p6",
        [CpuidFeature.CLFSH] = "sse2",
        [CpuidFeature.SSE] = "sse2",
        [CpuidFeature.SSE2] = "sse2",
        [CpuidFeature.SSE3] = "max",
        [CpuidFeature.SSSE3] = "max",
        [CpuidFeature.SSE4_1] = "max",
        [CpuidFeature.SSE4_2] = "max",
        [CpuidFeature.POPCNT] = "max",
    };

    // Where the form's feature does not tell.
    private static readonly Dictionary<Code, string> s_exceptions = new()
    {
        [Code.Mov_cr_r32] = "386",
        [Code.Paddq_mm_mmm64] = "sse2", // Iced: MMX; SDM 2B, PADDQ: SSE2
    };

    public static TheoryData<string> Names => [.. s_names];

    [Fact]
    public void Names_are_the_table()
    {
        Assert.Equal(s_names, CpuModels.All.Select(model => model.Name));
        Assert.Same(CpuModels.Max, CpuModels.Default);
        Assert.All(CpuModels.All, model => Assert.Same(model, CpuModels.Find(model.Name)));
        Assert.Null(CpuModels.Find("P6"));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Executes_what_it_has_and_refuses_the_rest(string name)
    {
        int executed = 0;
        int refused = 0;
        using TestCpu cpu = new(model: CpuModels.Find(name));
        foreach (Code code in Enum.GetValues<Code>().Distinct().Where(IsLegacy))
        {
            bool isThere = Expected(code, name);
            foreach (byte[] bytes in CodeEncodings.Of(code))
            {
                Assert.True(Executes(cpu, bytes) == isThere, $"{name}: {code} ({Convert.ToHexString(bytes)}, {string.Join(' ', code.CpuidFeatures())}) should {(isThere ? "execute" : "be #UD")}");
                _ = isThere ? executed++ : refused++;
            }
        }

        Assert.True(executed > 500 && refused > 90, $"{executed} executed, {refused} refused");
    }

    [Theory]
    [InlineData("386", 0x8000_000Fu, 0u, 0x0000_7FD7u)]
    [InlineData("486", 0xE005_002Fu, 0u, 0x0004_7FD7u)]
    [InlineData("pentium", 0xE005_002Fu, 0x1Cu, 0x0024_7FD7u)]
    [InlineData("p6", 0xE005_002Fu, 0x39Cu, 0x0024_7FD7u)]
    [InlineData("sse2", 0xE005_002Fu, 0x79Cu, 0x0024_7FD7u)]
    [InlineData("max", 0xE005_002Fu, 0x79Cu, 0x0024_7FD7u)]
    public void Has_the_bits_of_its_features(string name, uint cr0, uint cr4, uint eflags)
    {
        const uint PhysicalAddressExtension = 1 << 5;
        CpuModel model = CpuModels.Find(name)!;
        Assert.Equal($"{cr0:X}", $"{model.Cr0Bits:X}");
        Assert.Equal($"{cr4:X}", $"{model.Cr4Bits & ~PhysicalAddressExtension:X}");
        using TestCpu cpu = new(model: model);

        // MOV CR0 takes what exists, and ignores the rest (paging needs tables: not PG here).
        cpu.State->Eax = 0x7FFF_FFFF;
        cpu.Load(0x0F, 0x22, 0xC0);
        _ = cpu.Run();
        Assert.Equal($"{(cr0 & 0x7FFF_FFFF) | Cr0.ET:X}", $"{cpu.State->Cr0:X}");

        // MOV CR4: #GP for each bit that does not exist, #UD where the register does not.
        for (int bit = 0; bit < 32; bit++)
        {
            cpu.Reset();
            cpu.State->Eax = 1u << bit;
            cpu.Load(0x0F, 0x22, 0xE0);
            _ = cpu.Run();
            int expected = !model.HasCr4 ? Vector.InvalidOpcode : (model.Cr4Bits & (1u << bit)) != 0 ? TestCpu.None : Vector.GeneralProtection;
            Assert.Equal((bit, expected), (bit, cpu.FaultVector));
        }

        // POPFD of all ones but TF, VM and RF, at ring 0, then PUSHFD; IRETD likewise.
        const uint Image = 0xFFFF_FFFF & ~(Eflags.TF | Eflags.VM | Eflags.RF);
        cpu.Reset();
        cpu.State->Eax = Image;
        cpu.Load(0x50, 0x9D, 0x9C, 0x5B);
        _ = cpu.Run(4);
        Assert.Equal($"{eflags & ~(Eflags.TF | Eflags.RF):X}", $"{cpu.State->Ebx & ~(Eflags.VIF | Eflags.VIP):X}");
        _ = cpu.Memory.TryWrite(new ToyVmm.Hardware.Memory.GuestPhysicalAddress(cpu.State->GdtBase + 8), BitConverter.GetBytes(0x00CF_9B00_0000_FFFFul));
        cpu.Reset();
        cpu.State->Eax = Image & ~Eflags.NT;
        cpu.Load(0x50, 0x6A, 0x08, 0x68, 0x00, 0x03, 0x02, 0x00, 0xCF);
        _ = cpu.Run(4);
        Assert.Equal(0x2_0300u, cpu.State->Eip);
        Assert.Equal($"{eflags & ~(Eflags.TF | Eflags.NT):X}", $"{LazyFlags.GetEflags(cpu.State) & ~(Eflags.VIF | Eflags.VIP):X}");
    }

    [Theory]
    [InlineData("pentium", 0x10u, 0x11u, 0x12u, 0x13u)]
    [InlineData("p6", 0x10u, 0x17u, 0x1Bu, 0x2Au, 0x8Bu, 0xC1u, 0xC2u, 0x174u, 0x175u, 0x176u, 0x186u, 0x187u, 0x1D9u)]
    [InlineData("sse2", 0x10u, 0x17u, 0x1Bu, 0x2Au, 0x8Bu, 0xC1u, 0xC2u, 0x174u, 0x175u, 0x176u, 0x186u, 0x187u, 0x1A0u, 0x1D9u)]
    [InlineData("max", 0x10u, 0x17u, 0x1Bu, 0x2Au, 0x8Bu, 0xC1u, 0xC2u, 0x174u, 0x175u, 0x176u, 0x186u, 0x187u, 0x1A0u, 0x1D9u)]
    public void Has_the_registers_of_its_generation(string name, params uint[] registers)
    {
        using TestCpu cpu = new(model: CpuModels.Find(name));
        var found = new List<uint>();
        for (uint number = 0; number < 0x400; number++)
        {
            cpu.Reset();
            cpu.State->Ecx = number;
            cpu.Load(0x0F, 0x32);
            _ = cpu.Run();
            if (cpu.FaultVector == TestCpu.None)
            {
                found.Add(number);
            }
        }

        Assert.Equal(registers, found);
    }

    [Theory]
    [InlineData("pentium", 0x52Cu, 0x8000_0000u, 0x0000_033Du)]
    [InlineData("p6", 0x652u, 0x8000_0000u, 0x0180_AB3Du)]
    [InlineData("sse2", 0x6D8u, 0x8000_0000u, 0x0788_AB3Du)]
    [InlineData("max", 0x106A5u, 0x8098_0201u, 0x0788_AB3Du)]
    public void Answers_cpuid(string name, uint signature, uint ecx, uint edx)
    {
        const uint PhysicalAddressExtension = 1 << 6;
        CpuModel model = CpuModels.Find(name)!;
        using TestCpu cpu = new(model: model);
        Assert.Equal(signature, cpu.State->Edx & 0xFFFF_FFFF);
        cpu.State->Eax = 1;
        cpu.Load(0x0F, 0xA2);
        _ = cpu.Run();
        Assert.Equal($"{signature:X} {ecx:X} {edx:X}", $"{cpu.State->Eax:X} {cpu.State->Ecx:X} {cpu.State->Edx & ~PhysicalAddressExtension:X}");
        if (model.HasExtendedLeaves)
        {
            var brand = new StringBuilder();
            for (uint leaf = 0x8000_0002; leaf <= 0x8000_0004; leaf++)
            {
                (uint a, uint b, uint c, uint d) = model.Query(leaf);
                _ = brand.Append(Encoding.ASCII.GetString([.. new[] { a, b, c, d }.SelectMany(BitConverter.GetBytes)]));
            }

            Assert.Equal($"ToyVmm {name} CPU", brand.ToString().TrimEnd('\0'));
        }
        else
        {
            Assert.Equal((0u, 0u, 0u, 0u), model.Query(0x8000_0000));
        }
    }

    [Fact]
    public void An_image_of_a_Pentium_II_ends_behind_the_x87_registers()
    {
        using TestCpu cpu = new(model: CpuModels.P6);
        cpu.Bytes.Slice(0x1000, 512).Fill(0xAA);
        cpu.Load(0x0F, 0xAE, 0x05, 0x00, 0x10, 0x00, 0x00, 0x0F, 0xAE, 0x0D, 0x00, 0x10, 0x00, 0x00);
        _ = cpu.Run(2);
        Assert.Equal(TestCpu.None, cpu.FaultVector);
        Assert.Equal(160, cpu.Bytes.Slice(0x1000, 512).LastIndexOfAnyExcept((byte)0xAA) + 1);
        Assert.Equal(0x1F80u, cpu.State->Mxcsr);
    }

    private static bool IsLegacy(Code code)
    {
        OpCodeInfo info = code.ToOpCode();
        return info.IsInstruction && info.Mode32 && code.Encoding() == EncodingKind.Legacy;
    }

    private static bool Expected(Code code, string name)
    {
        if (code.Mnemonic() is Mnemonic.Ud0 or Mnemonic.Ud1 or Mnemonic.Ud2)
        {
            return false;
        }

        // The hypercall, in every model.
        if (code == Code.Vmcall)
        {
            return true;
        }

        int place = Array.IndexOf(s_names, name);
        return code.CpuidFeatures().All(feature => s_first.TryGetValue(feature, out string? first) && Array.IndexOf(s_names, first) <= place)
            && (!s_exceptions.TryGetValue(code, out string? later) || Array.IndexOf(s_names, later) <= place);
    }

    private static bool Executes(TestCpu cpu, byte[] bytes)
    {
        cpu.Reset();
        cpu.State->Ecx = 1;
        cpu.State->Cr4 |= Cr4.OSFXSR;
        cpu.Load(bytes);
        _ = cpu.Run();
        return cpu.FaultVector != Vector.InvalidOpcode;
    }
}
