using System.Numerics;
using ToyVmm.Hardware.State;

namespace ToyVmm.Hardware.Interrupts;

/// <summary>A bit for each of the 256 vectors, as IRR, ISR and TMR of a local APIC hold them (SDM 3A 11.8.4).</summary>
internal sealed class VectorBitmap
{
    private readonly uint[] _words = new uint[8];

    // A bit for each word that is not zero: the run loop asks for the highest vector all the time, and mostly there is none.
    private uint _used;

    /// <summary>The highest vector whose bit is set; -1 when none is.</summary>
    public int Highest
    {
        get
        {
            if (_used == 0)
            {
                return -1;
            }

            int index = BitOperations.Log2(_used);
            return (32 * index) + BitOperations.Log2(_words[index]);
        }
    }

    /// <summary>A vector's bit.</summary>
    public bool this[int vector]
    {
        get => (_words[vector >> 5] & (1u << (vector & 31))) != 0;
        set
        {
            int index = vector >> 5;
            uint bit = 1u << (vector & 31);
            _words[index] = value ? _words[index] | bit : _words[index] & ~bit;
            _used = _words[index] != 0 ? _used | (1u << index) : _used & ~(1u << index);
        }
    }

    /// <summary>The register of 32 vectors.</summary>
    public uint Word(int index) => _words[index];

    public void Transfer(StateTransfer state)
    {
        state.Values(_words);
        _used = 0;
        for (int index = 0; index < _words.Length; index++)
        {
            _used |= _words[index] != 0 ? 1u << index : 0;
        }
    }

    /// <summary>Clears all bits.</summary>
    public void Clear()
    {
        Array.Clear(_words);
        _used = 0;
    }
}
