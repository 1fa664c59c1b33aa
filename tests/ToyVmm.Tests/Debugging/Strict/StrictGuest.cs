using Iced.Intel;
using ToyVmm.Debugging.Strict;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Loading;
using static Iced.Intel.AssemblerRegisters;

namespace ToyVmm.Tests.Debugging.Strict;

/// <summary>A small guest that has one mistake at the label <see cref="Bug"/>, or - mended - none; flat protected mode, ring 0, at 10000h.</summary>
internal sealed class StrictGuest
{
    public const uint Origin = 0x1_0000;

    private Label _bug;
    private bool _marked;

    public StrictGuest(bool mended, int bits = 32)
    {
        IsMended = mended;
        Bits = bits;
        A = new Assembler(bits);
        _bug = A.CreateLabel();
    }

    public Assembler A { get; }

    public bool IsMended { get; }

    public int Bits { get; }

    /// <summary>The next instruction is the one that is reported.</summary>
    public void Bug()
    {
        A.Label(ref _bug);
        _marked = true;
    }

    /// <summary>Runs the guest to its HLT.</summary>
    /// <returns>The findings, and the address of the mistake.</returns>
    public (IReadOnlyList<StrictFinding> Findings, uint Bug, StopReason Stop) Run(StrictChecks checks = StrictChecks.All)
    {
        A.cli();
        A.hlt();
        using MemoryStream code = new();
        AssemblerResult result = A.Assemble(new StreamCodeWriter(code), Origin, BlockEncoderOptions.ReturnNewInstructionOffsets);
        StrictChecker strict = new(checks);
        using VirtualMachine vm = VirtualMachine.Create(code.ToArray(), new VirtualMachineOptions
        {
            Engine = EngineKind.Interpreter,
            Observer = strict,
            Load = new LoadOptions { Format = ImageFormat.Raw, RealModeEntry = Bits == 16, LoadAddress = Origin },
        });
        strict.Attach(vm);
        StopReason stop = vm.Run(new RunLimits { MaxInstructions = 100_000 });
        return (strict.Findings, _marked ? (uint)result.GetLabelRIP(_bug) : 0, stop);
    }

    /// <summary>Identity-maps the first 4 MiB and two pages at 4 MiB, through tables at 100000h, and switches paging on.</summary>
    public void Paging()
    {
        A.mov(__dword_ptr[0x10_0000], 0x10_1003);
        A.mov(__dword_ptr[0x10_0004], 0x10_2003);
        A.mov(edi, 0x10_1000);
        A.mov(eax, 3);
        A.mov(ecx, 1024);
        Label next = A.CreateLabel();
        A.Label(ref next);
        A.mov(__[edi], eax);
        A.add(edi, 4);
        A.add(eax, 0x1000);
        A.dec(ecx);
        A.jne(next);
        A.mov(__dword_ptr[0x10_2000], 0x20_0003);
        A.mov(__dword_ptr[0x10_2004], 0x20_1003);
        A.mov(__dword_ptr[0x20_0000], 1);
        A.mov(__dword_ptr[0x20_1000], 2);
        A.mov(eax, 0x10_0000);
        A.mov(cr3, eax);
        A.mov(eax, cr0);
        A.or(eax, 0x8001_0000);
        A.mov(cr0, eax);
    }

    /// <summary>Fills an IDT at 30000h with one handler, whose code <paramref name="handler"/> writes.</summary>
    public void Handler(byte vector, Action handler)
    {
        Label begin = A.CreateLabel();
        A.call(begin);
        handler();
        A.Label(ref begin);
        A.pop(ebx);
        A.mov(__word_ptr[0x3_0000 + (vector * 8)], bx);
        A.mov(__word_ptr[0x3_0002 + (vector * 8)], 0x10);
        A.mov(__word_ptr[0x3_0004 + (vector * 8)], 0x8E00);
        A.shr(ebx, 16);
        A.mov(__word_ptr[0x3_0006 + (vector * 8)], bx);
        A.mov(__word_ptr[0x2_FFF0], 0x7FF);
        A.mov(__dword_ptr[0x2_FFF2], 0x3_0000);
        A.lidt(__[0x2_FFF0]);
    }

    public void Out(ushort port, byte value)
    {
        A.mov(al, value);
        A.mov(dx, port);
        A.@out(dx, al);
    }

    /// <summary>Programs the master 8259 with a base, opens IRQ 0, and has counter 0 of the timer tick.</summary>
    public void Timer(byte vectors)
    {
        foreach ((ushort port, byte value) in new (ushort, byte)[] { (0x20, 0x11), (0x21, vectors), (0x21, 4), (0x21, 1), (0x21, 0xFE), (0x43, 0x34), (0x40, 0xFF), (0x40, 0) })
        {
            Out(port, value);
        }
    }
}
