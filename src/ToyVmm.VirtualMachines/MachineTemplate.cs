using ToyVmm.Hardware;
using ToyVmm.Hardware.Memory;
using ToyVmm.VirtualMachines.Loading;

namespace ToyVmm.VirtualMachines;

/// <summary>A machine as it was at one moment, from which any number of clones go on: each has the same memory, and copies the pages that it writes to.</summary>
/// <example>
/// <code>
/// using VirtualMachine vm = VirtualMachine.Create(image);
/// vm.Run(new RunLimits { MaxInstructions = 1_000_000 });      // boots
/// using MachineTemplate template = vm.Freeze();
/// using VirtualMachine clone = template.Clone();
/// clone.Run();
/// </code>
/// </example>
public sealed class MachineTemplate : IDisposable
{
    private readonly VirtualMachineOptions _options;

    internal MachineTemplate(MemoryImage memory, byte[] state, VirtualMachineOptions options, MachineConfig configuration, LoadedImage image, ReadOnlyMemory<byte> imageFile)
    {
        Memory = memory;
        State = state;
        Configuration = configuration;
        Image = image;
        ImageFile = imageFile;
        _options = options;
    }

    /// <summary>RAM.</summary>
    internal MemoryImage Memory { get; }

    /// <summary>Everything else (<see cref="VirtualMachine.SaveState"/>).</summary>
    internal byte[] State { get; }

    /// <summary>The hardware, with its firmware.</summary>
    internal MachineConfig Configuration { get; }

    /// <summary>What was loaded once.</summary>
    internal LoadedImage Image { get; }

    /// <summary>From what: for a reset.</summary>
    internal ReadOnlyMemory<byte> ImageFile { get; }

    /// <summary>Makes a machine that goes on from here; from any thread.</summary>
    /// <param name="change">Gives it other options - who takes its output, its number, its limits, its engine -; null for the template's. The hardware stays what it is, but for the memory limit.</param>
    /// <exception cref="IOException">The host refuses memory or addresses.</exception>
    /// <exception cref="DriveException">The file of a disk or CD-ROM cannot be opened any more.</exception>
    /// <exception cref="InvalidStateException">The options describe other hardware.</exception>
    public VirtualMachine Clone(Func<VirtualMachineOptions, VirtualMachineOptions>? change = null) =>
        VirtualMachine.GoOn(this, change is null ? _options : change(_options));

    /// <inheritdoc/>
    /// <remarks>Clones live on.</remarks>
    public void Dispose() => Memory.Dispose();
}
