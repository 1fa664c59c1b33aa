using ToyVmm.Debugging.Inspecting;
using ToyVmm.Hardware.Memory;
using ToyVmm.VirtualMachines;

namespace ToyVmm.Debugging;

/// <summary>A guest's memory as a debugger sees it: reads leave no trace - no device is read, no accessed bit set, nothing cached.</summary>
/// <param name="vm">The machine.</param>
/// <param name="changed">Told before the debugger stores something.</param>
public sealed class DebugMemory(VirtualMachine vm, Action changed)
{
    /// <summary>Reads at linear addresses, through the page tables as they are.</summary>
    /// <param name="linear">The first address; behind the last one comes 0.</param>
    /// <param name="bytes">Receives the bytes.</param>
    /// <returns>How many could be read before something that is no memory.</returns>
    public int ReadLinear(uint linear, Span<byte> bytes) => new GuestReader(vm).Read(linear, bytes);

    /// <summary>Reads at guest-physical addresses.</summary>
    /// <returns>How many bytes could be read before something that is no memory.</returns>
    public int ReadPhysical(ulong address, Span<byte> bytes) => new GuestReader(vm, isPhysical: true).Read(address, bytes);

    /// <summary>Stores at linear addresses, whatever the page tables say about writing. ROM and devices are left alone.</summary>
    /// <returns>How many bytes could be stored.</returns>
    public int WriteLinear(uint linear, ReadOnlySpan<byte> bytes)
    {
        int done = 0;
        while (done < bytes.Length)
        {
            uint at = linear + (uint)done;
            int length = Math.Min(bytes.Length - done, (int)(GuestPhysicalAddress.PageSize - (at & 0xFFF)));
            if (vm.Vcpu.Mmu.Peek(at) is not { } physical || WritePhysical(physical.Value, bytes.Slice(done, length)) != length)
            {
                break;
            }

            done += length;
        }

        return done;
    }

    /// <summary>Stores at guest-physical addresses. ROM and devices are left alone.</summary>
    /// <returns>How many bytes could be stored.</returns>
    public int WritePhysical(ulong address, ReadOnlySpan<byte> bytes)
    {
        int done = 0;
        while (done < bytes.Length)
        {
            GuestPhysicalAddress at = new(address + (ulong)done);
            int length = Math.Min(bytes.Length - done, (int)(GuestPhysicalAddress.PageSize - (at.Value & 0xFFF)));
            if (vm.Machine.Memory.KindAt(at) != PageKind.Ram)
            {
                break;
            }

            changed();
            if (!vm.Machine.Memory.TryWrite(at, bytes.Slice(done, length)))
            {
                break;
            }

            done += length;
        }

        return done;
    }
}
