using ToyVmm.Hardware.Memory;

namespace ToyVmm.Hardware.Buses;

/// <summary>
/// The devices in the physical address space. Ranges do not overlap. An access that crosses the edge of a range is split into
/// bytes; bytes that nobody answers read as 0xFF and their stores are lost.
/// </summary>
public sealed class MmioBus
{
    private readonly List<Mapping> _mappings = [];

    /// <summary>Called for an access that found no device at any of its bytes.</summary>
    public Action<UnmappedAccess>? UnmappedAccess { get; set; }

    /// <summary>Gives a range of physical addresses to a device.</summary>
    /// <param name="first">The first byte; the device sees it as offset 0.</param>
    /// <param name="length">Bytes.</param>
    /// <param name="device">Who answers.</param>
    /// <exception cref="ArgumentOutOfRangeException">The range is empty.</exception>
    /// <exception cref="InvalidOperationException">The range overlaps another device's.</exception>
    public void Map(GuestPhysicalAddress first, uint length, IMmioDevice device)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentOutOfRangeException.ThrowIfZero(length);
        foreach (Mapping taken in _mappings)
        {
            if (first.Value < taken.First + taken.Length && taken.First < first.Value + length)
            {
                throw new InvalidOperationException($"{device.GetType().Name} at {first} overlaps {taken.Device.GetType().Name} at 0x{taken.First:x8}");
            }
        }

        _mappings.Add(new Mapping(first.Value, length, device));
    }

    /// <summary>True when no device has any byte of a range.</summary>
    /// <param name="first">The first byte.</param>
    /// <param name="length">Bytes.</param>
    public bool IsFree(GuestPhysicalAddress first, uint length) =>
        !_mappings.Exists(taken => first.Value < taken.First + taken.Length && taken.First < first.Value + length);

    /// <summary>True when a device has a range.</summary>
    /// <param name="device">The device.</param>
    public bool IsMapped(IMmioDevice device) => _mappings.Exists(taken => ReferenceEquals(taken.Device, device));

    /// <summary>Who has a byte; null for nobody. For reports: nothing is accessed.</summary>
    /// <param name="address">The byte.</param>
    public IMmioDevice? DeviceAt(GuestPhysicalAddress address) => Find(address.Value, 1)?.Device;

    /// <summary>Takes the range that starts at <paramref name="first"/> off the bus (PCI functions move their ranges).</summary>
    /// <returns>False when no range starts there.</returns>
    public bool Unmap(GuestPhysicalAddress first) => _mappings.RemoveAll(mapping => mapping.First == first.Value) > 0;

    /// <summary>Takes a device off the bus, wherever it lies.</summary>
    /// <param name="device">The device.</param>
    /// <returns>False when it has no range.</returns>
    public bool Unmap(IMmioDevice device) => _mappings.RemoveAll(mapping => ReferenceEquals(mapping.Device, device)) > 0;

    /// <summary>The guest loads from an address that is not memory.</summary>
    /// <param name="address">The first byte.</param>
    /// <param name="width">Bytes: 1, 2, 4 or 8.</param>
    /// <returns>The value, zero-extended.</returns>
    public ulong Read(GuestPhysicalAddress address, int width)
    {
        if (Find(address.Value, width) is { } mapping)
        {
            return mapping.Device.Read((uint)(address.Value - mapping.First), width) & AllOnes(width);
        }

        if (NobodyAnswers(address.Value, width))
        {
            UnmappedAccess?.Invoke(new UnmappedAccess(address.Value, width, IsWrite: false, AllOnes(width)));
            return AllOnes(width);
        }

        ulong value = 0;
        for (int index = 0; index < width; index++)
        {
            value |= Read(address + (ulong)index, 1) << (8 * index);
        }

        return value;
    }

    /// <summary>The guest stores to an address that is not memory.</summary>
    /// <param name="address">The first byte.</param>
    /// <param name="width">Bytes: 1, 2, 4 or 8.</param>
    /// <param name="value">The value; bits above <paramref name="width"/> are ignored.</param>
    public void Write(GuestPhysicalAddress address, int width, ulong value)
    {
        value &= AllOnes(width);
        if (Find(address.Value, width) is { } mapping)
        {
            mapping.Device.Write((uint)(address.Value - mapping.First), width, value);
            return;
        }

        if (NobodyAnswers(address.Value, width))
        {
            UnmappedAccess?.Invoke(new UnmappedAccess(address.Value, width, IsWrite: true, value));
            return;
        }

        for (int index = 0; index < width; index++)
        {
            Write(address + (ulong)index, 1, value >> (8 * index));
        }
    }

    private static ulong AllOnes(int width) => ulong.MaxValue >> (64 - (8 * width));

    private Mapping? Find(ulong address, int width)
    {
        foreach (Mapping mapping in _mappings)
        {
            if (address >= mapping.First && address + (ulong)width <= mapping.First + mapping.Length)
            {
                return mapping;
            }
        }

        return null;
    }

    private bool NobodyAnswers(ulong address, int width)
    {
        for (int index = 0; index < width; index++)
        {
            if (Find(address + (ulong)index, 1) is not null)
            {
                return false;
            }
        }

        return true;
    }

    private sealed record Mapping(ulong First, uint Length, IMmioDevice Device);
}
