using ToyVmm.Engines.Generation;

namespace ToyVmm.VirtualMachines.Verification.Programs;

/// <summary>Operands for random programs: registers but ESP, places where something lies, values at the edges. Registers that address memory are loaded before.</summary>
internal sealed class ProgramOperands(EdgeRandom random, StepWriter writer, ProgramAddresses addresses) : IOperandSource
{
    private const int StackPointer = 4;

    /// <summary>True where memory operands must not name a register that a form uses without naming it.</summary>
    public bool AbsoluteOnly { get; set; }

    /// <inheritdoc/>
    public int Register(OperandRegister file)
    {
        switch (file)
        {
            case OperandRegister.Segment:
                return random.Below(6);
            case OperandRegister.Control:
                return random.Pick([0, 2, 3, 4]);
            case OperandRegister.Debug:
                return random.Below(8);
            case OperandRegister.Byte or OperandRegister.Mmx or OperandRegister.Xmm or OperandRegister.X87:
                return random.Below(8);
            default:
                int register = random.Below(8);
                return register == StackPointer ? 0 : register;
        }
    }

    /// <inheritdoc/>
    public bool WantsMemory() => random.OneIn(2);

    /// <inheritdoc/>
    public bool WantsPrefix() => random.OneIn(3);

    /// <inheritdoc/>
    public MemoryPlace Memory(int bytes)
    {
        uint address = addresses.Pick(random, Math.Max(bytes, 1));
        int segment = random.OneIn(10) ? addresses.Override(random) : -1;
        int style = AbsoluteOnly ? 0 : random.Below(4);
        if (style == 0)
        {
            return new MemoryPlace(-1, -1, 1, address, segment, writer.Code32);
        }

        uint displacement = random.OneIn(2) ? 0 : (uint)(random.Below(256) - 128);
        if (!writer.Code32)
        {
            // BX, SI or DI; BP's segment is SS, which holds the same.
            int narrow = random.Pick([3, 5, 6, 7]);
            _ = writer.Load(narrow, (address - displacement) & 0xFFFF);
            return new MemoryPlace(narrow, -1, 1, displacement, segment, Wide: false);
        }

        int register = Register(OperandRegister.Doubleword);
        if (style != 3)
        {
            _ = writer.Load(register, address - displacement);
            return new MemoryPlace(register, -1, 1, displacement, segment, Wide: true);
        }

        int index = Register(OperandRegister.Doubleword);
        int scale = 1 << random.Below(4);
        uint step = random.OneIn(4) ? random.UInt32() : (uint)random.Below(64);
        _ = writer.Load(index, step);
        uint rest = address - displacement - (step * (uint)scale);
        if (register == index)
        {
            return new MemoryPlace(-1, index, scale, address - (step * (uint)scale), segment, Wide: true);
        }

        _ = writer.Load(register, rest);
        return new MemoryPlace(register, index, scale, displacement, segment, Wide: true);
    }

    /// <inheritdoc/>
    public uint Immediate(int bits, string mnemonic) => mnemonic switch
    {
        "ENTER" => bits == 8 ? (uint)random.Below(4) : (uint)random.Below(16) * 4,
        _ => random.UInt32(),
    };

    /// <inheritdoc/>
    public uint Target() => 0x1000;

    /// <inheritdoc/>
    public (ushort Selector, uint Offset) FarTarget() => (0, 0);
}
