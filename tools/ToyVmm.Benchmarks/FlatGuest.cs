using Iced.Intel;
using ToyVmm.Engines;
using ToyVmm.Engines.Interpretation;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Memory;

namespace ToyVmm.Benchmarks;

/// <summary>A CPU in flat 32-bit protected mode that runs one endless loop: what a micro-benchmark needs, and no board.</summary>
public sealed unsafe class FlatGuest : IDisposable
{
    private const uint Origin = 0x1000;

    private readonly GuestMemory _memory = new(16 << 20);
    private readonly Interpreter _engine;

    /// <summary>Assembles a loop body; a jump back is added.</summary>
    public FlatGuest(Action<Assembler> body, bool paging = false)
    {
        Assembler assembler = new(32);
        Label top = assembler.CreateLabel();
        assembler.Label(ref top);
        body(assembler);
        assembler.jmp(top);
        using MemoryStream code = new();
        _ = assembler.Assemble(new StreamCodeWriter(code), Origin);
        _ = _memory.TryWrite(new GuestPhysicalAddress(Origin), code.ToArray());

        Vcpu = new Vcpu(_memory);
        CpuState* s = Vcpu.State;
        s->Cr0 |= Cr0.PE;
        for (SegmentCache* segment = &s->Es; segment <= &s->Gs; segment++)
        {
            segment->LoadDescriptor(0x10, 0x0000_FFFF, 0x00CF_9300);
        }

        s->Cs.LoadDescriptor(0x08, 0x0000_FFFF, 0x00CF_9B00);
        (s->Eip, s->Esp) = (Origin, 0x9000);
        if (paging)
        {
            // The first 16 MiB one to one, in 4 MiB pages.
            for (uint n = 0; n < 4; n++)
            {
                _ = _memory.TryWrite(new GuestPhysicalAddress(0x10_0000 + (n * 4)), BitConverter.GetBytes((n << 22) | 0x83));
            }

            (s->Cr3, s->Cr4) = (0x10_0000, Cr4.PSE);
            s->Cr0 |= Cr0.PG;
        }

        _engine = new Interpreter(Vcpu);
    }

    /// <summary>The CPU.</summary>
    public Vcpu Vcpu { get; }

    /// <summary>Runs so many instructions, answering every exit with zero.</summary>
    public ulong Run(ulong instructions)
    {
        ulong end = Vcpu.State->Retired + instructions;
        while (Vcpu.State->Retired < end)
        {
            VmExit exit = _engine.Run(end - Vcpu.State->Retired);
            if (exit is { Reason: ExitReason.PortIo or ExitReason.Mmio, IsWrite: false })
            {
                Vcpu.CompleteRead(0);
            }
        }

        return Vcpu.State->Retired;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _engine.Dispose();
        Vcpu.Dispose();
        _memory.Dispose();
    }
}
