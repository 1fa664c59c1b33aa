using System.Buffers.Binary;
using ToyVmm.Hardware.Memory;
using ToyVmm.VirtualMachines;

namespace ToyVmm.Debugging.Inspecting;

/// <summary>
/// Reads the memory of a stopped guest and leaves no trace: no accessed bit, no TLB entry, and no device is touched - what belongs to one
/// cannot be read.
/// </summary>
/// <param name="machine">The machine.</param>
/// <param name="isPhysical">True for guest-physical addresses, false for linear ones as the page tables stand now.</param>
public readonly struct GuestReader(VirtualMachine machine, bool isPhysical = false)
{
    /// <summary>The machine.</summary>
    public VirtualMachine Machine => machine;

    /// <summary>True for guest-physical addresses.</summary>
    public bool IsPhysical => isPhysical;

    /// <summary>Reads bytes.</summary>
    /// <param name="address">Where; linear addresses wrap around at 4 GiB.</param>
    /// <param name="bytes">Receives them.</param>
    /// <returns>How many bytes there were before something that is no memory.</returns>
    public int Read(ulong address, Span<byte> bytes)
    {
        const ulong PageMask = GuestPhysicalAddress.PageSize - 1;
        int count = 0;
        while (count < bytes.Length)
        {
            ulong at = isPhysical ? address + (uint)count : (uint)(address + (uint)count);
            int piece = (int)Math.Min((ulong)(bytes.Length - count), GuestPhysicalAddress.PageSize - (at & PageMask));
            GuestPhysicalAddress? physical = isPhysical ? new GuestPhysicalAddress(at) : machine.Vcpu.Mmu.Peek((uint)at);
            if (physical is not { } found || !machine.Machine.Memory.TryRead(found, bytes.Slice(count, piece)))
            {
                break;
            }

            count += piece;
        }

        return count;
    }

    /// <summary>Reads a little-endian number.</summary>
    /// <param name="address">Where.</param>
    /// <param name="size">Bytes, 1 to 8.</param>
    /// <param name="value">The number.</param>
    /// <returns>False where there is no memory.</returns>
    public bool TryRead(ulong address, int size, out ulong value)
    {
        Span<byte> bytes = stackalloc byte[8];
        bytes.Clear();
        bool read = Read(address, bytes[..size]) == size;
        value = read ? BinaryPrimitives.ReadUInt64LittleEndian(bytes) : 0;
        return read;
    }
}
