using System.Runtime.InteropServices;
using Iced.Intel;
using ToyVmm.Engines.Translation;
using static Iced.Intel.AssemblerRegisters;

namespace ToyVmm.Tests.Translation;

/// <summary>
/// A signal at every host instruction: with TF among the host's flags (<see cref="HostFrame.ExtraFlags"/>) the host raises #DB behind each, and
/// the kernel sends SIGTRAP. The handler is machine code: it counts, and lets the thread go on; once the thread is out of
/// emitted code it clears TF.
/// </summary>
internal sealed unsafe partial class SingleStepper : IDisposable
{
    /// <summary>TF, bit 8 of the flags (SDM 1 3.4.3.3).</summary>
    public const ulong TrapFlag = 0x100;

    private const int SignalTrap = 5;
    private const byte Pushfq = 0x9C;
    private const int PageSize = 4096;
    private const int SignalInformation = 4;
    private const int OnAlternateStack = 0x0800_0000;
    private const int ReadWriteExecute = 7;
    private const int PrivateAnonymous = 0x22;

    // ucontext_t, Linux x86-64: gregs start at byte 40, 8 bytes each; RIP is number 16, EFLAGS 17.
    private const int ContextRip = 40 + (16 * 8);
    private const int ContextFlags = 40 + (17 * 8);

    private readonly byte* _page;
    private SignalAction _previous;

    /// <summary>Installs the handler, until disposed.</summary>
    public SingleStepper()
    {
        _page = (byte*)Map(0, PageSize, ReadWriteExecute, PrivateAnonymous, -1, 0);
        if ((nint)_page == -1)
        {
            throw new PlatformNotSupportedException("no executable memory");
        }

        Assembler assembler = new(64);
        EmitHandler(assembler, ExecutableArena.Process);
        using MemoryStream bytes = new();
        _ = assembler.Assemble(new StreamCodeWriter(bytes), (ulong)_page + 64);
        bytes.ToArray().CopyTo(new Span<byte>(_page + 64, PageSize - 64));
        SignalAction action = new() { Handler = (nint)_page + 64, Flags = SignalInformation | OnAlternateStack };
        fixed (SignalAction* previous = &_previous)
        {
            _ = SigAction(SignalTrap, &action, previous);
        }
    }

    /// <summary>Signals that came in emitted code so far, in all threads.</summary>
    public ulong Steps => Volatile.Read(ref *(ulong*)_page);

    /// <inheritdoc/>
    public void Dispose()
    {
        fixed (SignalAction* previous = &_previous)
        {
            _ = SigAction(SignalTrap, previous, null);
        }

        _ = Unmap((nint)_page, PageSize);
    }

    // void handler(int signal, siginfo_t* info, ucontext_t* context): RDI, RSI, RDX.
    private void EmitHandler(Assembler a, ExecutableArena arena)
    {
        Label emitted = a.CreateLabel();
        Label stub = a.CreateLabel();
        Label counts = a.CreateLabel();
        a.mov(rax, __qword_ptr[rdx + ContextRip]);
        a.mov(rcx, (long)arena.Base);
        a.sub(rax, rcx);
        a.mov(rcx, ExecutableArena.Size);
        a.cmp(rax, rcx);
        a.jb(emitted);

        // The ways in and out lie on one page.
        a.mov(rax, __qword_ptr[rdx + ContextRip]);
        a.mov(rcx, (long)arena.Enter);
        a.sub(rax, rcx);
        a.cmp(rax, PageSize);
        a.jb(stub);
        a.and(__qword_ptr[rdx + ContextFlags], ~(int)TrapFlag);
        a.ret();
        a.Label(ref emitted);
        a.mov(rcx, __qword_ptr[rdx + ContextRip]);
        a.cmp(__byte_ptr[rcx], Pushfq);
        a.jne(counts);

        // The guest's PUSHF takes the host's flags, and TF would show: until the next entry without.
        a.and(__qword_ptr[rdx + ContextFlags], ~(int)TrapFlag);
        a.Label(ref counts);
        a.mov(rcx, (long)_page);
        a.@lock.inc(__qword_ptr[rcx]);
        a.Label(ref stub);
        a.ret();
    }

    [LibraryImport("libc", EntryPoint = "mmap")]
    private static partial nint Map(nint address, nuint length, int protection, int flags, int descriptor, nint offset);

    [LibraryImport("libc", EntryPoint = "munmap")]
    private static partial int Unmap(nint address, nuint length);

    [LibraryImport("libc", EntryPoint = "sigaction")]
    private static partial int SigAction(int signal, SignalAction* action, SignalAction* previous);

    // struct sigaction of glibc and musl on x86-64.
    [StructLayout(LayoutKind.Sequential)]
    private struct SignalAction
    {
        public nint Handler;
        public fixed ulong Mask[16];
        public int Flags;
        public nint Restorer;
    }
}
