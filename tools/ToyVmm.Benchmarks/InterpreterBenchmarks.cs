using BenchmarkDotNet.Attributes;
using Iced.Intel;
using ToyVmm.Engines;
using static Iced.Intel.AssemblerRegisters;

namespace ToyVmm.Benchmarks;

/// <summary>What the interpreter's parts cost: time for 10,000 guest instructions of one kind.</summary>
public class InterpreterBenchmarks
{
    private const int Instructions = 10_000;

    private FlatGuest _registers = null!;
    private FlatGuest _observed = null!;
    private FlatGuest _memory = null!;
    private FlatGuest _calls = null!;
    private FlatGuest _translations = null!;
    private FlatGuest _exits = null!;

    /// <summary>Builds the guests.</summary>
    [GlobalSetup]
    public void Build()
    {
        static void Registers(Assembler a)
        {
            for (int n = 0; n < 8; n++)
            {
                a.add(eax, ebx);
                a.xor(ecx, eax);
            }
        }

        _registers = new FlatGuest(Registers);
        _observed = new FlatGuest(Registers);
        _observed.Vcpu.Observer = new Silent();
        _memory = new FlatGuest(a =>
        {
            for (int n = 0; n < 8; n++)
            {
                a.mov(eax, __dword_ptr[0x8000 + (n * 4)]);
                a.add(__dword_ptr[0x8100 + (n * 4)], eax);
            }
        });
        _calls = new FlatGuest(a =>
        {
            Label function = a.CreateLabel();
            Label over = a.CreateLabel();
            a.call(function);
            a.jmp(over);
            a.Label(ref function);
            a.ret();
            a.Label(ref over);
            a.nop();
        });
        _translations = new FlatGuest(a =>
        {
            a.mov(eax, cr3);
            a.mov(cr3, eax);
            a.mov(edx, __dword_ptr[0x8000]);
        }, paging: true);
        _exits = new FlatGuest(a => a.@in(al, 0x80));
    }

    /// <summary>Frees them.</summary>
    [GlobalCleanup]
    public void Free()
    {
        foreach (FlatGuest guest in new[] { _registers, _observed, _memory, _calls, _translations, _exits })
        {
            guest.Dispose();
        }
    }

    /// <summary>Register arithmetic: dispatch and lazy flags.</summary>
    [Benchmark(Baseline = true, OperationsPerInvoke = Instructions)]
    public ulong RegisterArithmetic() => _registers.Run(Instructions);

    /// <summary>The same with an observer that is told of traps only: tracing must cost nothing where nothing is traced.</summary>
    [Benchmark(OperationsPerInvoke = Instructions)]
    public ulong RegisterArithmeticObserved() => _observed.Run(Instructions);

    /// <summary>Loads, and read-modify-writes, that hit the TLB's projection.</summary>
    [Benchmark(OperationsPerInvoke = Instructions)]
    public ulong MemoryOperands() => _memory.Run(Instructions);

    /// <summary>CALL, RET and a jump.</summary>
    [Benchmark(OperationsPerInvoke = Instructions)]
    public ulong CallsAndReturns() => _calls.Run(Instructions);

    /// <summary>MOV CR3 and the page walks behind it.</summary>
    [Benchmark(OperationsPerInvoke = Instructions)]
    public ulong FlushesAndWalks() => _translations.Run(Instructions);

    /// <summary>IN: one exit and re-entry every second instruction.</summary>
    [Benchmark(OperationsPerInvoke = Instructions)]
    public ulong PortExits() => _exits.Run(Instructions);

    private sealed class Silent : IEngineObserver
    {
        public bool WantsInstructions => false;

        public void BeforeInstruction(Vcpu vcpu)
        {
        }

        public void BeforeTrap(Vcpu vcpu, in TrapInfo trap)
        {
        }
    }
}
