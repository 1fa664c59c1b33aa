using ToyVmm.Hardware.Cpu;
using Xunit;

namespace ToyVmm.Tests.Interpretation.Events;

/// <summary>
/// Which flags POPF and IRET change (pitfall 2): every CPL and IOPL, with random old and new images, against the manual's rules
/// written down a second time.
/// </summary>
public sealed unsafe class FlagTableTests : IDisposable
{
    private readonly CpuBench _bench = new();

    public void Dispose() => _bench.Dispose();

    public static TheoryData<uint, uint> Rings()
    {
        TheoryData<uint, uint> data = [];
        for (uint cpl = 0; cpl < 4; cpl++)
        {
            for (uint iopl = 0; iopl < 4; iopl++)
            {
                data.Add(cpl, iopl);
            }
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Rings))]
    public void Popf_keeps_what_it_may_not_change(uint cpl, uint iopl) => Compare(cpl, iopl, isReturn: false);

    [Theory]
    [MemberData(nameof(Rings))]
    public void Iret_keeps_what_it_may_not_change(uint cpl, uint iopl) => Compare(cpl, iopl, isReturn: true);

    private void Compare(uint cpl, uint iopl, bool isReturn)
    {
        Random random = new((int)((cpl * 4) + iopl));
        for (int round = 0; round < 100; round++)
        {
            bool wide = (round & 1) == 0;
            // TF off: its trap would come next; NT off: IRET would switch tasks. VM is set in the image only where it must be ignored.
            uint old = ((uint)random.Next() & Eflags.Defined & ~(Eflags.TF | Eflags.NT | Eflags.VM | Eflags.RF | Eflags.IoplMask)) | (iopl << 12) | 2;
            uint image = ((uint)random.Next() & 0x3F_FFFF & ~(isReturn && cpl == 0 ? Eflags.VM : 0)) | 2;
            _ = _bench.Protected(cpl);
            byte opcode = isReturn ? (byte)0xCF : (byte)0x9D;
            _ = _bench.Program(wide ? [opcode, 0x90, 0x90] : [0x66, opcode, 0x90]);
            Frame(wide, isReturn, cpl, image);
            _bench.Eflags = old;
            _bench.Cpu.NotifyStateChanged();
            Assert.Equal(-1, _bench.Step());

            uint changes = Eflags.Arithmetic | Eflags.TF | Eflags.DF | Eflags.NT;
            changes |= cpl <= iopl ? Eflags.IF : 0;
            changes |= cpl == 0 ? Eflags.IoplMask : 0;
            changes |= wide ? Eflags.AC | Eflags.ID : 0;
            uint clears = 0;
            if (isReturn)
            {
                changes |= wide ? Eflags.RF | (cpl == 0 ? Eflags.VIF | Eflags.VIP : 0) : 0;
            }
            else
            {
                clears = wide ? Eflags.VIF | Eflags.VIP : 0;
            }

            Assert.Equal((old & ~(changes | clears)) | (image & changes), _bench.Eflags);
        }
    }

    private void Frame(bool wide, bool isReturn, uint cpl, uint image)
    {
        // The 16-bit IRET cannot reach code above 64 KiB: it goes to a HLT-free place below.
        uint[] words = isReturn ? [wide ? CpuBench.Code + 1 : 0x7000u, CpuBench.CodeSelector(cpl), image] : [image];
        uint size = wide ? 4u : 2;
        for (uint n = 0; n < words.Length; n++)
        {
            if (wide)
            {
                _bench.Write32(_bench.State->Esp - 64 + (n * size), words[n]);
            }
            else
            {
                _bench.Write16(_bench.State->Esp - 64 + (n * size), (ushort)words[n]);
            }
        }

        _bench.State->Esp -= 64;
    }
}
