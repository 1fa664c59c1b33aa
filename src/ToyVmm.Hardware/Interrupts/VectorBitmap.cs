using System.Numerics;

namespace ToyVmm.Hardware.Interrupts;

/// <summary>A bit for each of the 256 vectors, as IRR, ISR and TMR of a local APIC hold them (SDM 3A 11.8.4).</summary>
internal sealed class VectorBitmap
{
    private readonly uint[] _words = new uint[8];

    /// <summary>The highest vector whose bit is set; -1 when none is.</summary>
    public int Highest
    {
        get
        {
            for (int index = 7; index >= 0; index--)
            {
                if (_words[index] != 0)
                {
                    return (32 * index) + BitOperations.Log2(_words[index]);
                }
            }

            return -1;
        }
    }

    /// <summary>A vector's bit.</summary>
    public bool this[int vector]
    {
        get => (_words[vector >> 5] & (1u << (vector & 31))) != 0;
        set
        {
            uint bit = 1u << (vector & 31);
            _words[vector >> 5] = value ? _words[vector >> 5] | bit : _words[vector >> 5] & ~bit;
        }
    }

    /// <summary>The register of 32 vectors.</summary>
    public uint Word(int index) => _words[index];

    /// <summary>Clears all bits.</summary>
    public void Clear() => Array.Clear(_words);
}
