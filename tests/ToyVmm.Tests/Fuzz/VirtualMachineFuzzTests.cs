using ToyVmm.Hardware;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Memory;
using ToyVmm.Tests.Loading;
using ToyVmm.Tests.Properties;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Loading;
using ToyVmm.VirtualMachines.Symbols;
using Xunit;
using Xunit.Abstractions;

namespace ToyVmm.Tests.Fuzz;

/// <summary>Random images through the whole machine, devices included: only <see cref="InvalidImageException"/> may come out of it.</summary>
public sealed class VirtualMachineFuzzTests(ITestOutputHelper output)
{
    private const int SampleEvery = 20;

    [Theory]
    [InlineData("raw bytes", 2500)]
    [InlineData("raw noise", 2500)]
    [InlineData("ports", 2000)]
    [InlineData("boot sector", 500)]
    [InlineData("header", 2500)]
    public void Random_images_end_in_a_typed_stop(string kind, int standardCases)
    {
        ulong first = FuzzSettings.FirstSeed();
        int cases = FuzzSettings.Cases(standardCases);
        Dictionary<string, int> ends = [];
        for (int n = 0; n < cases; n++)
        {
            ulong seed = first + (ulong)n;
            string end;
            try
            {
                end = Try(kind, seed, sampled: n % SampleEvery == 0);
            }
            catch (Exception e)
            {
                throw new FuzzViolationException($"{kind}, TOYVMM_SEED=0x{seed:X} TOYVMM_FUZZ_CASES=0: {e.GetType().Name}: {e.Message}\n{e.StackTrace}");
            }

            ends[end] = ends.GetValueOrDefault(end) + 1;
        }

        output.WriteLine($"seed 0x{first:X}: {cases} images; {string.Join(", ", ends.OrderBy(e => e.Key).Select(e => $"{e.Key} {e.Value}"))}");
    }

    private static string Try(string kind, ulong seed, bool sampled)
    {
        EdgeRandom random = new(seed);
        LoadOptions load = new();
        byte[] image = Image(kind, random, ref load);
        ulong limit = (ulong)(random.OneIn(8) ? 20_000 : 2000);
        VirtualMachineOptions options = new() { Machine = new MachineConfig { MemorySize = 2u << 20 }, Load = load };
        try
        {
            (StopKind stop, ulong hash) = Run(image, options, limit);
            if (sampled && stop != StopKind.TimeLimit)
            {
                Assert.Equal((stop, hash), Run(image, options, limit));
            }

            // Port accesses in place, and by exits, which take longer: a REP INS can have four billion.
            if ((sampled || kind == "ports") && stop != StopKind.TimeLimit)
            {
                (StopKind Stop, ulong Hash) byExits = Run(image, options with { ExitObserver = (_, _) => { } }, limit);
                Assert.True(byExits == (stop, hash) || byExits.Stop == StopKind.TimeLimit, $"{stop} in place, {byExits.Stop} by exits");
            }

            if (sampled && stop != StopKind.TimeLimit)
            {
                (StopKind Stop, ulong Hash) advised = Run(image, options with { Advise = true }, limit);
                Assert.True(advised == (stop, hash) || advised.Stop == StopKind.TimeLimit, $"{stop} alone, {advised.Stop} with an advisor");
            }

            return stop.ToString();
        }
        catch (InvalidImageException e)
        {
            Assert.NotEmpty(e.Message);
            return "refused";
        }
    }

    private static unsafe (StopKind Stop, ulong Hash) Run(byte[] image, VirtualMachineOptions options, ulong limit)
    {
        using VirtualMachine vm = VirtualMachine.Create(image, options);
        StopReason reason = vm.Run(new RunLimits { MaxInstructions = limit, Timeout = TimeSpan.FromSeconds(2) });
        Assert.True(Enum.IsDefined(reason.Kind));
        Assert.NotEmpty(reason.Detail);
        Assert.InRange(vm.InstructionsRetired, 0ul, limit);
        Assert.True(reason.Kind != StopKind.InstructionLimit || vm.InstructionsRetired == limit);
        Assert.Equal(reason.Kind == StopKind.TripleFault, reason.Autopsy is not null);
        if (reason.Kind is not (StopKind.TripleFault or StopKind.Reset))
        {
            Assert.Null(EngineInvariants.Violation(vm.Vcpu));
        }

        Assert.Equal(options.Advise, vm.Advisor?.Report(SymbolTable.Empty) is not null);
        HashCode hash = default;
        ref CpuState cpu = ref vm.Cpu;
        hash.Add((cpu.Eax, cpu.Ecx, cpu.Edx, cpu.Ebx, cpu.Esp, cpu.Ebp, cpu.Esi, cpu.Edi));
        hash.Add((cpu.Eip, cpu.Cs.Selector, cpu.Ss.Selector, cpu.Cr0, cpu.Cr2, cpu.Cr3, vm.InstructionsRetired, vm.SerialOutput));
        hash.AddBytes(new ReadOnlySpan<byte>(vm.Machine.Memory.RamBase, (int)vm.Machine.Memory.RamSize));
        return (reason.Kind, (ulong)hash.ToHashCode());
    }

    private static byte[] Image(string kind, EdgeRandom random, ref LoadOptions load)
    {
        bool isProtected = random.OneIn(2);
        switch (kind)
        {
            case "raw bytes":
                load = load with { Format = ImageFormat.Raw, RealModeEntry = !isProtected };
                return Bytes(random, 1 + random.Below(600));
            case "raw noise":
                load = load with { Format = ImageFormat.Raw, RealModeEntry = !isProtected };
                return new NoiseCode(random, isProtected).Generate(200 + random.Below(2000));
            case "ports":
                load = load with { Format = ImageFormat.Raw, RealModeEntry = !isProtected };
                return new AttackCode(random, IsolationKind.Devices, isProtected).Generate(200 + random.Below(4000));
            case "boot sector":
                byte[] sector = new NoiseCode(random, false).Generate(512);
                (sector[510], sector[511]) = (0x55, 0xAA);
                return sector;
            default:
                return Header(random);
        }
    }

    private static byte[] Header(EdgeRandom random)
    {
        byte[] image = random.Below(4) switch
        {
            0 => TestImages.MultibootElf(7),
            1 => TestImages.MultibootFlat(loadEnd: 0x10_0050, bssEnd: 0x10_2000),
            2 => TestImages.BzImage(payload: 256),
            _ => TestImages.Elf(0xC010_0000, (TestImages.Code(64), 0xC010_0000, 0x10_0000, 0x1000)),
        };
        for (int hits = random.Below(4); hits > 0; hits--)
        {
            image[random.Below(Math.Min(image.Length, 0x280))] = random.Byte();
        }

        // Something to run behind the headers.
        byte[] noise = new NoiseCode(random, true).Generate(64);
        noise.AsSpan(0, Math.Min(noise.Length, image.Length / 4)).CopyTo(image.AsSpan(image.Length - (image.Length / 4)));
        return image;
    }

    private static byte[] Bytes(EdgeRandom random, int length)
    {
        byte[] bytes = new byte[length];
        for (int i = 0; i < length; i++)
        {
            bytes[i] = (byte)random.Bits32();
        }

        return bytes;
    }
}
