using Iced.Intel;
using ToyVmm.Engines;
using ToyVmm.Engines.Translation;
using static Iced.Intel.AssemblerRegisters;

namespace ToyVmm.Tests.Translation;

/// <summary>
/// A signal at every host instruction: with TF among the host's flags (<see cref="HostFrame.ExtraFlags"/>) the host raises #DB behind each, and
/// the kernel sends SIGTRAP. The handler is machine code: it counts, and lets the thread go on; once the thread is out of
/// emitted code it clears TF.
/// </summary>
internal sealed unsafe class SingleStepper : IDisposable
{
    /// <summary>TF, bit 8 of the flags (SDM 1 3.4.3.3).</summary>
    public const ulong TrapFlag = 0x100;

    private const int SignalTrap = 5;
    private const byte Pushfq = 0x9C;
    private const int PageSize = (int)HostMemory.PageSize;

    // ucontext_t, Linux x86-64: gregs start at byte 40, 8 bytes each; RIP is number 16, EFLAGS 17.
    private const int ContextRip = 40 + (16 * 8);
    private const int ContextFlags = 40 + (17 * 8);

    private readonly byte* _page;
    private readonly HostSignal.Action _previous;

    /// <summary>Installs the handler, until disposed.</summary>
    public SingleStepper()
    {
        _page = (byte*)HostMemory.AllocateSparse(PageSize, HostMemory.Read | HostMemory.Write | HostMemory.Execute);
        if (_page == null)
        {
            throw new PlatformNotSupportedException("no executable memory");
        }

        Assembler assembler = new(64);
        EmitHandler(assembler, ExecutableArena.Process);
        using MemoryStream bytes = new();
        _ = assembler.Assemble(new StreamCodeWriter(bytes), (ulong)_page + 64);
        bytes.ToArray().CopyTo(new Span<byte>(_page + 64, PageSize - 64));
        _previous = HostSignal.Replace(
            SignalTrap, new HostSignal.Action { Handler = (nint)_page + 64, Flags = HostSignal.Information | HostSignal.OnAlternateStack });
    }

    /// <summary>Signals that came in emitted code so far, in all threads.</summary>
    public ulong Steps => Volatile.Read(ref *(ulong*)_page);

    /// <inheritdoc/>
    public void Dispose()
    {
        _ = HostSignal.Replace(SignalTrap, _previous);
        HostMemory.Unmap((nint)_page, PageSize);
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
}
