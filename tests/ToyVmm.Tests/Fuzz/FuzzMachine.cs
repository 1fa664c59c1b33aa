using ToyVmm.Engines;
using ToyVmm.Engines.Interpretation;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Memory;
using ToyVmm.Tests.Properties;

namespace ToyVmm.Tests.Fuzz;

/// <summary>How a random guest's run ended.</summary>
public enum FuzzEnd
{
    /// <summary>The budget was used up.</summary>
    Budget,

    /// <summary>HLT, and nothing would have woken it.</summary>
    Halted,

    /// <summary>A triple fault.</summary>
    Shutdown,

    /// <summary>It made more accesses to devices than anybody wants to wait for (a REP string instruction over nothing).</summary>
    ExitLimit,
}

/// <summary>What is compared between two runs of a guest.</summary>
/// <param name="End">How it ended.</param>
/// <param name="Retired">Instructions retired.</param>
/// <param name="Hash">Over the architectural state, memory, and what went to and came from devices.</param>
public readonly record struct FuzzOutcome(FuzzEnd End, ulong Retired, ulong Hash);

/// <summary>A CPU, an engine and a memory that are used again and again; the bus answers with noise that follows from the address and the order.</summary>
public sealed unsafe class FuzzMachine : IDisposable
{
    private const int MostExits = 2000;
    private const ulong HashPrime = 0x9E37_79B9_7F4A_7C15;

    private readonly GuestMemory _memory;
    private readonly Interpreter _engine;
    private ulong _traffic;

    /// <summary>Makes one.</summary>
    /// <param name="translates">True for the translator; it then translates everything at once and has its work checked.</param>
    public FuzzMachine(bool translates = false)
    {
        _memory = new GuestMemory(HostileLayout.MemorySize, shared: translates);
        byte[] rom = new byte[GuestPhysicalAddress.PageSize];
        rom.AsSpan().Fill(0x90);
        _memory.MapRom(new GuestPhysicalAddress(HostileLayout.Rom), rom);
        _memory.MapRom(new GuestPhysicalAddress(0xFFFF_F000), rom);
        Vcpu = new Vcpu(_memory);
        _engine = new Interpreter(Vcpu);
        if (translates && _engine.TryTranslate(new TranslatorOptions { Hotness = 0, Verify = true }) is { } unavailable)
        {
            throw new PlatformNotSupportedException(unavailable);
        }
    }

    /// <summary>The CPU.</summary>
    public Vcpu Vcpu { get; }

    /// <summary>The engine.</summary>
    public Interpreter Engine => _engine;

    /// <summary>Loads a guest and runs it to its end.</summary>
    /// <param name="guest">The guest.</param>
    /// <param name="slices">Null runs in as large pieces as possible; otherwise in pieces of random size.</param>
    public FuzzOutcome Run(HostileGuest guest, EdgeRandom? slices = null)
    {
        Load(guest);
        CpuState* s = Vcpu.State;
        ulong start = s->Retired;
        int exits = 0;
        int interrupt = 0;
        FuzzEnd? end = null;
        while (end is null)
        {
            ulong done = s->Retired - start;
            if (done > guest.Budget)
            {
                throw new FuzzViolationException($"{done} instructions retired of a budget of {guest.Budget}");
            }

            if (done == guest.Budget)
            {
                end = FuzzEnd.Budget;
                break;
            }

            // One that cannot be taken waits for a multiple of 16, so that slices change nothing.
            while (interrupt < guest.Interrupts.Count && IsTime(guest.Interrupts[interrupt].At, done) && TryRaise(guest.Interrupts[interrupt].Vector))
            {
                interrupt++;
            }

            ulong next = guest.Budget;
            if (interrupt < guest.Interrupts.Count)
            {
                ulong at = guest.Interrupts[interrupt].At;
                next = Math.Min(next, at > done ? at : done + 16 - (done % 16));
            }

            ulong budget = next - done;
            if (slices is not null)
            {
                budget = Math.Min(budget, 1 + (ulong)slices.Below(slices.OneIn(2) ? 3 : 40));
            }

            ulong before = s->Retired;
            VmExit exit = _engine.Run(budget);
            if (s->Retired < before || s->Retired - before > budget || (exit.Reason == ExitReason.BudgetSpent && s->Retired - before != budget))
            {
                throw new FuzzViolationException($"{exit.Reason} after {s->Retired - before} instructions of {budget}");
            }

            end = Handle(exit, ref exits);
        }

        return new FuzzOutcome(end.Value, s->Retired - start, Hash());
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _engine.Dispose();
        Vcpu.Dispose();
        _memory.Dispose();
    }

    private void Load(HostileGuest guest)
    {
        Vcpu.Reset();

        // Only the pieces that differ: where code stays the same, what was decoded from it in the last run must still be right.
        Update(guest.Memory.AsSpan(0, (int)HostileLayout.Rom), 0, (int)GuestPhysicalAddress.PageSize);

        CpuState* s = Vcpu.State;
        ulong retired = s->Retired;
        *s = guest.State;
        s->Retired = retired;
        s->TscOffset -= retired;
        Vcpu.NotifyStateChanged();
        _traffic = 0;
    }

    private void Update(ReadOnlySpan<byte> wanted, uint address, int piece)
    {
        const int Smallest = 16;
        for (int at = 0; at < wanted.Length; at += piece)
        {
            ReadOnlySpan<byte> bytes = wanted.Slice(at, piece);
            if (bytes.SequenceEqual(new ReadOnlySpan<byte>(_memory.RamBase + address + at, piece)))
            {
                continue;
            }

            if (piece > Smallest)
            {
                Update(bytes, address + (uint)at, Smallest);
            }
            else
            {
                _ = _memory.TryWrite(new GuestPhysicalAddress(address + (uint)at), bytes);
            }
        }
    }

    private static bool IsTime(ulong at, ulong done) => at == done || (at < done && done % 16 == 0);

    private bool TryRaise(int vector)
    {
        if (vector < 0)
        {
            Vcpu.RaiseNmi();
            return true;
        }

        if (!Vcpu.CanAcceptInterrupt)
        {
            return false;
        }

        Vcpu.InjectInterrupt((byte)vector);
        return true;
    }

    private FuzzEnd? Handle(in VmExit exit, ref int exits)
    {
        switch (exit.Reason)
        {
            case ExitReason.BudgetSpent:
                return null;
            case ExitReason.Shutdown:
                return Vcpu.Autopsy is { Chain.Count: > 0 } ? FuzzEnd.Shutdown : throw new FuzzViolationException("a shutdown without an autopsy");
            case ExitReason.Halt:
                return FuzzEnd.Halted;
            case ExitReason.Hypercall or ExitReason.ApicBaseWritten or ExitReason.Cancelled:
                break;
            case ExitReason.PortIo or ExitReason.Mmio:
                if (exit.Width is not (1 or 2 or 4 or 8))
                {
                    throw new FuzzViolationException($"an access of {exit.Width} bytes: {exit}");
                }

                _traffic = Mix(_traffic, exit.Address ^ ((ulong)exit.Width << 32) ^ (exit.IsWrite ? 1ul << 63 : 0));
                _traffic = Mix(_traffic, exit.Value);
                if (!exit.IsWrite)
                {
                    Vcpu.CompleteRead(_traffic);
                }

                break;
            default:
                throw new FuzzViolationException($"nobody asked for the exit {exit.Reason}");
        }

        return ++exits >= MostExits ? FuzzEnd.ExitLimit : null;
    }

    private ulong Hash()
    {
        CpuState copy = *Vcpu.State;
        uint eflags = LazyFlags.GetEflags(&copy);

        // What has many representations, or is derived, or is not the guest's.
        (copy.FlagsResult, copy.FlagsCarries, copy.OtherFlags) = (0, 0, eflags);
        (copy.Retired, copy.TscOffset) = (0, 0);
        copy.Tlb = null;
        (copy.Mode, copy.Attention) = (0, 0);
        new Span<byte>(copy.Staging, 16).Clear();
        ulong hash = _traffic;
        hash = Mix(hash, new ReadOnlySpan<ulong>(&copy, sizeof(CpuState) / sizeof(ulong)));
        return Mix(hash, new ReadOnlySpan<ulong>(_memory.RamBase, (int)HostileLayout.MemorySize / sizeof(ulong)));
    }

    private static ulong Mix(ulong hash, ReadOnlySpan<ulong> words)
    {
        foreach (ulong word in words)
        {
            hash = Mix(hash, word);
        }

        return hash;
    }

    private static ulong Mix(ulong hash, ulong word)
    {
        hash = (hash ^ word) * HashPrime;
        return hash ^ (hash >> 29);
    }
}

/// <summary>An engine broke its contract.</summary>
/// <param name="message">How.</param>
public sealed class FuzzViolationException(string message) : Exception(message);
