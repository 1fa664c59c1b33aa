using L = ToyVmm.GuestTests.RandomPrograms.ProgramLayout;

namespace ToyVmm.GuestTests.RandomPrograms;

/// <summary>Pages of 64-bit entries: their rights, XD, reserved bits, and instructions fetched from them.</summary>
internal sealed partial class SnippetGenerator
{
    private void PaePage(Snippet s)
    {
        uint page = (uint)random.Next(L.WindowPages - 1);
        uint linear = L.Window + (page << 12);
        bool fetches = OneIn(3);
        uint offset = OneIn(2) ? 0xFFCu + (uint)random.Next(4) : (uint)random.Next(0xFF0);
        uint[] frames = [(uint)random.Next(L.WindowPages), (uint)random.Next(L.WindowPages)];
        if (fetches)
        {
            // INT LandedVector, whole or with its second byte on the next page, by way of the frames' own addresses.
            Frame(s, frames[0], offset, 0xCD);
            Frame(s, offset == 0xFFF ? frames[1] : frames[0], (offset + 1) & 0xFFF, L.LandedVector);
        }

        for (uint i = 0; i < 2; i++)
        {
            if (fetches || OneIn(2))
            {
                uint low = (L.WindowPhysical + (frames[i] << 12)) | ((uint)random.Next(0x80) & 0x67) | (fetches && !OneIn(4) ? 1u : 0);
                uint high = (OneIn(3) ? 1u << 31 : 0) | (OneIn(12) ? 1u << random.Next(4, 31) : 0);
                uint entry = L.WindowTable + ((page + i) * 8);
                _ = s.Store(entry, low).Store(entry + 4, high).Code(0x0F, 0x01, 0x3D).Word(linear + (i << 12));
            }
        }

        if (OneIn(6))
        {
            // NXE off: every XD is a reserved bit. QEMU does not flush for it, so CR3 is loaded behind it.
            _ = s.Load(1, L.EferRegister).Load(0, 0).Load(2, 0).Code(0x0F, 0x30).Load(0, L.PageDirectory).Code(0x0F, 0x22, 0xD8);
        }

        if (OneIn(6))
        {
            uint high = (OneIn(2) ? 1u << 31 : 0) | (OneIn(6) ? 1u << random.Next(4, 31) : 0);
            _ = s.Store(L.PaeWindowEntry, L.WindowTable | (uint)random.Next(8) | 1).Store(L.PaeWindowEntry + 4, high).Load(0, L.PageDirectory).Code(0x0F, 0x22, 0xD8);
        }

        if (OneIn(6))
        {
            _ = s.Load(0, L.Cr0 ^ 0x1_0000).Code(0x0F, 0x22, 0xC0);
        }

        MaybeUser(s);
        if (fetches)
        {
            _ = s.Load(6, linear + offset).Code(0xFF, 0xE6);
            return;
        }

        PageAccess(s, linear + offset + (uint)random.Next(4));
        _ = s.Code(0x2E, 0x8B, 0x0D).Word(L.WindowTable + (page * 8)).Code(0x2E, 0x8B, 0x15).Word(L.WindowTable + ((page + 1) * 8));
    }

    // MOV byte [the frame, where it is mapped one to one], value.
    private static void Frame(Snippet s, uint frame, uint offset, byte value) =>
        s.Code(0xC6, 0x05).Word(L.WindowPhysical + (frame << 12) + offset).Code(value);
}
