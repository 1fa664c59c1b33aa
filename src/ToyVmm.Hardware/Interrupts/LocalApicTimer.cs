using ToyVmm.Hardware.State;
using ToyVmm.Hardware.Time;

namespace ToyVmm.Hardware.Interrupts;

/// <summary>
/// The timer of a local APIC (SDM 3A 11.5.4): a counter that runs down from the initial count at the bus clock over a divisor. The
/// current count is computed from the virtual clock on demand; the clock wakes the timer only for an interrupt that would be seen.
/// </summary>
internal sealed class LocalApicTimer
{
    /// <summary>The bus clock, in Hz.</summary>
    public const ulong BusFrequency = 100_000_000;

    private readonly VirtualClock _clock;
    private readonly Action _expired;
    private readonly ClockTimer _timer;
    private uint _first;            // the count at _start; later periods begin with InitialCount
    private ulong _start;           // bus clock
    private uint _divisor = 2;
    private bool _periodic;
    private bool _watched;

    public LocalApicTimer(VirtualClock clock, Action expired)
    {
        _clock = clock;
        _expired = expired;
        _timer = clock.CreateTimer("local APIC", Fire);
    }

    /// <summary>The initial count register.</summary>
    public uint InitialCount { get; private set; }

    /// <summary>The divide configuration register: bits 0, 1 and 3.</summary>
    public uint DivideConfiguration { get; private set; }

    /// <summary>The current count register.</summary>
    public uint CurrentCount
    {
        get
        {
            ulong elapsed = Elapsed;
            if (elapsed < _first)
            {
                return _first - (uint)elapsed;
            }

            return _periodic && InitialCount != 0 ? InitialCount - (uint)((elapsed - _first) % InitialCount) : 0;
        }
    }

    private ulong BusTick => _clock.Ticks(BusFrequency);

    private ulong Elapsed => (BusTick - _start) / _divisor;

    /// <summary>Writes the initial count: the timer starts anew, or stops with 0.</summary>
    public void Start(uint count)
    {
        InitialCount = _first = count;
        _start = BusTick;
        Arm();
    }

    /// <summary>Writes the divide configuration; the count goes on at the new rate.</summary>
    public void SetDivisor(uint configuration)
    {
        Hold();
        DivideConfiguration = configuration & 0xB;
        uint code = (configuration & 3) | ((configuration >> 1) & 4);
        _divisor = code == 7 ? 1 : 2u << (int)code;
        Arm();
    }

    /// <summary>Sets the mode (LVT bit 17).</summary>
    public void SetPeriodic(bool periodic)
    {
        if (periodic != _periodic)
        {
            Hold();
            _periodic = periodic;
            Arm();
        }
    }

    /// <summary>Says whether an expiry would be seen: not while its entry is masked, nor while its vector is requested already.</summary>
    public void Watch(bool watched)
    {
        if (watched != _watched)
        {
            _watched = watched;
            Arm();
        }
    }

    /// <summary>The state after RESET.</summary>
    public void Reset()
    {
        _periodic = _watched = false;
        DivideConfiguration = 0;
        _divisor = 2;
        Start(0);
    }

    public void Transfer(StateTransfer state)
    {
        InitialCount = state.Pass(InitialCount);
        DivideConfiguration = state.Pass(DivideConfiguration);
        state.Value(ref _first);
        state.Value(ref _start);
        state.Value(ref _divisor);
        state.Require(_start <= BusTick && uint.IsPow2(_divisor) && _divisor <= 128);
        state.Value(ref _periodic);
        state.Value(ref _watched);
    }

    // The count of now becomes the start of a new first period.
    private void Hold()
    {
        _first = CurrentCount;
        _start = BusTick;
    }

    private void Fire()
    {
        Arm();
        _expired();
    }

    private void Arm()
    {
        ulong elapsed = Elapsed;
        ulong next = _first;
        if (elapsed >= _first)
        {
            next = _periodic && InitialCount != 0 ? elapsed + CurrentCount : 0;
        }

        if (_watched && next > elapsed)
        {
            _timer.Arm(_clock.InstructionOf(_start + (next * _divisor), BusFrequency));
        }
        else
        {
            _timer.Cancel();
        }
    }
}
