using ToyVmm.Engines;
using ToyVmm.VirtualMachines.Loading;

namespace ToyVmm.VirtualMachines.Verification.Isolation;

/// <summary>How a hostile guest attacks.</summary>
public enum IsolationKind
{
    /// <summary>Uniformly random bytes, loaded as a raw image.</summary>
    Bytes,

    /// <summary>Structured noise, loaded as a raw image: <see cref="NoiseCode"/>.</summary>
    Noise,

    /// <summary>Structured noise over descriptor tables, task states and page tables of every kind: <see cref="HostileGuest"/>.</summary>
    Tables,

    /// <summary>Devices told nonsense through ports, and through memory.</summary>
    Devices,

    /// <summary>Hypercalls with wild arguments.</summary>
    Hypercalls,

    /// <summary>String instructions of billions of elements over anything.</summary>
    Strings,

    /// <summary>Thousands of blocks, and code that never stays the same.</summary>
    Spray,
}

/// <summary>A hostile guest, and the machine and the schedule that it gets. All of it follows from the seed.</summary>
public sealed class IsolationCase
{
    /// <summary>Bytes of RAM of the guest's machine: the least that a PC has.</summary>
    public const uint MemorySize = 1 << 20;

    // The interval of each thing that is too dear to do in every case.
    private const int NeighbourEvery = 32;
    private const int WindowsEvery = 32;
    private const int ResourcesEvery = 512;
    private const int TlbEvery = 16;
    private const int DrivesEvery = 3;

    private readonly EdgeRandom _random;

    /// <summary>Makes the case of a seed.</summary>
    public IsolationCase(ulong seed)
    {
        Seed = seed;
        _random = new EdgeRandom(seed ^ 0x4973_6F6C_6174_6531);
        Kind = _random.Pick<IsolationKind>(
        [
            IsolationKind.Bytes, IsolationKind.Noise, IsolationKind.Tables, IsolationKind.Tables, IsolationKind.Tables, IsolationKind.Tables,
            IsolationKind.Devices, IsolationKind.Devices, IsolationKind.Hypercalls, IsolationKind.Strings, IsolationKind.Spray,
        ]);
        Translator = new TranslatorOptions
        {
            Verify = true,
            Hotness = _random.Below(3),
            CodeCacheBytes = Kind == IsolationKind.Spray || _random.OneIn(3) ? 64 << 10 : TranslatorOptions.LargestCodeCache,
            Views = _random.OneIn(3) ? 1 : 4,
        };
        PortsInPlace = Kind == IsolationKind.Devices && _random.OneIn(2);
        HasDrives = Kind == IsolationKind.Devices && _random.OneIn(DrivesEvery);
        HasNeighbour = _random.OneIn(NeighbourEvery);
        ComparesTlb = _random.OneIn(TlbEvery);
        AsksForWindows = _random.OneIn(WindowsEvery);
        CountsResources = _random.OneIn(ResourcesEvery);
        Make();
        MakeSchedule();
    }

    /// <summary>The seed.</summary>
    public ulong Seed { get; }

    /// <summary>How it attacks.</summary>
    public IsolationKind Kind { get; }

    /// <summary>The image that is loaded first.</summary>
    public byte[] Image { get; private set; } = [0xEB, 0xFE];

    /// <summary>Whether it begins in real mode.</summary>
    public bool RealMode { get; private set; } = true;

    /// <summary>Memory and registers that replace what was loaded; null where the image is the guest.</summary>
    public HostileGuest? Guest { get; private set; }

    /// <summary>The settings of the translator.</summary>
    public TranslatorOptions Translator { get; }

    /// <summary>True where ports are performed in place, as a machine does that nobody watches.</summary>
    public bool PortsInPlace { get; }

    /// <summary>True for a machine with two disks and a CD-ROM.</summary>
    public bool HasDrives { get; }

    /// <summary>True where a neighbour runs at the same time, which must not notice.</summary>
    public bool HasNeighbour { get; }

    /// <summary>True where the TLBs of the engines are compared too.</summary>
    public bool ComparesTlb { get; }

    /// <summary>True where the host is asked what it has mapped in the windows.</summary>
    public bool AsksForWindows { get; }

    /// <summary>True where what the machine takes of the host is counted, before and after.</summary>
    public bool CountsResources { get; }

    /// <summary>Instruction counts, ascending, at which the run is interrupted; the last one is its end.</summary>
    public IReadOnlyList<ulong> Schedule { get; private set; } = [];

    /// <summary>How the image is loaded.</summary>
    public LoadOptions Load => new() { Format = ImageFormat.Raw, RealModeEntry = RealMode };

    private void Make()
    {
        switch (Kind)
        {
            case IsolationKind.Bytes:
                RealMode = !_random.OneIn(3);
                Image = new byte[1 + _random.Below(600)];
                for (int n = 0; n < Image.Length; n++)
                {
                    Image[n] = (byte)_random.Bits32();
                }

                break;
            case IsolationKind.Noise:
                RealMode = _random.OneIn(2);
                Image = new NoiseCode(_random, !RealMode).Generate(200 + _random.Below(2000));
                break;
            case IsolationKind.Tables:
                Guest = new HostileGuest((HostileKind)_random.Below(Enum.GetValues<HostileKind>().Length), _random.Bits64());
                break;
            default:
                HostileKind start = _random.Pick<HostileKind>([HostileKind.Real, HostileKind.Flat, HostileKind.Flat, HostileKind.Flat, HostileKind.Tables, HostileKind.Based]);
                Guest = new HostileGuest(start, _random.Bits64(), Kind);
                break;
        }
    }

    private void MakeSchedule()
    {
        ulong end = Kind switch
        {
            IsolationKind.Spray => 4000 + (ulong)_random.Below(20_000),
            IsolationKind.Devices or IsolationKind.Strings or IsolationKind.Hypercalls => 500 + (ulong)_random.Below(3000),
            _ => Guest?.Budget ?? (ulong)(_random.OneIn(8) ? 20_000 : 2000),
        };
        SortedSet<ulong> cuts = [end];
        foreach ((ulong at, _) in Guest?.Interrupts ?? [])
        {
            _ = cuts.Add(Math.Min(at, end));
        }

        for (int n = HasNeighbour ? 8 : _random.Below(4); n > 0; n--)
        {
            _ = cuts.Add(1 + (ulong)_random.Below((int)end));
        }

        Schedule = [.. cuts];
    }
}
