using System.Runtime.CompilerServices;
using ToyVmm.Engines.Decoding;
using ToyVmm.Engines.Probing;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation;

/// <summary>Port accesses and hypercalls: performed in place where the monitor allows it (<see cref="IPortAccess"/>), left for otherwise.</summary>
public sealed unsafe partial class Interpreter
{
    /// <summary>Reads a port for an instruction that ends its block and has changed nothing yet.</summary>
    /// <param name="port">The port.</param>
    /// <param name="size">Bytes.</param>
    /// <param name="eip">EIP of the instruction.</param>
    /// <param name="value">The answer.</param>
    /// <returns>False, with the exit requested, while there is no answer.</returns>
    internal bool ReadPort(uint port, int size, uint eip, out uint value)
    {
        bool isAnswered = false;
        value = 0;
        if (Vcpu.Ports is not { } ports || Vcpu.Io.HasAnswers)
        {
            isAnswered = TryTakeAnswer(port, size, out value);
            ports = Vcpu.Ports;
        }

        if (!isAnswered)
        {
            if (ports is null)
            {
                RequestedExit = new VmExit(ExitReason.PortIo, IsWrite: false, size, port);
                return false;
            }

            // What the monitor sees is what it would see at an exit: the state before the instruction.
            ulong retired = RetiredNow - 1;
            State->Retired = retired;
            State->Eip = eip;
            Vcpu.ExitInstruction = eip;
            ulong budget = ports.Read((ushort)port, size, retired, out value);
            if (budget == 0)
            {
                AnswerLater(port, size, value);
                return false;
            }

            RenewBudget(retired, budget);
        }

        NotePortAccess(port, size);
        Tell(new MicroStep(MicroStepKind.PortRead, port, value, size));
        return true;
    }

    /// <summary>Writes a port for an instruction that ends its block.</summary>
    /// <param name="port">The port.</param>
    /// <param name="size">Bytes.</param>
    /// <param name="value">The value.</param>
    /// <param name="i">The instruction. The guest goes on behind it, or at it where elements are left.</param>
    /// <param name="completes">True where the instruction is complete with this access.</param>
    /// <returns>False when the engine must leave behind the access.</returns>
    internal bool WritePort(uint port, int size, uint value, DecodedInstruction* i, bool completes)
    {
        bool goesOn = false;
        if (Vcpu.Ports is { } ports)
        {
            ulong retired = completes ? RetiredNow : RetiredNow - 1;
            State->Retired = retired;
            State->Eip = completes ? i->NextEip : i->Eip;
            Vcpu.ExitInstruction = i->Eip;
            ulong budget = ports.Write((ushort)port, size, value, retired);
            goesOn = budget != 0;
            if (goesOn)
            {
                RenewBudget(retired, budget);
            }
            else
            {
                Vcpu.Io.Post(new VmExit(ExitReason.PortIoPerformed));
            }
        }
        else
        {
            Vcpu.Io.Post(new VmExit(ExitReason.PortIo, IsWrite: true, size, port, value));
        }

        NotePortAccess(port, size);
        Tell(new MicroStep(MicroStepKind.PortWritten, port, value, size));
        return goesOn;
    }

    /// <summary>Makes a hypercall, with an instruction that ends its block.</summary>
    /// <param name="eip">Where the guest goes on.</param>
    /// <returns>False when the engine must leave behind the instruction.</returns>
    internal bool Hypercall(uint eip)
    {
        Tell(new MicroStep(MicroStepKind.HypercallMade, Value: State->Eax));
        if (Vcpu.Ports is not { } ports)
        {
            RequestedExit = new VmExit(ExitReason.Hypercall);
            return false;
        }

        ulong retired = RetiredNow;
        State->Retired = retired;
        State->Eip = eip;
        ulong budget = ports.Hypercall(retired);
        if (budget == 0)
        {
            RequestedExit = new VmExit(ExitReason.PortIoPerformed);
            return false;
        }

        RenewBudget(retired, budget);
        return true;
    }

    // Blocks lead to each other without looking at anything but the budget: it ends with the running one.
    private void EndBudget()
    {
        _retiredAtEnd -= (ulong)_left;
        _left = 0;
    }

    // The budget of the run, as if it had begun when so many instructions were retired; those of the running block are taken off it already.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void RenewBudget(ulong retired, ulong budget)
    {
        ulong end = retired + Math.Min(budget, long.MaxValue / 2);
        _left += (long)(end - _retiredAtEnd);
        _retiredAtEnd = end;
    }

    // The answer to an exit, or to a read that made the engine leave.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private bool TryTakeAnswer(uint port, int size, out uint value)
    {
        bool isAnswered = Vcpu.Io.TryRead(new VmExit(ExitReason.PortIo, IsWrite: false, size, port), out ulong answer);
        value = (uint)answer;
        return isAnswered;
    }

    // The device has been read, and must not be read again when the instruction starts over behind the exit.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private void AnswerLater(uint port, int size, uint value)
    {
        _ = TryTakeAnswer(port, size, out _);
        Vcpu.CompleteRead(value);
        RequestedExit = new VmExit(ExitReason.PortIoPerformed);
    }
}
