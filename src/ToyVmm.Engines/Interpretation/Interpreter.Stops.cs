using System.Runtime.CompilerServices;
using ToyVmm.Engines.Decoding;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Memory;

namespace ToyVmm.Engines.Interpretation;

/// <summary>
/// What a debugger waits for (<see cref="StopSet"/>), without a look on any fast path: blocks end in front of an address that is waited for, and the one that begins there has
/// a handler that looks; pages with watched data are in no projection, so that every access to them takes the slow path.
/// </summary>
public sealed unsafe partial class Interpreter
{
    // No vector: the running instruction is to be run again, alone, so that the engine can leave right behind it.
    private const int RunAlone = 256;

    // A REP string instruction may touch a page of watched bytes.
    private const int MostHits = 256;

    private HashSet<ulong> _watchedFrames = [];
    private HashSet<uint> _watchedPages = [];
    private bool _runAlone;
    private bool _delivering;
    private uint _lastMode;

    private StopSet? Stops => Vcpu.Stops;

    /// <summary>True where a page must be in no projection and no view: data in it is watched.</summary>
    /// <param name="linear">A linear address in it.</param>
    /// <param name="physical">Its guest-physical address.</param>
    internal bool IsWatched(uint linear, ulong physical) =>
        (_watchedPages.Count != 0 && _watchedPages.Contains(linear >> 12)) || (_watchedFrames.Count != 0 && _watchedFrames.Contains(physical >> 12));

    /// <summary>True where the engine must leave before the instruction at an address; the hit is noted then.</summary>
    /// <param name="linear">Its linear address.</param>
    /// <param name="retired">Instructions retired before it.</param>
    internal bool StopsBefore(uint linear, ulong retired)
    {
        if (Stops is not { } stops || HasPassed(retired))
        {
            return false;
        }

        ulong physical = stops.Physical.Count == 0 ? 0 : Vcpu.Mmu.Peek(linear)?.Value ?? ulong.MaxValue;
        bool isPhysical = stops.Physical.Count != 0 && stops.Physical.Contains(physical);
        if (!isPhysical)
        {
            if (!stops.Linear.Contains(linear))
            {
                return false;
            }

            State->Retired = retired;
            State->Eip = linear - State->Cs.Base;
            if (stops.LeavesAt is { } leaves && !leaves(linear))
            {
                return false;
            }
        }

        Vcpu.NoteStop(new StopHit(StopHitKind.Code, linear, physical));
        return true;
    }

    // The instruction at which the debugger let the guest go on does not stop it again, nor does one that is under way.
    private bool HasPassed(ulong retired) => (retired == Vcpu.PassedAt.Retired && Vcpu.EventsDelivered == Vcpu.PassedAt.Events) || IsInsideString;

    private bool FilterStops()
    {
        if (Stops?.Filter is not { } filter)
        {
            return false;
        }

        // Asked in any case: it may have to know of every instruction.
        State->Retired = RetiredNow;
        if (!filter.StopsBefore(Vcpu) || HasPassed(RetiredNow))
        {
            return false;
        }

        Vcpu.NoteStop(new StopHit(StopHitKind.Filter, State->Cs.Base + State->Eip));
        return true;
    }

    /// <summary>The handler of the first instruction of a block that begins where an instruction may be waited for.</summary>
    internal static nint LookBefore(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        Block* block = (Block*)i - 1;
        if (cpu.IsSingleStepping || !cpu.StopsBefore(s->Cs.Base + i->Eip, cpu.RetiredNow - (ulong)block->Count))
        {
            return cpu._blocks.HandlerBehindStop(block)(s, i, cpu);
        }

        cpu.RequestedExit = new VmExit(ExitReason.StopCondition);
        return Flow.StopHere(i, cpu);
    }

    /// <summary>A control register has been written.</summary>
    internal void NoteControlRegister(int number, uint old, uint value)
    {
        if (Stops is { } stops && ((stops.ControlRegisters >> number) & 1) != 0)
        {
            Vcpu.NoteStop(new StopHit(StopHitKind.ControlRegister, (ulong)number, Old: old, New: value));
        }
    }

    /// <summary>A model-specific register has been written.</summary>
    internal void NoteModelSpecificRegister(uint number, ulong value)
    {
        if (Stops is { } stops && stops.ModelSpecificRegisters.Contains(number))
        {
            Vcpu.NoteStop(new StopHit(StopHitKind.ModelSpecificRegister, number, New: value));
        }
    }

    // What the CPU reads for itself comes before what it writes there, and the writes are behind the last check: so every access to a page with watched data counts here.
    private bool PassWatchOfSystem(uint linear, int size, ulong first, ulong second, bool write)
    {
        if (_watchedPages.Count + _watchedFrames.Count != 0 && !IsSingleStepping && !_delivering && (IsWatched(linear, first) || IsWatched(linear + (uint)size - 1, second)))
        {
            return RunThisAlone();
        }

        return PassWatch(linear, size, first, second, write);
    }

    // A task switch stores much behind its last check.
    private bool MaySwitchTask()
    {
        if (Stops is not { Data.Count: > 0 } || IsSingleStepping || _delivering)
        {
            return true;
        }

        return RunThisAlone();
    }

    // Gives the running instruction up, as for a fault, to run it again alone. Always false, as Raise.
    private bool RunThisAlone()
    {
        _runAlone = true;
        State->Attention |= Attention.StopCondition;
        return Raise(RunAlone, 0);
    }

    private void OnStopsReplaced()
    {
        _blocks.SetStops(Stops is null ? [] : [.. Stops.Linear], Stops is null ? [] : [.. Stops.Physical]);
        HashSet<ulong> frames = [];
        HashSet<uint> pages = [];
        foreach (DataStop data in Stops?.Data ?? [])
        {
            for (ulong page = data.Address >> 12; page <= (data.Address + data.Length - 1) >> 12; page++)
            {
                _ = data.IsPhysical ? frames.Add(page) : pages.Add((uint)page);
            }
        }

        if (!_watchedFrames.SetEquals(frames) || !_watchedPages.SetEquals(pages))
        {
            (_watchedFrames, _watchedPages) = (frames, pages);
            FlushTlbProjection();
        }

        _lastMode = ModeOfCode;
    }

    // Real, protected or virtual-8086, the width of code, and whether there is paging.
    private uint ModeOfCode => (State->Cr0 & (Cr0.PE | Cr0.PG)) | (State->OtherFlags & Eflags.VM) | (State->Cs.Big ? 2u : 0);

    private void NoteMode()
    {
        uint mode = ModeOfCode;
        if (mode != _lastMode)
        {
            uint old = _lastMode;
            _lastMode = mode;
            if (Stops is { ModeChanges: true })
            {
                Vcpu.NoteStop(new StopHit(StopHitKind.Mode, mode, Old: old, New: mode));
            }
        }
    }

    private void NoteEvent(in TrapInfo trap, EventStops kind)
    {
        if (Stops is { } stops && ((stops.Events & kind) != 0 || stops.Vectors.Contains(trap.Vector)))
        {
            Vcpu.NoteStop(new StopHit(StopHitKind.Event, (ulong)trap.Vector, Trap: trap));
        }
    }

    // Before an access that took the slow path. An instruction in the middle of a block cannot be left behind: it is run again, alone.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private bool PassWatch(uint linear, int size, ulong first, ulong second, bool write, bool note = true) =>
        Stops is not { Data.Count: > 0 } stops || PassWatch(stops, linear, size, first, second, write, note);

    [MethodImpl(MethodImplOptions.NoInlining)]
    private bool PassWatch(StopSet stops, uint linear, int size, ulong first, ulong second, bool write, bool note)
    {
        uint firstLength = Math.Min((uint)size, GuestPhysicalAddress.PageSize - (linear & OffsetMask));
        bool touched = false;
        foreach (DataStop data in stops.Data)
        {
            touched |= data.IsPhysical
                ? data.IsTouchedBy(first, firstLength, write) || (firstLength < size && data.IsTouchedBy(second, (uint)size - firstLength, write))
                : data.IsTouchedBy(linear, (uint)size, write);
        }

        if (!touched)
        {
            return true;
        }

        if (!IsSingleStepping && !_delivering)
        {
            return RunThisAlone();
        }

        // An instruction that waits for the monitor in its middle comes here again.
        StopHitKind kind = write ? StopHitKind.Write : StopHitKind.Read;
        if (note && Vcpu.StopHits.Count < MostHits && !Vcpu.StopHits.Any(hit => hit.Kind == kind && hit.Address == linear && hit.Length == size))
        {
            Span<byte> old = stackalloc byte[sizeof(ulong)];
            old.Clear();
            _ = Memory.TryRead(new GuestPhysicalAddress(first), old[..(int)Math.Min(firstLength, sizeof(ulong))]);
            Vcpu.NoteStop(new StopHit(kind, linear, first, size, BitConverter.ToUInt64(old)));
        }

        return true;
    }
}
