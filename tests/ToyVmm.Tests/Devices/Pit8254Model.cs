namespace ToyVmm.Tests.Devices;

/// <summary>
/// One counter of the 8254 as a machine that takes one CLK pulse at a time, straight from the data sheet's mode definitions. It is
/// slow and obvious: the oracle for the closed formulas of the device.
/// </summary>
internal sealed class Pit8254Model
{
    private int _mode;
    private int _access = 3;
    private bool _bcd;
    private bool _gate = true;
    private bool _programmed;
    private bool _load;             // the count goes into the counting element with the next pulse
    private bool _loaded;
    private bool _halted = true;    // mode 0: between the first byte of a count and its load
    private bool _active;           // the count has not expired since it was loaded
    private bool _strobe;
    private bool _highHalf;
    private int _firstByte = -1;
    private long _register;
    private long _period;
    private long _element;

    public bool Out { get; private set; }

    public int Count
    {
        get
        {
            long modulus = _bcd ? 10_000 : 65_536;
            int value = (int)(((_element % modulus) + modulus) % modulus);
            return _bcd ? (value / 1000 << 12) | (value / 100 % 10 << 8) | (value / 10 % 10 << 4) | (value % 10) : value;
        }
    }

    public bool NullCount { get; private set; } = true;

    public void Control(int access, int mode, bool bcd)
    {
        (_access, _mode, _bcd) = (access, mode, bcd);
        _programmed = _load = _loaded = _active = _strobe = false;
        _halted = true;
        _firstByte = -1;
        NullCount = true;
        Out = mode != 0;
    }

    public void Write(byte value)
    {
        if (_access == 3 && _firstByte < 0)
        {
            _firstByte = value;
            if (_mode == 0)
            {
                (_halted, _load, Out) = (true, false, false);
            }

            return;
        }

        int raw = _access == 1 ? value : _access == 2 ? value << 8 : (value << 8) | _firstByte;
        _firstByte = -1;
        _register = _bcd ? ((raw >> 12) * 1000) + ((raw >> 8 & 15) * 100) + ((raw >> 4 & 15) * 10) + (raw & 15) : raw;
        _register = _register == 0 ? (_bcd ? 10_000 : 65_536) : _register;
        bool first = !_programmed;
        _programmed = true;
        NullCount = true;
        if (_mode == 0)
        {
            (_halted, _load, Out) = (true, true, false);
        }
        else if (_mode == 4 || (_mode is 2 or 3 && (first || !_loaded || !_gate)))
        {
            _load = true;
        }
    }

    public void Gate(bool high)
    {
        if (high && !_gate && _programmed && _mode is 1 or 2 or 3 or 5)
        {
            _load = true;
        }

        _gate = high;
        if (!high && _mode is 2 or 3)
        {
            (Out, _loaded) = (true, false); // only a trigger starts it again
        }
    }

    public void Clock()
    {
        if (_strobe)
        {
            (_strobe, Out) = (false, true);
        }

        if (_load)
        {
            (_load, _loaded, _halted, _active, NullCount) = (false, true, false, true, false);
            _period = _element = _register;
            _highHalf = true;
            Out = _mode is not (0 or 1);
            if (_mode == 3)
            {
                _element = _period & ~1L;
            }

            return;
        }

        if (!_loaded || _halted)
        {
            return;
        }

        switch (_mode)
        {
            case 0:
                if (_gate && --_element == 0 && _active)
                {
                    (_active, Out) = (false, true);
                }

                break;
            case 1:
                if (--_element == 0 && _active)
                {
                    (_active, Out) = (false, true);
                }

                break;
            case 2:
                if (_gate)
                {
                    if (_element == 1)
                    {
                        (_element, _period, NullCount) = (_register, _register, false);
                    }
                    else
                    {
                        _element--;
                    }

                    Out = _element != 1;
                }

                break;
            case 3:
                if (_gate)
                {
                    ClockSquareWave();
                }

                break;
            default:
                if ((_mode == 5 || _gate) && --_element == 0 && _active)
                {
                    (_active, _strobe, Out) = (false, true, false);
                }

                break;
        }
    }

    // Odd counts: the high half lasts one pulse longer, since the count expires a pulse before OUT falls.
    private void ClockSquareWave()
    {
        bool ends = (_period & 1) != 0 && _highHalf ? _element == 0 : _element == 2;
        if (!ends)
        {
            _element -= 2;
            return;
        }

        _highHalf = !_highHalf;
        Out = _highHalf;
        _period = _register;
        NullCount = false;
        _element = _period & ~1L;
    }
}
