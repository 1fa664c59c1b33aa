using System.Numerics;
using System.Runtime.CompilerServices;
using ToyVmm.Engines;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Memory;
using ToyVmm.Hardware.Paging;

namespace ToyVmm.VirtualMachines.Comparing;

/// <summary>
/// Fingerprints of a stopped machine's state: equal states have equal hashes, whatever engine, slices or caches led there. 64 bits,
/// stable between runs, processes and hosts (as long as <see cref="CpuState"/> keeps its layout, which a golden test locks).
/// </summary>
/// <remarks>
/// Not cryptographic. Eight lanes take a 64-bit word each: XOR, multiplication by an odd constant (2^64 / the golden ratio, Knuth TAOCP 6.4),
/// rotation; eight, so that the multiplications overlap and memory, not arithmetic, is the limit.
/// </remarks>
public static unsafe class StateHash
{
    private const ulong Seed = 0x546F_7956_6D6D_5301;   // "ToyVmmS", version 1 of what is hashed
    private const ulong Multiplier = 0x9E37_79B9_7F4A_7C15;
    private const int Lanes = 8;
    private const int LaneBytes = Lanes * sizeof(ulong);

    /// <summary>
    /// Everything architectural of a CPU: general registers, EIP, EFLAGS, segment registers with their caches, control, debug and
    /// model-specific registers, x87, MMX and SSE, what is pending, and the instructions retired. Not what engines derive from it.
    /// </summary>
    /// <param name="vcpu">A CPU whose engine is not running.</param>
    public static ulong OfCpu(Vcpu vcpu)
    {
        ArgumentNullException.ThrowIfNull(vcpu);
        CpuState state = Canonical(vcpu);
        return Of(new ReadOnlySpan<byte>(&state, ArchitecturalBytes(&state)));
    }

    /// <summary>All of guest RAM.</summary>
    /// <param name="memory">The memory; 128 MiB take about 10 ms.</param>
    public static ulong OfMemory(GuestMemory memory)
    {
        ArgumentNullException.ThrowIfNull(memory);
        return Of(new ReadOnlySpan<byte>(memory.RamBase, checked((int)memory.RamSize)));
    }

    /// <summary>The architectural TLB: which pages it holds now, where they lie, and with what rights.</summary>
    /// <param name="tlb">The TLB.</param>
    /// <param name="end">The first linear address that does not count; all 4 GiB take milliseconds.</param>
    public static ulong OfTlb(Tlb tlb, ulong end = 1ul << 32)
    {
        ArgumentNullException.ThrowIfNull(tlb);
        ulong hash = Seed;
        for (ulong linear = 0; linear < end; linear += GuestPhysicalAddress.PageSize)
        {
            if (tlb.TryGet((uint)linear, out ulong page, out TlbRights rights))
            {
                hash = Mix(Mix(hash, linear), page | (ulong)rights);
            }
        }

        return hash;
    }

    /// <summary>A hash of bytes.</summary>
    /// <param name="bytes">Any number of them; the number counts too.</param>
    public static ulong Of(ReadOnlySpan<byte> bytes)
    {
        ulong a = Seed, b = Seed + 1, c = Seed + 2, d = Seed + 3, e = Seed + 4, f = Seed + 5, g = Seed + 6, h = Seed + 7;
        int length = bytes.Length;
        while (bytes.Length >= LaneBytes)
        {
            ref byte at = ref System.Runtime.InteropServices.MemoryMarshal.GetReference(bytes);
            a = Mix(a, Word(ref at, 0));
            b = Mix(b, Word(ref at, 1));
            c = Mix(c, Word(ref at, 2));
            d = Mix(d, Word(ref at, 3));
            e = Mix(e, Word(ref at, 4));
            f = Mix(f, Word(ref at, 5));
            g = Mix(g, Word(ref at, 6));
            h = Mix(h, Word(ref at, 7));
            bytes = bytes[LaneBytes..];
        }

        ulong hash = (ulong)length;
        foreach (byte rest in bytes)
        {
            hash = Mix(hash, rest);
        }

        return Mix(Mix(Mix(Mix(Mix(Mix(Mix(Mix(hash, a), b), c), d), e), f), g), h);
    }

    /// <summary>A copy of a CPU's state in which what has several representations, or is derived, has one.</summary>
    internal static CpuState Canonical(Vcpu vcpu)
    {
        CpuState state = *vcpu.State;

        // EFLAGS as a guest would see them, and not how they are kept.
        state.OtherFlags = LazyFlags.GetEflags(vcpu.State);
        (state.FlagsResult, state.FlagsCarries) = (0, 0);
        return state;
    }

    /// <summary>How many bytes of a state are architectural: what engines derive from them comes last.</summary>
    internal static int ArchitecturalBytes(CpuState* state) => (int)((byte*)&state->Tlb - (byte*)state);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Mix(ulong hash, ulong word) => BitOperations.RotateLeft((hash ^ word) * Multiplier, 29);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Word(ref byte at, int index) => Unsafe.ReadUnaligned<ulong>(ref Unsafe.Add(ref at, index * sizeof(ulong)));
}
