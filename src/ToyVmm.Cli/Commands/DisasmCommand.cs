using System.CommandLine;
using System.Globalization;
using ToyVmm.Cli.Guests;
using ToyVmm.Cli.Hosting;
using ToyVmm.Engines.Decoding;
using ToyVmm.Hardware.Cpu;
using ToyVmm.VirtualMachines;

namespace ToyVmm.Cli.Commands;

/// <summary>toyvmm disasm: loads an image as run would, and shows code instead of running it.</summary>
internal sealed class DisasmCommand(HostConsole console)
{
    private const int DefaultCount = 20;
    private readonly MachineArguments _machine = new();
    private readonly Option<string> _count = new("--count", "-n") { HelpName = "N", Description = "How many instructions; the default is 20." };
    private readonly Option<string> _address = new("--address") { HelpName = "ADDR", Description = "Where to begin, a linear address; the default is the entry." };

    /// <summary>Makes the command.</summary>
    public Command Create()
    {
        Command command = new("disasm", "Load a guest image and disassemble it, from its entry or from an address.");
        _machine.AddTo(command);
        command.Options.Add(_count);
        command.Options.Add(_address);
        command.SetAction(Run);
        return command;
    }

    private unsafe int Run(ParseResult parsed)
    {
        ulong count = parsed.GetValue(_count) is { } text ? Quantity.Count("--count", text) : DefaultCount;
        uint? address = parsed.GetValue(_address) is { } where ? Quantity.Address("--address", where) : null;
        ImageSource image = _machine.ReadImage(parsed);
        using VirtualMachine vm = ImageRefusal.Create(image, _machine.ReadOptions(parsed, image), console);
        CpuState* s = vm.Vcpu.State;
        int bitness = s->Cs.Big ? 32 : 16;
        uint offset = address is { } linear ? linear - s->Cs.Base : s->Eip;
        console.Output.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"; {image.Name}: {vm.Image.Format}, entry at {s->Cs.Selector:x4}:{s->Eip:x8}, {bitness}-bit code"));

        Disassembler disassembler = new();
        Span<byte> bytes = stackalloc byte[Disassembler.MaxInstructionLength];
        for (ulong n = 0; n < count; n++)
        {
            int length = Disassembler.ReadCode(vm.Vcpu, s->Cs.Base + offset, bytes);
            if (length == 0)
            {
                console.Output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{s->Cs.Base + offset:x8}  (no memory here)"));
                break;
            }

            DisassembledInstruction instruction = disassembler.Disassemble(bytes[..length], bitness, offset);
            console.Output.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{s->Cs.Base + offset:x8}  {Convert.ToHexStringLower(bytes[..instruction.Length]),-22} {instruction.Text}"));
            offset += (uint)instruction.Length;
        }

        return ExitStatus.Success;
    }
}
