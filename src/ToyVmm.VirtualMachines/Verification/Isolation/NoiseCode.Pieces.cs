namespace ToyVmm.VirtualMachines.Verification.Isolation;

/// <summary>The pieces: each a few instructions that belong together.</summary>
public sealed partial class NoiseCode
{
    private void ChangeControlRegister()
    {
        if (random.OneIn(8))
        {
            // EFER: RDMSR, XOR EAX with NXE (rarely another bit), WRMSR.
            Load(1, 0xC000_0080);
            Byte(0x0F);
            Byte(0x32);
            Wide();
            Byte(0x35);
            Word(random.OneIn(6) ? 1u << random.Below(32) : 0x800);
            Byte(0x0F);
            Byte(0x30);
            return;
        }

        int register = random.Pick([0, 0, 0, 2, 3, 4]);
        Byte(0x0F);
        Byte(0x20);
        Byte((byte)(0xC0 | (register << 3)));
        if (register == 3)
        {
            Load(0, random.OneIn(3) ? random.UInt32() : HostileLayout.PageDirectory | ((uint)random.Below(4) << 3));
        }
        else
        {
            // XOR EAX, one bit; rarely several.
            Wide();
            Byte(0x35);
            Word(register == 4 ? 1u << random.Below(10) : random.OneIn(4) ? random.Bits32() & 0xE005_003F : random.Pick<uint>([1, 2, 4, 8, 0x20, 0x1_0000, 0x4_0000, 0x8000_0000, 0x8000_0001]));
        }

        Byte(0x0F);
        Byte(0x22);
        Byte((byte)(0xC0 | (register << 3)));
        if (random.OneIn(3))
        {
            Byte(0x0F);
            Byte(0x01);
            Byte(0x38); // INVLPG [EAX] or [BX+SI]
        }
    }

    private void ChangeDebugRegister()
    {
        int register = random.Pick([0, 1, 2, 3, 6, 7, 7, 7, 4, 5]);
        Load(0, register switch
        {
            7 => (random.Bits32() & 0xFFFF_03FF) | (random.OneIn(6) ? 0x2000u : 0),
            6 => random.UInt32(),
            _ => Address(random),
        });
        Byte(0x0F);
        Byte(random.OneIn(4) ? (byte)0x21 : (byte)0x23);
        Byte((byte)(0xC0 | (register << 3)));
    }

    private void ModelSpecificRegister()
    {
        Load(1, random.OneIn(4) ? random.UInt32() : random.Pick(Msrs));
        Load(0, random.OneIn(2) ? Selector(random) : Address(random));
        Load(2, random.OneIn(2) ? 0 : Address(random));
        Byte(0x0F);
        Byte(random.Pick<byte>([0x30, 0x30, 0x32, 0x34, 0x35, 0x31, 0x33]));
    }

    private void FarTransfer()
    {
        switch (random.Below(4))
        {
            case 0:
                OptionalPrefix();
                Byte(random.OneIn(2) ? (byte)0x9A : (byte)0xEA);
                Immediate(Address(random));
                Half(Selector(random));
                break;
            case 1:
                PushImmediate(Selector(random));
                PushImmediate(Address(random));
                OptionalPrefix();
                Byte(random.OneIn(2) ? (byte)0xCB : (byte)0xCA);
                Half((ushort)random.Below(32));
                break;
            case 2:
                // A pointer into memory, then CALL or JMP through it.
                StoreAt(HostileLayout.Data, Address(random));
                StoreAt(HostileLayout.Data + (code32 ? 4u : 2u), Selector(random));
                Byte(0xFF);
                Byte((byte)(((random.OneIn(2) ? 3 : 5) << 3) | (code32 ? 5 : 6)));
                Immediate(HostileLayout.Data);
                break;
            default:
                Byte(0xFF);
                Byte((byte)(random.Byte() | 0x18));
                Noise(4);
                break;
        }
    }

    private void InterruptReturn()
    {
        if (random.OneIn(3))
        {
            // As to virtual-8086 mode: GS FS DS ES SS ESP.
            Repeat(4, () => PushImmediate(random.UInt16()));
        }

        if (random.OneIn(2))
        {
            PushImmediate(Selector(random));
            PushImmediate(random.OneIn(2) ? HostileLayout.Stack : Address(random));
        }

        PushImmediate(Flags(random));
        PushImmediate(Selector(random));
        PushImmediate(HostileLayout.Code + (uint)random.Below(0x1000));
        OptionalPrefix();
        Byte(0xCF);
    }

    private void LoadSegment()
    {
        int register = random.Below(random.OneIn(8) ? 8 : 6);
        if (random.OneIn(3))
        {
            PushImmediate(Selector(random));
            switch (register)
            {
                case 0 or 2 or 3:
                    Byte((byte)(0x07 | (register << 3)));
                    break;
                default:
                    Byte(0x0F);
                    Byte((byte)(0x81 | (register << 3) | 0x20));
                    break;
            }

            return;
        }

        Load(0, Selector(random));
        Byte(0x8E);
        Byte((byte)(0xC0 | (register << 3)));
    }

    private void TableRegister()
    {
        if (random.OneIn(2))
        {
            Load(0, Selector(random));
            Byte(0x0F);
            Byte(0x00);
            Byte((byte)(0xC0 | (random.Below(6) << 3)));
            return;
        }

        StoreAt(HostileLayout.Data, (uint)random.Below(0x400) | (Address(random) << 16));
        StoreAt(HostileLayout.Data + 4, random.OneIn(4) ? random.Bits32() : 0);
        Byte(0x0F);
        Byte(0x01);
        Byte((byte)((random.Pick([2, 3, 0, 1]) << 3) | (code32 ? 5 : 6)));
        Immediate(HostileLayout.Data);
    }

    private void StringInstruction()
    {
        if (!random.OneIn(4))
        {
            Load(1, random.OneIn(3) ? random.UInt32() : (uint)random.Below(200));
            Load(6, Address(random));
            Load(7, Address(random));
            Byte(random.OneIn(3) ? (byte)0xFD : (byte)0xFC);
        }

        OptionalPrefix();
        if (!random.OneIn(4))
        {
            Byte(random.OneIn(2) ? (byte)0xF3 : (byte)0xF2);
        }

        Byte(random.Pick(StringOpcodes));
    }

    private void Selectors()
    {
        Load(0, Selector(random));
        if (random.OneIn(3))
        {
            Byte(0x63);
        }
        else if (random.OneIn(2))
        {
            Byte(0x0F);
            Byte(random.OneIn(2) ? (byte)0x02 : (byte)0x03);
        }
        else
        {
            Byte(0x0F);
            Byte(0x00);
            Byte((byte)(0xE0 | (random.Below(2) << 3)));
            return;
        }

        Byte((byte)(0xC0 | (random.Below(8) << 3)));
    }
}
