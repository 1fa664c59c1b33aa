using System.Globalization;
using ToyVmm.Engines;
using ToyVmm.Engines.Decoding;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.VirtualMachines.Tracing;

/// <summary>
/// Writes what happens in a machine, one line an event: the number of instructions retired before it, where it happened
/// (CS:EIP), and what it is. Attach it as <see cref="VirtualMachineOptions.Observer"/>, <see cref="OnExit"/> as
/// <see cref="VirtualMachineOptions.ExitObserver"/>, and <see cref="OnRead"/> as <see cref="VirtualMachineOptions.ReadObserver"/>.
/// </summary>
/// <example>
/// <code>
///          214 0008:00100042  trap  #PF error 00000002 CR2 00400000
///          230 0008:0010004c  exit  out 0x3f8, byte 0x48
/// </code>
/// </example>
/// <param name="output">Takes the lines; the writer does not close it.</param>
/// <param name="level">How much to write.</param>
/// <param name="mostBytes">How many bytes at most, whole lines; <see cref="Full"/> is told of the first that is dropped.</param>
public sealed unsafe class TraceWriter(TextWriter output, TraceLevel level, ulong mostBytes = ulong.MaxValue) : IEngineObserver
{
    private ulong _bytes;
    private bool _full;

    private readonly Disassembler? _disassembler = level == TraceLevel.Instructions ? new() : null;

    /// <summary>Called once, with the limit, when a line would go beyond it.</summary>
    public Action<ulong>? Full { get; set; }

    /// <inheritdoc/>
    public bool WantsInstructions => level == TraceLevel.Instructions;

    /// <inheritdoc/>
    public void BeforeInstruction(Vcpu vcpu)
    {
        ArgumentNullException.ThrowIfNull(vcpu);
        if (_disassembler is null)
        {
            return;
        }

        Span<byte> bytes = stackalloc byte[Disassembler.MaxInstructionLength];
        DisassembledInstruction instruction = _disassembler.DisassembleNext(vcpu, bytes);
        Write(vcpu, $"      {Convert.ToHexStringLower(bytes[..instruction.Length]),-22} {instruction.Text}");
    }

    /// <inheritdoc/>
    public void BeforeTrap(Vcpu vcpu, in TrapInfo trap)
    {
        ArgumentNullException.ThrowIfNull(vcpu);
        Write(vcpu, "trap  " + Describe(trap));
    }

    /// <summary>Takes an exit: see <see cref="VirtualMachineOptions.ExitObserver"/>.</summary>
    /// <param name="machine">The machine.</param>
    /// <param name="exit">The exit, not yet handled. A read is written when it is answered: see <see cref="OnRead"/>.</param>
    public void OnExit(VirtualMachine machine, VmExit exit)
    {
        ArgumentNullException.ThrowIfNull(machine);
        bool isRead = exit.Reason is ExitReason.PortIo or ExitReason.Mmio && !exit.IsWrite;
        if (level >= TraceLevel.Exits && exit.Reason != ExitReason.BudgetSpent && !isRead)
        {
            Write(machine.Vcpu, "exit  " + Describe(exit, machine.Vcpu));
        }
    }

    /// <summary>Takes an answered read: see <see cref="VirtualMachineOptions.ReadObserver"/>.</summary>
    /// <param name="machine">The machine.</param>
    /// <param name="exit">The exit, with the answer.</param>
    public void OnRead(VirtualMachine machine, VmExit exit)
    {
        ArgumentNullException.ThrowIfNull(machine);
        if (level >= TraceLevel.Exits)
        {
            Write(machine.Vcpu, "exit  " + Describe(exit, machine.Vcpu));
        }
    }

    /// <summary>A trap in words: "#PF error 00000002 CR2 00400000", "INT 0x80", "IRQ vector 0x20".</summary>
    /// <param name="trap">The trap.</param>
    public static string Describe(in TrapInfo trap) => trap.Source switch
    {
        TrapSource.ExternalInterrupt => string.Create(CultureInfo.InvariantCulture, $"interrupt, vector 0x{trap.Vector:x2}"),
        TrapSource.SoftwareInterrupt => string.Create(CultureInfo.InvariantCulture, $"INT 0x{trap.Vector:x2}"),
        TrapSource.Nmi => "NMI",
        _ => Vector.Name(trap.Vector)
            + (Vector.HasErrorCode(trap.Vector) ? string.Create(CultureInfo.InvariantCulture, $" error {trap.ErrorCode:x8}") : "")
            + (trap.Vector == Vector.PageFault ? string.Create(CultureInfo.InvariantCulture, $" CR2 {trap.FaultAddress:x8}") : ""),
    };

    private static string Describe(in VmExit exit, Vcpu vcpu) => exit.Reason switch
    {
        ExitReason.PortIo when exit.IsWrite => string.Create(CultureInfo.InvariantCulture, $"out 0x{exit.Address:x}, {Width(exit.Width)} 0x{exit.Value:x}"),
        ExitReason.PortIo => string.Create(CultureInfo.InvariantCulture, $"in 0x{exit.Address:x}, {Width(exit.Width)} 0x{exit.Value:x}"),
        ExitReason.Mmio when exit.IsWrite => string.Create(CultureInfo.InvariantCulture, $"write {Width(exit.Width)} 0x{exit.Value:x} at 0x{exit.Address:x8}"),
        ExitReason.Mmio => string.Create(CultureInfo.InvariantCulture, $"read {Width(exit.Width)} 0x{exit.Value:x} at 0x{exit.Address:x8}"),
        ExitReason.Hypercall => string.Create(CultureInfo.InvariantCulture, $"hypercall {vcpu.State->Eax} (0x{vcpu.State->Ebx:x}, 0x{vcpu.State->Ecx:x}, 0x{vcpu.State->Edx:x})"),
        ExitReason.Halt => "hlt",
        ExitReason.InterruptWindow => "interrupt window",
        ExitReason.ApicBaseWritten => "local APIC moved",
        ExitReason.Cancelled => "cancelled",
        ExitReason.Shutdown => "shutdown",
        _ => exit.Reason.ToString(),
    };

    private static string Width(int bytes) => bytes switch
    {
        1 => "byte",
        2 => "word",
        4 => "dword",
        8 => "qword",
        _ => string.Create(CultureInfo.InvariantCulture, $"{bytes} bytes"),
    };

    private void Write(Vcpu vcpu, string what)
    {
        CpuState* s = vcpu.State;
        if (_full)
        {
            return;
        }

        // ASCII throughout: a character is a byte.
        string line = string.Create(CultureInfo.InvariantCulture, $"{s->Retired,12} {s->Cs.Selector:x4}:{s->Eip:x8}  {what}");
        ulong size = (ulong)(line.Length + output.NewLine.Length);
        if (mostBytes - _bytes < size)
        {
            _full = true;
            Full?.Invoke(mostBytes);
            return;
        }

        _bytes += size;
        output.WriteLine(line);
    }
}
