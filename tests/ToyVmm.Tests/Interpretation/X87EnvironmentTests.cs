using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Memory;
using ToyVmm.Tests.Properties;
using Xunit;

namespace ToyVmm.Tests.Interpretation;

/// <summary>The memory images of FNSTENV and FNSAVE in the layouts that user mode of the host does not have, and operands that reach into nothing.</summary>
public sealed unsafe class X87EnvironmentTests : IDisposable
{
    private const uint PageTable = 0x10_1000;

    private readonly X87Machine _machine = new();

    public void Dispose() => _machine.Dispose();

    [Fact]
    public void Protected_mode_stores_selectors_and_offsets()
    {
        DivideProtected();
        Assert.Equal(-1, _machine.RunOne([0xD9, 0x35, 0x00, 0x40, 0x00, 0x00])); // fnstenv [0x4000]
        byte[] image = _machine.Read(0x4000, 28);
        Assert.Equal(0xFFFF_0370u | 0xB, BitConverter.ToUInt32(image, 0));
        Assert.Equal(0xFFFFu, BitConverter.ToUInt32(image, 4) >> 16);
        Assert.Equal(0xFFFF_3FFFu, BitConverter.ToUInt32(image, 8));
        Assert.Equal(X87Machine.Origin, BitConverter.ToUInt32(image, 12));
        Assert.Equal(0x0035_0008u, BitConverter.ToUInt32(image, 16)); // D8 /6 [disp32]: FOP 035
        Assert.Equal(0x3000u, BitConverter.ToUInt32(image, 20));
        Assert.Equal(0xFFFF_0010u, BitConverter.ToUInt32(image, 24));

        // FNSTENV masks everything, so nothing is pending any more.
        Assert.Equal(0x37F, _machine.State->FpuControl);
        Assert.Equal(0, _machine.State->FpuStatus & 0x8080);
    }

    [Fact]
    public void Protected_mode_stores_seven_words_in_16_bits()
    {
        DivideProtected();
        Assert.Equal(-1, _machine.RunOne([0x66, 0xD9, 0x35, 0x00, 0x40, 0x00, 0x00]));
        byte[] image = _machine.Read(0x4000, 16);
        Assert.Equal(X87Machine.Origin, BitConverter.ToUInt16(image, 6));
        Assert.Equal(0x08, BitConverter.ToUInt16(image, 8));
        Assert.Equal(0x3000, BitConverter.ToUInt16(image, 10));
        Assert.Equal(0x10, BitConverter.ToUInt16(image, 12));
        Assert.Equal(0, BitConverter.ToUInt16(image, 14));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Real_mode_stores_linear_addresses_and_the_opcode(bool wide)
    {
        _machine.EnterReal();
        Assert.Equal(-1, _machine.RunOne([0xDB, 0xE3]));
        Assert.Equal(-1, _machine.RunOne([0xD9, 0xE8]));
        _machine.State->FpuControl = 0x37B;
        _machine.Write(0x3010, new byte[4]);
        Assert.Equal(-1, _machine.RunOne([0xD8, 0x36, 0x10, 0x00]));             // fdiv dword [0x10]: FOP 036

        // What a linear address beyond 64 KiB looks like.
        _machine.State->FpuDataSelector = 0xABCD;
        byte[] store = wide ? [0x66, 0xD9, 0x36, 0x00, 0x10] : [0xD9, 0x36, 0x00, 0x10];
        Assert.Equal(-1, _machine.RunOne(store));
        byte[] image = _machine.Read(0x4000, 28);
        if (wide)
        {
            Assert.Equal(0xFFFF_1000u, BitConverter.ToUInt32(image, 12));
            Assert.Equal(0x0000_0036u, BitConverter.ToUInt32(image, 16));
            Assert.Equal(0xFFFF_BCE0u, BitConverter.ToUInt32(image, 20));
            Assert.Equal(0x0000_A000u, BitConverter.ToUInt32(image, 24));
        }
        else
        {
            Assert.Equal(0x1000, BitConverter.ToUInt16(image, 6));
            Assert.Equal(0x0036, BitConverter.ToUInt16(image, 8));
            Assert.Equal(0xBCE0, BitConverter.ToUInt16(image, 10));
            Assert.Equal(0xA000, BitConverter.ToUInt16(image, 12));
        }

        // FLDENV takes back what FNSTENV stored, so that a second image is the same.
        byte[] load = wide ? [0x66, 0xD9, 0x26, 0x00, 0x10] : [0xD9, 0x26, 0x00, 0x10];
        Assert.Equal(-1, _machine.RunOne(load));
        Assert.Equal(-1, _machine.RunOne(store));
        Assert.Equal(image, _machine.Read(0x4000, 28));
    }

    [Theory]
    [InlineData(new byte[] { 0xDB, 0x3D, 0xFA, 0x4F, 0, 0 }, 10)]          // fstp tword [0x4FFA]
    [InlineData(new byte[] { 0xDF, 0x35, 0xFA, 0x4F, 0, 0 }, 10)]          // fbstp [0x4FFA]
    [InlineData(new byte[] { 0xDD, 0x35, 0xFA, 0x4F, 0, 0 }, 108)]         // fnsave [0x4FFA]
    [InlineData(new byte[] { 0x66, 0xDD, 0x35, 0xFA, 0x4F, 0, 0 }, 94)]
    [InlineData(new byte[] { 0xD9, 0x35, 0xFA, 0x4F, 0, 0 }, 28)]          // fnstenv [0x4FFA]
    [InlineData(new byte[] { 0xDD, 0x1D, 0xFA, 0x4F, 0, 0 }, 8)]           // fstp qword [0x4FFA]
    public void A_store_that_reaches_a_missing_page_stores_nothing_and_pops_nothing(byte[] code, int size)
    {
        Assert.Equal(-1, _machine.RunOne([0xDB, 0xE3]));
        Assert.Equal(-1, _machine.RunOne([0xD9, 0xEB])); // fldpi
        MapWithout(0x5000);
        CpuState* s = _machine.State;
        byte[] before = [.. Enumerable.Repeat((byte)0xAA, size)];
        _machine.Write(0x4FFA, before);
        Assert.Equal(Vector.PageFault, _machine.RunOne(code));
        Assert.Equal(0x5000u, s->Cr2);
        Assert.Equal(before, _machine.Read(0x4FFA, size));
        Assert.Equal(0x3800, s->FpuStatus);
        Assert.Equal(0x80, s->FpuTags);
        Assert.Equal(0x37F, s->FpuControl);

        // With the page there the same instruction completes, across the edge.
        _machine.Write(PageTable + (5 * 4), BitConverter.GetBytes(0x5003));
        _machine.State->Cr2 = 0;
        Assert.Equal(-1, _machine.RunOne(code));
        Assert.NotEqual(before, _machine.Read(0x4FFA, size));
    }

    [Theory]
    [InlineData(new byte[] { 0xDB, 0x2D, 0xFA, 0x4F, 0, 0 })]              // fld tword
    [InlineData(new byte[] { 0xDF, 0x25, 0xFA, 0x4F, 0, 0 })]              // fbld
    [InlineData(new byte[] { 0xDD, 0x25, 0xFA, 0x4F, 0, 0 })]              // frstor
    [InlineData(new byte[] { 0xD9, 0x25, 0xFA, 0x4F, 0, 0 })]              // fldenv
    [InlineData(new byte[] { 0xDC, 0x05, 0xFA, 0x4F, 0, 0 })]              // fadd qword
    public void A_load_that_reaches_a_missing_page_loads_nothing(byte[] code)
    {
        Assert.Equal(-1, _machine.RunOne([0xDB, 0xE3]));
        Assert.Equal(-1, _machine.RunOne([0xD9, 0xEB]));
        MapWithout(0x5000);
        Assert.Equal(Vector.PageFault, _machine.RunOne(code));
        Assert.Equal(0x3800, _machine.State->FpuStatus);
        Assert.Equal(0x80, _machine.State->FpuTags);
        Assert.Equal(0xC90F_DAA2_2168_C235, _machine.State->FpuRegisters[14]);
    }

    [Fact]
    public void The_last_byte_of_an_operand_must_lie_within_the_limit()
    {
        Assert.Equal(-1, _machine.RunOne([0xDB, 0xE3]));
        _machine.State->Ds.LoadDescriptor(0x10, 0x0000_4003, 0x0040_9300);     // 16 KiB and four bytes
        Assert.Equal(Vector.GeneralProtection, _machine.RunOne([0xDB, 0x2D, 0xFB, 0x3F, 0, 0]));
        Assert.Equal(-1, _machine.RunOne([0xDB, 0x2D, 0xFA, 0x3F, 0, 0]));
    }

    /// <summary>Any bytes behind D8-DF, in any state: an exception of the guest at most, none of the host.</summary>
    [Fact]
    public void No_bytes_throw()
    {
        EdgeRandom random = new(87);
        for (int n = 0; n < 20_000; n++)
        {
            if (n % 2 == 0)
            {
                _machine.EnterProtected();
            }
            else
            {
                _machine.EnterReal();
            }

            CpuState* s = _machine.State;
            for (int word = 0; word < 16; word++)
            {
                ulong value = random.OneIn(2) ? random.Bits64() : random.UInt32() << random.Below(32);
                s->FpuRegisters[word] = word % 2 == 0 ? value : (ushort)value;
            }

            s->FpuControl = (ushort)((random.Bits32() & 0x1F3F) | 0x40);
            s->FpuStatus = (ushort)(random.Bits32() & 0x7F7F);
            s->FpuTags = (ushort)(random.Bits32() & 0xFF);
            (s->Eax, s->Ebx, s->Esi, s->Ebp) = (random.UInt32(), random.UInt32(), random.UInt32(), random.UInt32());
            s->Cr0 |= random.Bits32() & (Cr0.NE | Cr0.MP);
            byte[] code = [(byte)random.Bits32(), (byte)(0xD8 + random.Below(8)), (byte)random.Bits32(), .. BitConverter.GetBytes(random.UInt32()), .. BitConverter.GetBytes(random.Bits32())];
            if (random.OneIn(2))
            {
                code[0] = 0x66;
            }

            _ = _machine.RunToExit(code, 2);
        }
    }

    private void DivideProtected()
    {
        Assert.Equal(-1, _machine.RunOne([0xDB, 0xE3]));
        Assert.Equal(-1, _machine.RunOne([0xD9, 0xE8]));
        _machine.State->FpuControl = 0x37B;
        _machine.Write(0x3000, new byte[4]);
        Assert.Equal(-1, _machine.RunOne([0xD8, 0x35, 0x00, 0x30, 0x00, 0x00])); // fdiv dword [0x3000]
    }

    // Identity-maps the first 4 MiB but for one page.
    private void MapWithout(uint page)
    {
        _machine.Write(0x10_0000, BitConverter.GetBytes(PageTable | 3));
        for (uint n = 0; n < 1024; n++)
        {
            _machine.Write(PageTable + (n * 4), BitConverter.GetBytes(n == page >> 12 ? 0 : (n << 12) | 3));
        }

        _machine.State->Cr3 = 0x10_0000;
        _machine.State->Cr0 |= Cr0.PG;
        _machine.Notify();
    }
}
