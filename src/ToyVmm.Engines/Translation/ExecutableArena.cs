using System.Runtime.InteropServices;
using Iced.Intel;
using ToyVmm.Engines.ShadowPaging;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Memory;
using static Iced.Intel.AssemblerRegisters;

namespace ToyVmm.Engines.Translation;

/// <summary>
/// The one range of host addresses in which emitted code runs, for any number of virtual machines. There is one a process because
/// signal handlers are one a process: a fault whose instruction lies in this range belongs to a guest, any other goes to the
/// runtime's handler, which was there before.
/// </summary>
/// <remarks>
/// The handler is machine code: no managed code runs in a signal (the garbage collector may be at work). It stores what happened
/// before the <see cref="CpuState"/> that R15 points to and lets the thread go on at the fault stub.
/// </remarks>
internal sealed unsafe class ExecutableArena
{
    /// <summary>The bytes of one code cache.</summary>
    public const int ChunkSize = TranslatorOptions.LargestCodeCache;

    /// <summary>The largest budget that the ramp can count.</summary>
    public const long LongestBudget = 1 << 20;

    /// <summary>The bytes from <see cref="Base"/> on in which emitted code can lie.</summary>
    public const long Size = (long)ChunkSize * ChunkCount;

    private const int ChunkCount = 4096;
    private const int StubBytes = 4096;
    private const int SignalBus = 7;
    private const int SignalFloatingPoint = 8;
    private const int SignalSegmentation = 11;

    // ucontext_t, Linux x86-64: gregs start at byte 40, 8 bytes each; R15 is number 7, RIP 16, ERR 19, TRAPNO 20, CR2 22.
    private const int ContextR15 = 40 + (7 * 8);
    private const int ContextRip = 40 + (16 * 8);
    private const int ContextError = 40 + (19 * 8);
    private const int ContextTrap = 40 + (20 * 8);
    private const int ContextCr2 = 40 + (22 * 8);

    private static readonly Lazy<ExecutableArena> s_process = new(() => new ExecutableArena());

    private readonly Lock _lock = new();
    private readonly Stack<int> _free = new();
    private int _used;

    private ExecutableArena()
    {
        if (!OperatingSystem.IsLinux() || RuntimeInformation.ProcessArchitecture != Architecture.X64)
        {
            Unavailable = $"it needs Linux on x86-64; this is {RuntimeInformation.OSDescription} on {RuntimeInformation.ProcessArchitecture}";
            return;
        }

        if (!HostMemory.HasFsGsBase)
        {
            Unavailable = "the kernel does not let programs write the GS base (Linux 5.9 and later do)";
            return;
        }

        Base = HostMemory.Reserve(unchecked((nuint)((ulong)ChunkSize * ChunkCount)));
        nint ramp = HostMemory.AllocateSparse((nuint)LongestBudget + (2 * HostMemory.PageSize), HostMemory.Read);
        nint stubs = HostMemory.AllocateSparse(StubBytes, HostMemory.Read | HostMemory.Write);
        if (Base == 0 || ramp == 0 || stubs == 0 || !HostMemory.Protect(ramp, HostMemory.PageSize, HostMemory.None))
        {
            Unavailable = "the host does not give the address space";
            return;
        }

        Ramp = ramp + (nint)HostMemory.PageSize;
        int[] signals = [SignalSegmentation, SignalBus, SignalFloatingPoint];
        HostSignal.Action[] actions = Array.ConvertAll(signals, HostSignal.Current);
        nint[] previous = Array.ConvertAll(actions, action => action.Handler);
        if (Array.Exists(previous, handler => handler is 0 or 1))
        {
            Unavailable = "the runtime has no handler for memory faults that could be chained to";
            return;
        }

        Enter = (delegate* unmanaged<CpuState*, nint, void>)stubs;
        int used = Emit(stubs, 0, EmitEnter);
        nint fault = stubs + used;
        used += Emit(stubs, used, a => EmitExit(a, ExitKind.Fault));
        nint handler = stubs + used;
        _ = Emit(stubs, used, a => EmitHandler(a, fault, previous));
        if (!HostMemory.Protect(stubs, StubBytes, HostMemory.Read | HostMemory.Execute))
        {
            Unavailable = "the host does not allow executable memory";
            return;
        }

        for (int n = 0; n < signals.Length; n++)
        {
            Install(signals[n], handler, actions[n]);
        }
    }

    /// <summary>The process's arena.</summary>
    public static ExecutableArena Process => s_process.Value;

    /// <summary>Null, or why emitted code cannot run here.</summary>
    public string? Unavailable { get; }

    /// <summary>Its first address.</summary>
    public nint Base { get; }

    /// <summary>
    /// Where the budget ramp starts: R14 is this address plus the instructions left. A block subtracts its count with LEA and
    /// reads the byte R14 points to: below the start nothing can be read. So counting touches no flag.
    /// </summary>
    public nint Ramp { get; }

    /// <summary>The host mappings of all views.</summary>
    public MappingBudget Mappings { get; } = new();

    /// <summary>Enters emitted code: (state, host address). Returns when the code exits.</summary>
    public delegate* unmanaged<CpuState*, nint, void> Enter { get; }

    /// <summary>Takes a chunk; 0 when there is none left.</summary>
    public nint Take()
    {
        lock (_lock)
        {
            return _free.TryPop(out int chunk) || (chunk = _used++) < ChunkCount ? Base + ((nint)chunk * ChunkSize) : 0;
        }
    }

    /// <summary>Gives a chunk back, unmapped.</summary>
    public void Return(nint chunk)
    {
        lock (_lock)
        {
            _free.Push((int)((chunk - Base) / ChunkSize));
        }
    }

    /// <summary>Emits the common way out: everything into the state, back to the dispatcher.</summary>
    /// <param name="a">Where to.</param>
    /// <param name="kind">Why; <see cref="ExitKind.None"/> where R8D says it.</param>
    public static void EmitExit(Assembler a, ExitKind kind)
    {
        if (kind != ExitKind.None)
        {
            a.mov(r8d, (uint)kind);
        }

        a.mov(__dword_ptr[r15 + StateOffset.Eax], eax);
        a.mov(__dword_ptr[r15 + StateOffset.Ecx], ecx);
        a.mov(__dword_ptr[r15 + StateOffset.Edx], edx);
        a.mov(__dword_ptr[r15 + StateOffset.Ebx], ebx);
        a.mov(__dword_ptr[r15 + StateOffset.Esp], r12d);
        a.mov(__dword_ptr[r15 + StateOffset.Ebp], ebp);
        a.mov(__dword_ptr[r15 + StateOffset.Esi], esi);
        a.mov(__dword_ptr[r15 + StateOffset.Edi], edi);
        a.mov(__dword_ptr[r15 + StateOffset.HostExit], r8d);
        a.mov(__qword_ptr[r15 + StateOffset.HostBudget], r14);
        a.mov(rsp, __qword_ptr[r15 + StateOffset.HostStack]);
        a.pushfq();
        a.pop(__qword_ptr[r15 + StateOffset.HostFlags]);
        a.cld();
        Label away = a.CreateLabel();
        a.cmp(__dword_ptr[r15 + StateOffset.FpuAway], 0);
        a.jne(away);
        a.mov(r8, __qword_ptr[r15 + StateOffset.HostFpuImage]);
        a.fxsave(__[r8]);
        a.fninit();
        a.ldmxcsr(__dword_ptr[r15 + StateOffset.HostMxcsr]);
        a.Label(ref away);
        a.add(rsp, 8);
        a.pop(r15);
        a.pop(r14);
        a.pop(r13);
        a.pop(r12);
        a.pop(rbp);
        a.pop(rbx);
        a.ret();
    }

    // void Enter(CpuState* state, void* code), System V: RDI, RSI.
    private static void EmitEnter(Assembler a)
    {
        const uint Arithmetic = Eflags.CF | Eflags.PF | Eflags.AF | Eflags.ZF | Eflags.SF | Eflags.OF;
        a.push(rbx);
        a.push(rbp);
        a.push(r12);
        a.push(r13);
        a.push(r14);
        a.push(r15);
        a.sub(rsp, 8);
        a.mov(r15, rdi);
        a.mov(r9, rsi);
        a.mov(__qword_ptr[r15 + StateOffset.HostStack], rsp);

        // Writing GS costs ten times as much as reading it.
        Label sameView = a.CreateLabel();
        a.mov(r8, __qword_ptr[r15 + StateOffset.HostView]);
        a.rdgsbase(r10);
        a.cmp(r8, r10);
        a.je(sameView);
        a.wrgsbase(r8);
        a.Label(ref sameView);
        a.mov(r10, __qword_ptr[r15 + StateOffset.HostCodeCache]);
        a.mov(r11, __qword_ptr[r15 + StateOffset.HostJumpTable]);
        a.mov(r14, __qword_ptr[r15 + StateOffset.HostBudget]);
        a.mov(r12d, __dword_ptr[r15 + StateOffset.Esp]);
        Label away = a.CreateLabel();
        a.cmp(__dword_ptr[r15 + StateOffset.FpuAway], 0);
        a.jne(away);
        a.stmxcsr(__dword_ptr[r15 + StateOffset.HostMxcsr]);
        a.mov(r8, __qword_ptr[r15 + StateOffset.HostFpuImage]);
        a.fxrstor(__[r8]);
        a.Label(ref away);

        // SAHF loads five of the flags from AH and leaves OF alone, which 7F + AL has just set or cleared; POPFQ, which DF needs, takes ten times as long.
        Label direct = a.CreateLabel();
        Label restored = a.CreateLabel();
        a.mov(ecx, __dword_ptr[r15 + StateOffset.HostFlags]);
        a.test(ecx, ~Arithmetic);
        a.je(direct);
        a.push(__qword_ptr[r15 + StateOffset.HostFlags]);
        a.popfq();
        a.jmp(restored);
        a.Label(ref direct);
        a.mov(eax, ecx);
        a.shr(eax, 11);
        a.and(eax, 1);
        a.mov(ah, cl);
        a.add(al, 0x7F);
        a.sahf();
        a.Label(ref restored);
        a.mov(eax, __dword_ptr[r15 + StateOffset.Eax]);
        a.mov(ecx, __dword_ptr[r15 + StateOffset.Ecx]);
        a.mov(edx, __dword_ptr[r15 + StateOffset.Edx]);
        a.mov(ebx, __dword_ptr[r15 + StateOffset.Ebx]);
        a.mov(ebp, __dword_ptr[r15 + StateOffset.Ebp]);
        a.mov(esi, __dword_ptr[r15 + StateOffset.Esi]);
        a.mov(edi, __dword_ptr[r15 + StateOffset.Edi]);
        a.jmp(r9);
    }

    // void handler(int signal, siginfo_t* info, ucontext_t* context): RDI, RSI, RDX.
    private void EmitHandler(Assembler a, nint faultStub, nint[] previous)
    {
        Label notOurs = a.CreateLabel();
        Label notSegmentation = a.CreateLabel();
        Label notBus = a.CreateLabel();
        a.mov(rax, __qword_ptr[rdx + ContextRip]);
        a.mov(rcx, (long)Base);
        a.sub(rax, rcx);
        a.mov(rcx, (long)ChunkSize * ChunkCount);
        a.cmp(rax, rcx);
        a.jae(notOurs);
        a.mov(rcx, __qword_ptr[rdx + ContextR15]);
        a.mov(rax, __qword_ptr[rdx + ContextRip]);
        a.mov(__qword_ptr[rcx + StateOffset.HostFaultInstruction], rax);
        a.mov(rax, __qword_ptr[rdx + ContextCr2]);
        a.mov(__qword_ptr[rcx + StateOffset.HostFaultAddress], rax);
        a.mov(eax, __dword_ptr[rdx + ContextTrap]);
        a.mov(__dword_ptr[rcx + StateOffset.HostFaultReason], eax);
        a.mov(eax, __dword_ptr[rdx + ContextError]);
        a.mov(__dword_ptr[rcx + StateOffset.HostFaultReason + 4], eax);
        a.mov(rax, (long)faultStub);
        a.mov(__qword_ptr[rdx + ContextRip], rax);
        a.ret();
        a.Label(ref notOurs);
        a.cmp(edi, SignalSegmentation);
        a.jne(notSegmentation);
        a.mov(rax, (long)previous[0]);
        a.jmp(rax);
        a.Label(ref notSegmentation);
        a.cmp(edi, SignalBus);
        a.jne(notBus);
        a.mov(rax, (long)previous[1]);
        a.jmp(rax);
        a.Label(ref notBus);
        a.mov(rax, (long)previous[2]);
        a.jmp(rax);
    }

    private static int Emit(nint stubs, int offset, Action<Assembler> emit)
    {
        Assembler assembler = new(64);
        emit(assembler);
        using MemoryStream bytes = new();
        _ = assembler.Assemble(new StreamCodeWriter(bytes), (ulong)(stubs + offset));
        bytes.ToArray().CopyTo(new Span<byte>((byte*)stubs + offset, StubBytes - offset));
        return ((int)bytes.Length + 15) & ~15;
    }

    // On the stack that the handler in front had: the runtime's for SIGFPE throws from where it is, and the alternate stack is too small for that.
    private static void Install(int signal, nint handler, in HostSignal.Action previous) =>
        _ = HostSignal.Replace(
            signal, new HostSignal.Action { Handler = handler, Flags = HostSignal.Information | HostSignal.NoDefer | (previous.Flags & HostSignal.OnAlternateStack) });
}

/// <summary>Why emitted code returned.</summary>
internal enum ExitKind : uint
{
    /// <summary>Not an exit.</summary>
    None,

    /// <summary>The host faulted; <see cref="HostFrame.FaultInstruction"/> says where.</summary>
    Fault,

    /// <summary>No block is known at EIP.</summary>
    Lookup,

    /// <summary>As <see cref="Lookup"/>, and the branch at <see cref="HostFrame.ExitSlot"/> can be patched.</summary>
    Link,

    /// <summary>The interpreter performs the instruction at EIP.</summary>
    CallOut,

    /// <summary>The block at EIP wants the guest's x87 and MMX state in the host's registers.</summary>
    LoadFpu,

    /// <summary>The block at EIP wants the guest's SSE state in the host's registers.</summary>
    LoadSse,
}
