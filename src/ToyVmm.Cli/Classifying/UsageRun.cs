using ToyVmm.Cli.Guests;
using ToyVmm.Cli.Hosting;
using ToyVmm.Engines.Classification;
using ToyVmm.VirtualMachines;

namespace ToyVmm.Cli.Classifying;

/// <summary>A guest's run on the interpreter, with every instruction counted by form and mode. Its output goes nowhere.</summary>
/// <param name="Image">The image's name.</param>
/// <param name="Stop">Why it ended.</param>
/// <param name="Instructions">Instructions retired.</param>
/// <param name="Forms">What it executed.</param>
internal sealed record UsageRun(string Image, StopReason Stop, ulong Instructions, IReadOnlyList<FormUsage> Forms)
{
    /// <summary>The limit where no other is asked for: a minute or two.</summary>
    public const ulong DefaultInstructions = 100_000_000;

    /// <summary>Of what it executed, the times that a monitor which only traps would not have noticed.</summary>
    public ulong Unnoticed => Forms.Aggregate(0ul, (sum, form) => sum + form.Unnoticed);

    /// <summary>Runs the guest.</summary>
    /// <exception cref="UserErrorException">The image is refused.</exception>
    public static UsageRun Execute(ImageSource image, VirtualMachineOptions options, RunLimits limits, HostConsole console)
    {
        InstructionUsage usage = new();
        VirtualMachineOptions watched = options with
        {
            Engine = EngineKind.Interpreter,
            Observer = usage,
            SerialOutput = _ => { },
            Pace = false,
        };
        using VirtualMachine vm = ImageRefusal.Create(image, watched, console);
        vm.Input.Close();
        StopReason stop = vm.Run(limits);
        return new UsageRun(image.Name, stop, vm.InstructionsRetired, [.. usage.Forms]);
    }
}
