using System.Buffers.Binary;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Memory;
using ToyVmm.Hardware.State;
using ToyVmm.Hardware.Time;

namespace ToyVmm.VirtualMachines.Hypercalls;

/// <summary>
/// The page that a guest reads instead of asking (<see cref="HypercallCatalog.ClockPage"/>), the one-shot timer, and the interrupt that bits of its pending
/// word raise. All of it happens at counts of instructions that do not depend on the engine, so that the page's bytes do not either.
/// </summary>
internal sealed class ClockPage : ISavedState
{
    private const ulong NanosecondsPerSecond = 1_000_000_000;
    private const int FirstUsableVector = 32;
    private const int LargestShift = 24;
    private const uint TimerBit = 1;
    private const uint MemoryBit = 2;
    private const int Length = 0x48;

    private readonly VirtualMachine _vm;
    private readonly ClockTimer _timer;
    private readonly uint _multiplier;
    private readonly int _shift;
    private readonly ulong _wall;
    private uint _version;
    private ulong _idle;
    private ulong _idleNanoseconds;
    private int _vector;

    public ClockPage(VirtualMachine vm)
    {
        _vm = vm;
        _timer = Clock.CreateTimer("paravirtual timer", () => Raise(TimerBit));

        _wall = (ulong)(vm.Configuration.StartTime - DateTimeOffset.UnixEpoch).Ticks * TimeSpan.NanosecondsPerTick;

        // The finest fraction that fits.
        for (_shift = LargestShift; (NanosecondsPerSecond << _shift) / Clock.Frequency > uint.MaxValue && _shift > 0; _shift--)
        {
        }

        _multiplier = (uint)Math.Min((NanosecondsPerSecond << _shift) / Clock.Frequency, uint.MaxValue);
    }

    /// <summary>Where the page lies; null where the guest has named none.</summary>
    public GuestPhysicalAddress? Address { get; private set; }

    /// <summary>True while an interrupt waits to be taken.</summary>
    public bool InterruptRequested => _vector != 0;

    /// <summary>How many pages the host would like the balloon to hold.</summary>
    public uint BalloonTarget { get; private set; }

    /// <summary>The guest names a page, or null for none: the timer goes with it.</summary>
    public void Place(GuestPhysicalAddress? address)
    {
        Address = address;
        if (address is null)
        {
            Reset();
        }
        else
        {
            // The reserved rest of the page, for later versions.
            _ = _vm.Machine.Memory.TryWrite(address.Value, new byte[GuestPhysicalAddress.PageSize]);
            Update();
        }
    }

    /// <summary>Arms the timer.</summary>
    /// <param name="nanoseconds">Guest time; all-ones disarms.</param>
    public void SetTimer(ulong nanoseconds)
    {
        if (nanoseconds == ulong.MaxValue)
        {
            _timer.Cancel();
            return;
        }

        ulong deadline = Clock.InstructionOf(nanoseconds, NanosecondsPerSecond);
        if (deadline <= Clock.Now)
        {
            _timer.Cancel();
            Raise(TimerBit);
        }
        else
        {
            _timer.Arm(deadline);
        }
    }

    /// <summary>Another guest rings.</summary>
    /// <param name="port">The bit, <see cref="HypercallCatalog.FirstEventPort"/> to 31.</param>
    public void Ring(int port) => Raise(1u << port);

    /// <summary>The host would like pages back, or has changed how much memory there is.</summary>
    public void ChangeMemory(uint balloonTarget)
    {
        BalloonTarget = balloonTarget;
        Raise(MemoryBit);
    }

    /// <summary>The CPU takes the interrupt.</summary>
    /// <returns>The vector.</returns>
    public byte Acknowledge()
    {
        byte vector = (byte)_vector;
        _vector = 0;
        return vector;
    }

    /// <summary>The reset line: the guest that named the page is gone.</summary>
    public void Reset()
    {
        Address = null;
        _timer.Cancel();
        _vector = 0;
    }

    /// <inheritdoc/>
    /// <remarks>The timer's deadline is the clock's.</remarks>
    void ISavedState.Transfer(StateTransfer state)
    {
        bool isPlaced = state.Pass(Address is not null);
        ulong address = state.Pass(Address?.Value ?? 0);
        state.Require(address % GuestPhysicalAddress.PageSize == 0 && address < _vm.Machine.Memory.Capacity, "the clock page is a page of RAM");
        Address = isPlaced ? new GuestPhysicalAddress(address) : null;
        state.Value(ref _version);
        state.Range(ref _vector, 0, byte.MaxValue);
        state.Require(_vector is 0 or >= FirstUsableVector, "the clock page's interrupt is none of an exception's");
        BalloonTarget = state.Pass(BalloonTarget);
    }

    /// <summary>Writes what the monitor has to say.</summary>
    public void Update()
    {
        if (Address is not { } page)
        {
            return;
        }

        // One read and one write, since hypercalls are frequent. Guest code never runs in between, but whoever looks from outside finds an odd version.
        GuestMemory memory = _vm.Machine.Memory;
        Span<byte> bytes = stackalloc byte[Length];
        _ = memory.TryRead(page, bytes);
        ulong idle = _vm.IdleTicks;
        if (idle != _idle)
        {
            _idle = idle;
            _idleNanoseconds = (ulong)((UInt128)idle * NanosecondsPerSecond / Clock.Frequency);
        }

        ulong retired = Clock.Now - idle;
        Put(bytes, 0, ++_version);
        _ = memory.TryWrite(page, bytes[..sizeof(uint)]);
        Put(bytes, 0, ++_version);
        Put(bytes, 0x08, retired + _vm.Cpu.TscOffset);
        Put(bytes, 0x10, Clock.Ticks(NanosecondsPerSecond));
        Put(bytes, 0x18, _multiplier);
        Put(bytes, 0x1C, (uint)_shift);
        Put(bytes, 0x20, _wall);
        Put(bytes, 0x2C, _vm.GuestNumber);
        Put(bytes, 0x30, BalloonTarget);
        Put(bytes, 0x34, memory.RamSize / GuestPhysicalAddress.PageSize);
        Put(bytes, 0x38, retired);
        Put(bytes, 0x40, _idleNanoseconds);
        _ = memory.TryWrite(page, bytes);
    }

    private VirtualClock Clock => _vm.Machine.Clock;

    private static void Put(Span<byte> bytes, int offset, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(bytes[offset..], value);

    private static void Put(Span<byte> bytes, int offset, ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(bytes[offset..], value);

    private void Raise(uint bit)
    {
        if (Address is not { } page)
        {
            return;
        }

        GuestMemory memory = _vm.Machine.Memory;
        uint pending = memory.ReadUInt32(page + 0x04);
        uint vector = memory.ReadUInt32(page + 0x28);
        Span<byte> raised = stackalloc byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32LittleEndian(raised, pending | bit);
        _ = memory.TryWrite(page + 0x04, raised);
        Update();
        if ((pending & bit) == 0 && vector is >= FirstUsableVector and <= byte.MaxValue)
        {
            _vector = (int)vector;
        }
    }
}
