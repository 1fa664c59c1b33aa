using System.CommandLine;
using System.Globalization;
using ToyVmm.Cli.Guests;
using ToyVmm.Cli.Hosting;
using ToyVmm.Engines.Decoding;
using ToyVmm.Engines.Translation;
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

    private readonly Option<bool> _translated = new("--translated")
    {
        Description = "Show what the translator makes of it: the guest's instructions, the host's beside them, and why they differ (Linux on x86-64).",
    };

    /// <summary>Makes the command.</summary>
    public Command Create()
    {
        Command command = new("disasm", "Load a guest image and disassemble it, from its entry or from an address.");
        _machine.AddTo(command);
        command.Options.Add(_count);
        command.Options.Add(_address);
        command.Options.Add(_translated);
        command.SetAction(Run);
        return command;
    }

    private unsafe int Run(ParseResult parsed)
    {
        ulong count = parsed.GetValue(_count) is { } text ? Quantity.Count("--count", text) : DefaultCount;
        uint? address = parsed.GetValue(_address) is { } where ? Quantity.Address("--address", where) : null;
        bool translated = parsed.GetValue(_translated);
        if (translated && VirtualMachine.TranslatorUnavailable is { } reason)
        {
            throw UserErrorException.Usage($"--translated: not on this host: {reason}");
        }

        ImageSource image = _machine.ReadImage(parsed);
        using VirtualMachine vm = ImageRefusal.Create(image, _machine.ReadOptions(parsed, image), console);
        CpuState* s = vm.Vcpu.State;
        int bitness = s->Cs.Big ? 32 : 16;
        uint offset = address is { } linear ? linear - s->Cs.Base : s->Eip;
        console.Output.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"; {image.Name}: {vm.Image.Format}, entry at {s->Cs.Selector:x4}:{s->Eip:x8}, {bitness}-bit code"));

        if (translated)
        {
            ShowTranslated(vm, offset, count);
            return ExitStatus.Success;
        }

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

    // Three columns, as wide as most need; whole blocks.
    private unsafe void ShowTranslated(VirtualMachine vm, uint offset, ulong count)
    {
        using TranslationListing listing = new(vm.Vcpu);
        Write("; guest", "host", "why it is not the guest's");
        for (ulong n = 0; n < count;)
        {
            if (listing.Translate(offset, out IReadOnlyList<TranslationLine> lines) is not { } next)
            {
                console.Output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{vm.Vcpu.State->Cs.Base + offset:x8}  (no memory here)"));
                break;
            }

            console.Output.WriteLine();
            foreach (TranslationLine line in lines)
            {
                n += line.Address is null ? 0UL : 1;
                Write(line.Address is { } at ? string.Create(CultureInfo.InvariantCulture, $"{at:x8}  {line.Guest}") : "", line.Host, line.Reason);
            }

            offset = next;
        }
    }

    private void Write(string guest, string host, string reason) =>
        console.Output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{guest,-46} {host,-44} {reason}").TrimEnd());
}
