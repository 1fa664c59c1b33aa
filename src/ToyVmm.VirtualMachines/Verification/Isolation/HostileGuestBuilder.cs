using System.Buffers.Binary;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.VirtualMachines.Verification.Isolation;

/// <summary>Fills a <see cref="HostileGuest"/>: tables, code, registers, interrupts.</summary>
internal sealed unsafe partial class HostileGuestBuilder(HostileGuest guest, HostileKind kind, ulong seed, IsolationKind? attack)
{
    private const ulong FlatCode = 0x00CF_9B00_0000_FFFF;
    private const ulong FlatData = 0x00CF_9300_0000_FFFF;
    private const ulong UserBits = 0x0000_6000_0000_0000;
    private const uint Presence = 1;
    private const uint Writable = 2;
    private const uint User = 4;
    private const ushort Code0 = 0x08;
    private const ushort Data0 = 0x10;
    private const ushort Code3 = 0x1B;
    private const ushort Data3 = 0x23;
    private const ushort Task = 0x28;
    private const ushort LocalTable = 0x38;
    private const int Vectors = 64;

    private readonly EdgeRandom _random = new(seed ^ ((ulong)kind << 56));

    public void Build()
    {
        guest.Budget = (ulong)(_random.OneIn(8) ? 2000 : 50 + _random.Below(400));
        Registers();
        switch (kind)
        {
            case HostileKind.RealBytes:
                Fill(HostileLayout.Code, (int)(HostileLayout.CodeEnd - HostileLayout.Code));
                Fill(0, 0x400);
                RealMode();
                break;
            case HostileKind.Real:
                Code(HostileLayout.Code, code32: false);
                RealVectors();
                ProtectedTables(damaged: false);
                RealMode();
                break;
            case HostileKind.Flat:
                Code(HostileLayout.Code, code32: true);
                ProtectedTables(damaged: false);
                ProtectedMode(user: IsUser(), paging: _random.OneIn(2));
                break;
            case HostileKind.Based:
                Code(HostileLayout.Code, code32: true);
                ProtectedTables(damaged: false);
                bool user = IsUser();
                ProtectedMode(user, paging: _random.OneIn(2));
                BasedSegments(user);
                break;
            case HostileKind.Tables:
                Code(HostileLayout.Code, code32: !_random.OneIn(4));
                RealVectors();
                ProtectedTables(damaged: true);
                ProtectedMode(user: IsUser(), paging: !_random.OneIn(3));
                break;
            default:
                Code(HostileLayout.Code, code32: false);
                ProtectedTables(damaged: _random.OneIn(2));
                ProtectedMode(user: true, paging: _random.OneIn(2));
                Virtual8086();
                break;
        }

        Interrupts();
        guest.State.TscOffset = _random.OneIn(2) ? 0 : _random.Bits64();
    }

    // Ports and hypercalls are for ring 0, as a rule.
    private bool IsUser() => _random.OneIn(attack is null ? 2 : 5);

    private void Registers()
    {
        CpuState state = default;
        uint* register = &state.Eax;
        for (int i = 0; i < 8; i++)
        {
            register[i] = NoiseCode.Address(_random);
        }

        state.Esp = _random.OneIn(8) ? NoiseCode.Address(_random) : HostileLayout.Stack - (4 * (uint)_random.Below(64));
        state.Eip = HostileLayout.Code + (attack is null ? (uint)_random.Below(_random.OneIn(4) ? 0x1000 : 64) : 0);
        uint flags = _random.OneIn(3) ? NoiseCode.Flags(_random) & Eflags.Defined & ~Eflags.VM : _random.ArithmeticFlags();
        state.OtherFlags = (flags & ~Eflags.Arithmetic) | Eflags.Fixed;
        LazyFlags.Set(&state, flags);
        state.Cr0 = Cr0.ET;
        state.Dr6 = 0xFFFF_0FF0;
        state.Dr7 = 0x400;
        state.GdtBase = HostileLayout.Gdt;
        state.GdtLimit = 0x1FF;
        state.IdtLimit = 0x3FF;
        state.Ldtr.Access = 0x82;
        state.Tr.Access = 0x8B;
        state.Tr.Limit = 0xFFFF;
        guest.State = state;
    }

    private void RealMode()
    {
        fixed (CpuState* s = &guest.State)
        {
            for (SegmentCache* segment = &s->Es; segment <= &s->Gs; segment++)
            {
                segment->Access = 0x93;
                segment->Limit = 0xFFFF;
                segment->Refresh();
                segment->LoadReal(_random.OneIn(4) ? _random.UInt16() : (ushort)0);
            }

            s->Cs.LoadReal(0);
            s->Ss.LoadReal(0);
            s->Cs.Access = 0x9B;
            s->Cs.Refresh();
            s->Cs.Rights = SegmentRights.All;
        }
    }

    private void ProtectedMode(bool user, bool paging)
    {
        fixed (CpuState* s = &guest.State)
        {
            s->Cr0 |= Cr0.PE | (paging ? Cr0.PG : 0) | (_random.OneIn(2) ? Cr0.WP : 0) | (_random.OneIn(4) ? Cr0.AM : 0);
            s->Cr3 = HostileLayout.PageDirectory;
            s->Cr4 = _random.OneIn(2) ? Cr4.PSE : _random.Bits32() & Cr4.Writable;
            s->Efer = _random.OneIn(2) ? 0 : Efer.NXE;
            if (paging && (s->Cr4 & Cr4.PAE) != 0)
            {
                PaeTables(s);
            }

            s->IdtBase = HostileLayout.Idt;
            s->IdtLimit = (Vectors * 8) - 1;
            s->Cpl = user ? 3u : 0;
            bool code32 = kind != HostileKind.Tables || !_random.OneIn(4);
            ulong size = code32 ? 0 : 0x0040_0000_0000_0000u;
            for (SegmentCache* segment = &s->Es; segment <= &s->Gs; segment++)
            {
                Load(segment, user ? Data3 : Data0, (user ? FlatData | UserBits : FlatData) ^ size);
            }

            Load(&s->Cs, user ? Code3 : Code0, (user ? FlatCode | UserBits : FlatCode) ^ size);
            s->Tr.LoadDescriptor(Task, (HostileLayout.Tasks << 16) | 0x67, 0x8B00);
            if (_random.OneIn(2))
            {
                s->Ldtr.LoadDescriptor(LocalTable, (HostileLayout.Ldt << 16) | 0x7F, 0x8200);
            }

            (s->SysenterCs, s->SysenterEsp, s->SysenterEip) = (Code0, HostileLayout.Stack, HostileLayout.Code);
        }
    }

    // The exception handlers keep their flat code; what they interrupt, and what it loads, has bases.
    private void BasedSegments(bool user)
    {
        const int CodeIndex = 13;
        const int FirstData = 16;
        const int LastData = 19;
        ulong rights = user ? UserBits : 0;
        ushort rpl = user ? (ushort)3 : (ushort)0;
        Long(HostileLayout.Gdt + (CodeIndex * 8), FlatCode | rights | At(SegmentBase()));
        for (uint index = FirstData; index < 64; index++)
        {
            if (index <= LastData || _random.OneIn(2))
            {
                Long(HostileLayout.Gdt + (index * 8), FlatData | (_random.OneIn(8) ? UserBits : rights) | At(SegmentBase()));
            }
        }

        fixed (CpuState* s = &guest.State)
        {
            for (SegmentCache* segment = &s->Es; segment <= &s->Gs; segment++)
            {
                if (!_random.OneIn(4))
                {
                    ushort selector = (ushort)(((FirstData + _random.Below(1 + LastData - FirstData)) << 3) | rpl);
                    Load(segment, selector, FlatData | rights | At(SegmentBase()));
                }
            }

            bool flat = _random.OneIn(4);
            Load(&s->Cs, flat ? user ? Code3 : Code0 : (ushort)((CodeIndex << 3) | rpl), flat ? FlatCode | rights : BinaryPrimitives.ReadUInt64LittleEndian(guest.Memory.AsSpan((int)HostileLayout.Gdt + (CodeIndex * 8))));
            s->Eip -= s->Cs.Base;
            s->Esp -= s->Ss.Base;
        }
    }

    private uint SegmentBase() => _random.Below(8) switch
    {
        0 => 0,
        1 or 2 => (uint)_random.Below(16) << 12,
        3 => (uint)_random.Below(0x4000),
        4 => 0u - (uint)_random.Below(0x4000),
        5 => 0u - ((uint)_random.Below(16) << 12),
        6 => NoiseCode.Address(_random),
        _ => _random.UInt32(),
    };

    // The base in its places (SDM 3A 3.4.5).
    private static ulong At(uint address) => ((ulong)(address & 0xFF_FFFF) << 16) | ((ulong)(address >> 24) << 56);

    private void Virtual8086()
    {
        fixed (CpuState* s = &guest.State)
        {
            s->OtherFlags = (s->OtherFlags & ~Eflags.IoplMask) | Eflags.VM | (_random.OneIn(2) ? Eflags.IoplMask : 0);
            for (SegmentCache* segment = &s->Es; segment <= &s->Gs; segment++)
            {
                segment->LoadVirtual8086(_random.OneIn(4) ? _random.UInt16() : (ushort)0);
            }

            s->Cs.LoadVirtual8086(0);
        }
    }

    private static void Load(SegmentCache* segment, ushort selector, ulong descriptor) =>
        segment->LoadDescriptor(selector, (uint)descriptor, (uint)(descriptor >> 32));

    private void Code(uint address, bool code32)
    {
        int length = (int)(HostileLayout.CodeEnd - address);
        if (attack is { } kindOfAttack)
        {
            new AttackCode(_random, kindOfAttack, code32).Generate(length).CopyTo(guest.Memory, (int)address);
            return;
        }

        byte[] code = new NoiseCode(_random, code32).Generate(length / 4);
        for (int at = 0; at < length; at += code.Length)
        {
            code.CopyTo(guest.Memory, (int)address + at);
        }
    }

    // PUSH BP; MOV BP, SP; INC word [BP+2]; POP BP; IRET: goes on one byte behind what raised the exception.
    private void RealVectors()
    {
        Put(HostileLayout.Handlers, [0x55, 0x89, 0xE5, 0xFF, 0x46, 0x02, 0x5D, 0xCF]);
        for (uint vector = 0; vector < 256; vector++)
        {
            Word(vector * 4, _random.OneIn(32) ? _random.UInt32() : HostileLayout.Handlers);
        }
    }

    private void Interrupts()
    {
        ulong at = 0;
        for (int i = _random.Below(6); i > 0; i--)
        {
            at += 1 + (ulong)_random.Below(100);
            guest.Interrupts.Add((at, _random.OneIn(4) ? -1 : _random.Below(_random.OneIn(4) ? 256 : 48)));
        }
    }

    private void Fill(uint address, int length)
    {
        for (int i = 0; i < length; i++)
        {
            guest.Memory[(int)address + i] = (byte)_random.Bits32();
        }
    }

    private void Put(uint address, ReadOnlySpan<byte> bytes) => bytes.CopyTo(guest.Memory.AsSpan((int)address));

    private void Word(uint address, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(guest.Memory.AsSpan((int)address), value);

    private void Long(uint address, ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(guest.Memory.AsSpan((int)address), value);
}
