using ToyVmm.Hardware;
using ToyVmm.Hardware.Memory;
using ToyVmm.VirtualMachines.Loading;

namespace ToyVmm.VirtualMachines;

/// <content>Machines that go on from another one.</content>
public sealed unsafe partial class VirtualMachine
{
    // A clone that does less is not worth the address space and the time that the translator takes to set up.
    private const ulong WarmUpInstructions = 20_000;

    private bool _warmsUp;
    private ulong _warmUpEnd;

    /// <summary>
    /// Keeps the stopped machine as it is now, for any number of clones to go on from. It goes on itself as well; what it or a clone changes is its own.
    /// </summary>
    /// <returns>The template; dispose of it when no more clones are wanted.</returns>
    /// <exception cref="NotSupportedException">A disk whose image file the guest writes to, pages shared with another guest, or a host without memory that machines can share (other than Linux).</exception>
    /// <exception cref="IOException">The host refuses.</exception>
    /// <remarks>Not while <see cref="Run"/> runs.</remarks>
    public MachineTemplate Freeze()
    {
        if (_config.Disks.FirstOrDefault(disk => disk.Access == DiskAccess.ReadWrite) is { } disk)
        {
            throw new NotSupportedException($"{disk.Path} is written to by the guest, and clones would write to it too: have the disk as a snapshot or read-only");
        }

        MemoryImage memory = Machine.Memory.Freeze();
        Vcpu.NotifyStateChanged();
        return new MachineTemplate(memory, SaveState(), _options, _config, Image, _imageFile);
    }

    /// <summary>Has pages of the stopped machine that are zeros, or equal to its template's again, be everybody's (<see cref="GuestMemory.MergePages"/>).</summary>
    /// <returns>Pages that went back to the host.</returns>
    public ulong MergePages()
    {
        ulong freed = Machine.Memory.MergePages();
        Vcpu.NotifyStateChanged();
        return freed;
    }

    /// <summary>A machine that goes on from a template, which documents the exceptions.</summary>
    internal static VirtualMachine GoOn(MachineTemplate template, VirtualMachineOptions options)
    {
        Machine machine = new(template.Configuration with { MemoryLimit = options.Machine.MemoryLimit }, template.Memory);
        VirtualMachine? vm = null;
        try
        {
            vm = new VirtualMachine(options, template.Configuration, machine, template.Image, template.ImageFile, isClone: true);
            vm._drives.Attach(machine, template.Configuration, template.Image.Disk);
            vm.RestoreState(template.State);
            return vm;
        }
        catch
        {
            vm?.Dispose();
            machine.Dispose();
            throw;
        }
    }

    /// <summary>True where the guest has named a page in which it reads what the host asks for.</summary>
    public bool HasClockPage => Hypercalls.Clock.Address is not null;

    /// <summary>How many pages the host has asked the guest for.</summary>
    public uint BalloonTarget => Hypercalls.Clock.BalloonTarget;

    // What the host or another guest does to this one.
    private void Happen(InputEvent happened)
    {
        switch (happened)
        {
            case EventInput bell:
                Hypercalls.Clock.Ring(bell.Port);
                break;
            case BalloonTargetInput target:
                Hypercalls.Clock.ChangeMemory(target.Pages);
                break;
            case AddMemoryInput more:
                Machine.Memory.Grow(Math.Min(more.Bytes, Machine.Memory.Capacity - Machine.Memory.RamSize));
                NotifyMemoryMapChanged();
                Hypercalls.Clock.ChangeMemory(Hypercalls.Clock.BalloonTarget);
                break;
        }
    }

    // Interprets for a while before the translator is there.
    private ulong WarmUp(ulong budget)
    {
        ulong retired = InstructionsRetired;
        _warmUpEnd = _warmUpEnd == 0 ? retired + WarmUpInstructions : _warmUpEnd;
        if (retired < _warmUpEnd)
        {
            return Math.Min(budget, _warmUpEnd - retired);
        }

        _warmsUp = false;
        WhyInterpreted = _engine.TryTranslate(_options.Translator);
        return budget;
    }
}
