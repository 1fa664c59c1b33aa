namespace ToyVmm.Tests.Devices;

/// <summary>The path between the CPU and the planes as IBM's reference tells it, bit by bit and plane by plane.</summary>
internal sealed class VgaMemoryModel
{
    public byte[][] Planes { get; } = [new byte[0x1_0000], new byte[0x1_0000], new byte[0x1_0000], new byte[0x1_0000]];

    public byte[] Latches { get; } = new byte[4];

    public byte[] Sequencer { get; } = new byte[5];

    public byte[] Graphics { get; } = new byte[9];

    public byte Miscellaneous { get; set; }

    public byte Read(uint offset)
    {
        if (!Decode(offset, out int address, out int host))
        {
            return 0xFF;
        }

        for (int plane = 0; plane < 4; plane++)
        {
            Latches[plane] = Planes[plane][address];
        }

        bool chain4 = (Sequencer[4] & 8) != 0;
        if ((Graphics[5] & 8) != 0 && !chain4)
        {
            int equal = 0;
            for (int bit = 0; bit < 8; bit++)
            {
                bool same = true;
                for (int plane = 0; plane < 4; plane++)
                {
                    bool counts = (Graphics[7] & (1 << plane)) != 0;
                    same &= !counts || ((Latches[plane] >> bit) & 1) == ((Graphics[2] >> plane) & 1);
                }

                equal |= same ? 1 << bit : 0;
            }

            return (byte)equal;
        }

        int selected = chain4 ? host % 4
            : (Graphics[5] & 0x10) != 0 ? (Graphics[4] & 2) + (host % 2)
            : Graphics[4] & 3;
        return Latches[selected];
    }

    public void Write(uint offset, byte value)
    {
        if (!Decode(offset, out int address, out int host))
        {
            return;
        }

        for (int plane = 0; plane < 4; plane++)
        {
            bool selected = (Sequencer[4] & 8) != 0 ? plane == host % 4
                : (Sequencer[4] & 4) != 0 || plane % 2 == host % 2;
            if (selected && (Sequencer[2] & (1 << plane)) != 0)
            {
                Planes[plane][address] = Result(plane, value);
            }
        }
    }

    private byte Result(int plane, byte value)
    {
        int mode = Graphics[5] & 3;
        if (mode == 1)
        {
            return Latches[plane];
        }

        int result = 0;
        for (int bit = 0; bit < 8; bit++)
        {
            int rotated = (value >> ((bit + (Graphics[3] & 7)) % 8)) & 1;
            int setReset = (Graphics[0] >> plane) & 1;
            int data = mode switch
            {
                0 => (Graphics[1] & (1 << plane)) != 0 ? setReset : rotated,
                2 => (value >> plane) & 1,
                _ => setReset,
            };
            int latch = (Latches[plane] >> bit) & 1;
            data = ((Graphics[3] >> 3) & 3) switch { 0 => data, 1 => data & latch, 2 => data | latch, _ => data ^ latch };
            bool changes = ((Graphics[8] >> bit) & 1) != 0 && (mode != 3 || rotated != 0);
            result |= (changes ? data : latch) << bit;
        }

        return (byte)result;
    }

    private bool Decode(uint offset, out int address, out int host)
    {
        int map = (Graphics[6] >> 2) & 3;
        (uint first, uint last) = map switch { 0 => (0u, 0x1_FFFFu), 1 => (0u, 0xFFFFu), 2 => (0x1_0000u, 0x1_7FFFu), _ => (0x1_8000u, 0x1_FFFFu) };
        host = (int)(offset - first);
        bool folded = (Graphics[6] & 2) != 0;
        address = (Sequencer[4] & 8) != 0 ? host / 4 * 4 % 0x1_0000
            : folded ? (host / 2 * 2 % 0x1_0000) + (map == 0 ? host / 0x1_0000 : 0)
            : host % 0x1_0000;
        return (Miscellaneous & 2) != 0 && offset >= first && offset <= last;
    }
}
