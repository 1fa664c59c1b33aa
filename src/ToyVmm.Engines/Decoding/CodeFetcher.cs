using Iced.Intel;
using ToyVmm.Engines.Interpretation;
using ToyVmm.Hardware.Memory;

namespace ToyVmm.Engines.Decoding;

/// <summary>
/// Feeds guest code to Iced's decoder, byte by byte: from the page where a block starts and, only when its first instruction runs
/// over the edge, from the next one. Knows why it stopped, since that decides between #GP, #PF and #UD.
/// </summary>
internal sealed unsafe class CodeFetcher(Interpreter cpu) : CodeReader
{
    private readonly byte[] _instruction = new byte[16];
    private byte* _page;
    private byte* _secondPage;
    private uint _linear;
    private uint _offset;
    private uint _left;
    private bool _mayCross;
    private int _length;

    /// <summary>What ended the code before the decoder was satisfied.</summary>
    public enum Ending
    {
        /// <summary>Nothing.</summary>
        None,

        /// <summary>The limit of CS.</summary>
        Limit,

        /// <summary>The edge of the page, which only a block's first instruction may cross.</summary>
        PageEdge,

        /// <summary>A fault on the second page; it is pending.</summary>
        Fault,
    }

    /// <summary>Why the last instruction ended early.</summary>
    public Ending Ended { get; private set; }

    /// <summary>GPA of the second page, once an instruction ran into it.</summary>
    public ulong SecondPage { get; private set; }

    /// <summary>The bytes read for the current instruction.</summary>
    public ReadOnlySpan<byte> Bytes => _instruction.AsSpan(0, _length);

    /// <summary>Starts a block.</summary>
    /// <param name="linear">Its linear address.</param>
    /// <param name="physical">Its physical address.</param>
    /// <param name="available">Bytes up to the limit of CS, at least 1.</param>
    public void StartBlock(uint linear, ulong physical, ulong available)
    {
        _page = PageOrOnes(physical);
        _secondPage = null;
        _linear = linear;
        _offset = (uint)physical & 0xFFF;
        _left = (uint)Math.Min(available, uint.MaxValue);
    }

    /// <summary>Starts an instruction behind those already taken.</summary>
    /// <param name="taken">Bytes of the block before it.</param>
    public void StartInstruction(uint taken)
    {
        _length = 0;
        _mayCross = taken == 0;
        Ended = Ending.None;
    }

    /// <summary>The instruction just decoded belongs to the block.</summary>
    /// <param name="length">Its length.</param>
    public void Accept(uint length)
    {
        _offset += length;
        _left -= length;
    }

    /// <inheritdoc/>
    public override int ReadByte()
    {
        uint at = _offset + (uint)_length;
        if ((uint)_length >= _left)
        {
            Ended = Ending.Limit;
            return -1;
        }

        if (at >= GuestPhysicalAddress.PageSize)
        {
            if (!_mayCross)
            {
                Ended = Ending.PageEdge;
                return -1;
            }

            if (_secondPage == null && !FetchSecondPage())
            {
                Ended = Ending.Fault;
                return -1;
            }
        }

        byte value = at < GuestPhysicalAddress.PageSize ? _page[at] : _secondPage[at - GuestPhysicalAddress.PageSize];
        if (_length < _instruction.Length)
        {
            _instruction[_length] = value;
        }

        _length++;
        return value;
    }

    private bool FetchSecondPage()
    {
        uint next = (_linear & 0xFFFF_F000) + GuestPhysicalAddress.PageSize;
        if (!cpu.TryTranslateFetch(next, out ulong physical))
        {
            return false;
        }

        SecondPage = physical;
        _secondPage = PageOrOnes(physical);
        return true;
    }

    // Code is not fetched from devices: like an empty bus, they give all-ones, which is not an instruction.
    private byte* PageOrOnes(ulong physical)
    {
        byte* page = cpu.Vcpu.Memory.HostPage(new GuestPhysicalAddress(physical));
        return page != null ? page : cpu.EmptyPage;
    }
}
