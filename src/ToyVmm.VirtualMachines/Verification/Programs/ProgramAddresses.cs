namespace ToyVmm.VirtualMachines.Verification.Programs;

/// <summary>Addresses for the operands of a random program: data, page edges, pages that are read-only or absent, code, and nowhere.</summary>
internal sealed class ProgramAddresses(ProgramMode mode, StepTraits unwanted, bool dataOnly)
{
    private readonly bool _wide = mode.IsCode32();

    // For somebody else to judge: no supervisor's pages, no window, no place beyond a limit.
    private bool Portable => unwanted != StepTraits.None;

    private uint Origin => _wide ? ProgramLayout.Body : 0;

    /// <summary>An address of an offset in the body.</summary>
    public uint Of(uint offset) => Origin + offset;

    /// <summary>An address for an operand.</summary>
    /// <param name="random">Chooses.</param>
    /// <param name="bytes">The operand's size.</param>
    public uint Pick(EdgeRandom random, int bytes)
    {
        uint data = Of(ProgramLayout.Data);
        uint any = data + (uint)random.Below(0x2000 - bytes);
        switch (dataOnly ? random.OneIn(8) ? 0 : int.MaxValue : random.Below(24))
        {
            case 0 or 1:
                // Across, or just before, the border of the two writable pages.
                return data + 0x1000 - (uint)random.Below(bytes + 1);
            case 2:
                return Of(ProgramLayout.ReadOnly) - (uint)random.Below(bytes + 1);
            case 3:
                return Of(ProgramLayout.ReadOnly) + (uint)random.Below(0x1000 - bytes);
            case 4:
                return Of(ProgramLayout.Absent) - (uint)random.Below(bytes + 1);
            case 5:
                return Of(ProgramLayout.Absent) + (uint)random.Below(0x1000);
            case 6 when !Portable:
                // A store makes other code of it, which may do what no judge can follow.
                return Of(0) + (uint)random.Below((int)ProgramLayout.CodeSize);
            case 7:
                return Of(ProgramLayout.Stack) + (uint)random.Below(0x1F00);
            case 8 when _wide && !Portable && mode.IsPaged():
                return ProgramLayout.Window + (uint)random.Below(0x3000);
            case 9 when _wide && mode is ProgramMode.User or ProgramMode.UserPae && !Portable:
                // The supervisor's.
                return random.Pick([ProgramLayout.Image, ProgramLayout.PageTable, ProgramLayout.Parameters]) + (uint)random.Below(0x1000);
            case 9 when !_wide && !Portable:
                return 0x1_0000 - (uint)random.Below(bytes + 1);
            case 10 when _wide && !Portable:
                return random.Pick<uint>([0, 0xFFFF_FFFC, 0x8000_0000, 0x20_0000, 0x30_0000]) + (uint)random.Below(8);
            case 10 when _wide:
                return 0x20_0000 + (uint)random.Below(0x10_0000);
            default:
                return bytes >= 16 && !random.OneIn(8) ? any & ~15u : random.OneIn(2) ? any & ~3u : any;
        }
    }

    /// <summary>A segment register to override with: one whose segment covers the same addresses more often than not.</summary>
    public int Override(EdgeRandom random) => unwanted switch
    {
        StepTraits.NotOnHost => random.Pick([0, 1, 2, 3]),

        // QEMU writes through CS.
        StepTraits.NotOnQemu => random.Pick([0, 2, 3]),
        _ => random.Pick([0, 1, 2, 3, 4, 5]),
    };
}
