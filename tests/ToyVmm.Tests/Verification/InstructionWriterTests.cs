using Iced.Intel;
using ToyVmm.Engines.Decoding;
using ToyVmm.Engines.Generation;
using Xunit;

namespace ToyVmm.Tests.Verification;

/// <summary>Every form of the classification can be written, and decodes to what was asked for.</summary>
public sealed class InstructionWriterTests
{
    // NOPs by another name, and what 16- and 32-bit code have in one encoding: the decoder gives the other form.
    private static readonly string[] s_sameBytes = ["Xchg_r16_AX", "Xchg_r32_EAX", "Nopw", "Nopd"];

    public static TheoryData<bool> Widths => [true, false];

    [Fact]
    public void Every_form_of_the_classification_is_written_in_one_width_or_the_other()
    {
        EdgeRandom random = new(1);
        Operands operands = new(random);
        InstructionWriter[] writers = [new(code32: true), new(code32: false)];
        List<string> missing = [];
        foreach (InstructionForm form in InstructionForm.All)
        {
            bool written = false;
            for (int n = 0; n < 40 && !written; n++)
            {
                written = !writers[n & 1].Write(form, 0x1000, operands).IsEmpty;
            }

            if (!written)
            {
                missing.Add(form.Name);
            }
        }

        Assert.Empty(missing);
    }

    [Theory]
    [MemberData(nameof(Widths))]
    public void What_is_written_decodes_to_the_form(bool code32)
    {
        EdgeRandom random = new(2);
        Operands operands = new(random);
        InstructionWriter writer = new(code32);
        int written = 0;
        foreach (InstructionForm form in InstructionForm.All)
        {
            for (int n = 0; n < 20; n++)
            {
                byte[] bytes = writer.Write(form, 0x1000, operands).ToArray();
                if (bytes.Length == 0)
                {
                    continue;
                }

                written++;
                Decoder decoder = Decoder.Create(code32 ? 32 : 16, bytes, 0x1000, InstructionDecoder.P6Options);
                Instruction x = decoder.Decode();
                bool same = x.Code.ToString() == form.Name || s_sameBytes.Contains(form.Name);
                Assert.True(same && x.Length == bytes.Length, $"{form.Name}: {Convert.ToHexString(bytes)} is {x.Code} ({x})");
            }
        }

        Assert.True(written > 15_000, $"{written} instructions");
    }

    [Fact]
    public void A_simpler_instruction_has_the_same_mnemonic_and_decodes()
    {
        EdgeRandom random = new(3);
        Operands operands = new(random);
        InstructionWriter writer = new(code32: true);
        int simpler = 0;
        foreach (InstructionForm form in InstructionForm.All)
        {
            byte[] bytes = writer.Write(form, 0x1000, operands).ToArray();
            foreach (System.Collections.Immutable.ImmutableArray<byte> other in InstructionSimplifier.Simpler([.. bytes], code32: true))
            {
                simpler++;
                Assert.NotEqual(bytes, other);
                Instruction before = Decoder.Create(32, bytes, InstructionDecoder.P6Options).Decode();
                Instruction after = Decoder.Create(32, [.. other], InstructionDecoder.P6Options).Decode();
                Assert.Equal(before.Mnemonic, after.Mnemonic);
                Assert.Equal(other.Length, after.Length);
            }
        }

        Assert.True(simpler > 300, $"{simpler} simpler instructions");
    }

    private sealed class Operands(EdgeRandom random) : IOperandSource
    {
        // CS cannot be loaded, and not every control register exists.
        public int Register(OperandRegister file) => file switch
        {
            OperandRegister.Segment => random.Pick([0, 2, 3, 4, 5]),
            OperandRegister.Control => 0,
            _ => random.Below(8),
        };

        public bool WantsMemory() => random.OneIn(2);

        public MemoryPlace Memory(int bytes) => random.OneIn(2)
            ? new MemoryPlace(-1, -1, 1, random.UInt32() & 0x7FFF, -1, random.OneIn(2))
            : new MemoryPlace(3, 6, 1, (uint)random.Below(100), -1, Wide: true);

        public uint Immediate(int bits, string mnemonic) => random.UInt32();

        public uint Target() => 0x1010;

        public (ushort Selector, uint Offset) FarTarget() => (8, 0x1010);

        public bool WantsPrefix() => random.OneIn(2);
    }
}
