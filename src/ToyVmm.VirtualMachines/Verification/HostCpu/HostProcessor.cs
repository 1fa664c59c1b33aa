using System.Runtime.InteropServices;
using ToyVmm.Hardware.Memory;

namespace ToyVmm.VirtualMachines.Verification.HostCpu;

/// <summary>
/// The host's CPU as the reference for user-mode programs: runs them natively, the same bytes at the same linear addresses, in a 32-bit process of its own,
/// which serves many programs and is started anew when one does not end or kills it. Not for several threads at once: each has its own.
/// </summary>
public sealed unsafe class HostProcessor : IDisposable
{
    private const int PageFault = 14;

    private static readonly Lazy<string?> s_unavailable = new(Try);

    private readonly SharedMemory _shared;

    // The protection that each page has in the runner, and the one it is to have.
    private readonly byte[] _protections = new byte[RunnerLayout.PageCount];
    private readonly byte[] _wanted = new byte[RunnerLayout.PageCount];
    private RunnerProcess? _runner;
    private ulong _runs;
    private bool _disposed;

    /// <summary>Starts the process.</summary>
    /// <exception cref="PlatformNotSupportedException">This host cannot: see <see cref="Unavailable"/>.</exception>
    public HostProcessor()
    {
        if (Unavailable is { } reason)
        {
            throw new PlatformNotSupportedException($"The host CPU cannot run programs: {reason}.");
        }

        _shared = Open(out _runner, out string? failure) ?? throw new PlatformNotSupportedException($"The host CPU cannot run programs: {failure}.");
    }

    private HostProcessor(SharedMemory shared, RunnerProcess runner)
    {
        _shared = shared;
        _runner = runner;
    }

    /// <summary>Why this host cannot run programs; null where it can. Found by trying, once.</summary>
    public static string? Unavailable => s_unavailable.Value;

    /// <summary>
    /// The first address that belongs to the runner. Where a guest has nothing up to <see cref="OccupiedEnd"/>, a program finds memory there: of two runs, of
    /// which the guest's has a page fault at such an address, nothing can be learned. Most, but not all, such runs end with <see cref="HostEnding.Strayed"/>.
    /// </summary>
    public static uint OccupiedStart => RunnerLayout.Base;

    /// <summary>The first address behind the runner's.</summary>
    public static uint OccupiedEnd => RunnerLayout.End;

    /// <summary>
    /// True where the runner has a local descriptor table whose entry 0 (selectors 4 to 7) is a flat data segment that is not present: loading it is #NP, or #SS
    /// into SS. There is none where Linux is built without modify_ldt(2).
    /// </summary>
    public bool HasAbsentSegment => !_disposed && Input(RunnerLayout.HasLdt) == 1;

    /// <summary>How often the process was started again, after a program that did not end, killed it or strayed.</summary>
    public int Restarts { get; private set; }

    /// <summary>The process that the next program runs in; null where it is yet to be started.</summary>
    public int? ProcessId => _runner?.Id;

    private Span<byte> Shared => new(_shared.Address, RunnerLayout.SharedSize);

    /// <summary>Runs a program.</summary>
    /// <param name="program">What to run.</param>
    /// <param name="limit">How long it may take, in whole milliseconds; it is killed then.</param>
    /// <exception cref="ArgumentException">The program does not follow the rules that <see cref="HostProgram"/> has.</exception>
    /// <exception cref="InvalidOperationException">The process died before, and the host does not start it again.</exception>
    public HostRun Run(HostProgram program, TimeSpan limit)
    {
        ArgumentNullException.ThrowIfNull(program);
        ObjectDisposedException.ThrowIf(_disposed, this);
        program.Check();
        if (_runner is null)
        {
            Restart();
        }

        _runs++;
        LoadPages(program.Pages);
        LoadState(program);
        RunnerProcess runner = _runner!;
        RunnerProcess.Answer answer = runner.Send() ? runner.Wait(limit) : RunnerProcess.Answer.Gone;
        int signal = 0;
        if (answer == RunnerProcess.Answer.Gone)
        {
            signal = Math.Max(0, runner.ExitStatus() - 128);
        }

        if (answer != RunnerProcess.Answer.Done)
        {
            Stop();
        }

        HostRun run = Collect(answer switch
        {
            RunnerProcess.Answer.Late => HostEnding.TimedOut,
            RunnerProcess.Answer.Gone => HostEnding.Died,
            _ => Input(RunnerLayout.Ending) == RunnerLayout.Ended ? HostEnding.Ended : HostEnding.EndUnreachable,
        }, signal);
        if (run.Ending == HostEnding.Strayed)
        {
            Stop();
        }

        return run;
    }

    /// <summary>Ends the process.</summary>
    public void Dispose()
    {
        if (!_disposed)
        {
            _disposed = true;
            Stop();
            _shared.Dispose();
        }
    }

    internal ReadOnlySpan<byte> Page(uint address, ulong run)
    {
        if (address % RunnerLayout.PageSize != 0 || address is < HostProgram.LowestAddress or >= HostProgram.AddressLimit)
        {
            throw new ArgumentException($"no page has the address {address:X}", nameof(address));
        }

        return !_disposed && run == _runs
            ? Shared.Slice(RunnerLayout.PageData + (int)(address - RunnerLayout.Pages), RunnerLayout.PageSize)
            : throw new InvalidOperationException("the pages of a run are there until the next one begins");
    }

    private static SharedMemory? Open(out RunnerProcess? runner, out string? reason)
    {
        runner = null;
        SharedMemory? shared = SharedMemory.TryCreate(RunnerLayout.SharedSize);
        if (shared is null)
        {
            reason = "the host has no memory with a file descriptor (memfd_create)";
            return null;
        }

        runner = RunnerProcess.TryStart(shared, out reason);
        if (runner is null)
        {
            shared.Dispose();
            return null;
        }

        return shared;
    }

    private static string? Try()
    {
        if (!OperatingSystem.IsLinux() || RuntimeInformation.ProcessArchitecture != Architecture.X64)
        {
            return $"this takes Linux on x86-64, and here is {RuntimeInformation.OSDescription} on {RuntimeInformation.ProcessArchitecture}";
        }

        if (Open(out RunnerProcess? runner, out string? reason) is not { } shared)
        {
            return reason;
        }

        using HostProcessor processor = new(shared, runner!);
        byte[] state = new byte[512];
        BitConverter.TryWriteBytes(state, (ushort)0x37F);
        BitConverter.TryWriteBytes(state.AsSpan(24), 0x1F80);
        HostRun run = processor.Run(
            new HostProgram
            {
                Pages = [new HostPage(HostProgram.LowestAddress, new byte[] { 0x0F, 0x0B, 0xCC }, Writable: false)], // UD2; INT3
                Registers = new HostRegisters { Eip = HostProgram.LowestAddress, Eflags = 2 },
                FxSave = state,
                ResumeAddresses = Array.Empty<uint>(),
                EndAddress = HostProgram.LowestAddress + 2,
                MostFaults = 1,
            },
            TimeSpan.FromSeconds(20));
        return run is { Ending: HostEnding.Ended, Faults: [{ Vector: 6 }] } ? null : $"a trial program ended as {run.Ending}, signal {run.Signal}, with {run.Faults.Count} faults";
    }

    private void LoadPages(IReadOnlyList<HostPage> pages)
    {
        Span<byte> shared = Shared;
        Array.Clear(_wanted);
        Span<uint> touches = MemoryMarshal.Cast<byte, uint>(shared[RunnerLayout.TouchList..RunnerLayout.ChangeList]);
        int touched = 0;
        foreach (HostPage page in pages)
        {
            if (page.Address % RunnerLayout.PageSize != 0 || page.Address is < HostProgram.LowestAddress or >= HostProgram.AddressLimit || page.Content.Length > RunnerLayout.PageSize)
            {
                throw new ArgumentException($"there cannot be a page of {page.Content.Length} bytes at {page.Address:X}", nameof(pages));
            }

            int offset = (int)(page.Address - RunnerLayout.Pages);
            ref byte wanted = ref _wanted[offset / RunnerLayout.PageSize];
            if (wanted != RunnerLayout.Absent)
            {
                throw new ArgumentException($"there are two pages at {page.Address:X}", nameof(pages));
            }

            wanted = page.Writable ? RunnerLayout.Writable : RunnerLayout.ReadOnly;
            Span<byte> content = shared.Slice(RunnerLayout.PageData + offset, RunnerLayout.PageSize);
            page.Content.Span.CopyTo(content);
            content[page.Content.Length..].Clear();
            if (!page.Writable)
            {
                touches[touched++] = page.Address;
            }
        }

        Output(RunnerLayout.TouchCount, (uint)touched);
        ListChanges(MemoryMarshal.Cast<byte, uint>(shared[RunnerLayout.ChangeList..RunnerLayout.ResumeList]));
    }

    /// <summary>Tells the runner which protections differ from those of the program before, in as few stretches as possible.</summary>
    private void ListChanges(Span<uint> changes)
    {
        int count = 0;
        int page = 0;
        while (page < RunnerLayout.PageCount)
        {
            page += _wanted.AsSpan(page).CommonPrefixLength(_protections.AsSpan(page));
            int first = page;
            while (page < RunnerLayout.PageCount && _wanted[page] == _wanted[first] && _wanted[page] != _protections[page])
            {
                page++;
            }

            if (page > first)
            {
                changes[2 * count] = (RunnerLayout.Pages + (uint)(first * RunnerLayout.PageSize)) | _wanted[first];
                changes[(2 * count) + 1] = (uint)((page - first) * RunnerLayout.PageSize);
                count++;
            }
        }

        Output(RunnerLayout.ChangeCount, (uint)count);
        _wanted.CopyTo(_protections, 0);
    }

    private void LoadState(HostProgram program)
    {
        HostRegisters registers = program.Registers;
        Span<uint> values = MemoryMarshal.Cast<byte, uint>(Shared.Slice(RunnerLayout.Registers, 40));
        values[0] = registers.Edi;
        values[1] = registers.Esi;
        values[2] = registers.Ebp;
        values[3] = registers.Esp;
        values[4] = registers.Ebx;
        values[5] = registers.Edx;
        values[6] = registers.Ecx;
        values[7] = registers.Eax;
        values[8] = registers.Eflags;
        values[9] = registers.Eip;
        program.FxSave.Span.CopyTo(Shared[RunnerLayout.InitialFxSave..]);
        MemoryMarshal.AsBytes(program.ResumeAddresses.Span).CopyTo(Shared[RunnerLayout.ResumeList..]);
        Output(RunnerLayout.EndAddress, program.EndAddress);
        Output(RunnerLayout.ResumeCount, (uint)program.ResumeAddresses.Length);
        Output(RunnerLayout.RecordLimit, (uint)program.MostFaults);
        Output(RunnerLayout.Ending, 0);
        Output(RunnerLayout.RecordCount, 0);
    }

    private HostRun Collect(HostEnding ending, int signal)
    {
        int count = (int)Math.Min(Input(RunnerLayout.RecordCount), RunnerLayout.MostRecords);
        Span<byte> records = Shared.Slice(RunnerLayout.RecordList, RunnerLayout.MostRecords * RunnerLayout.RecordSize);
        Span<byte> used = records[..(count * RunnerLayout.RecordSize)];
        HostFault[] faults = MemoryMarshal.Cast<byte, HostFault>(used).ToArray();

        // What the runner did not write is zero, as we left it.
        bool strayed = records[used.Length..].ContainsAnyExcept((byte)0);
        foreach (HostFault fault in faults)
        {
            strayed |= IsOccupied(fault.Eip) || (fault.Vector == PageFault && IsOccupied(fault.Cr2));
        }

        (strayed ? records : used).Clear();
        if (strayed)
        {
            ending = HostEnding.Strayed;
        }

        if (ending is not (HostEnding.Ended or HostEnding.EndUnreachable))
        {
            return new HostRun(this, _runs) { Ending = ending, Signal = signal, Faults = faults };
        }

        byte[] state = Shared.Slice(RunnerLayout.FinalFxSave, 512).ToArray();
        state.AsSpan(6, 18).Clear();
        state.AsSpan(28, 4).Clear();
        state.AsSpan(288).Clear();
        for (int register = 32; register < 160; register += 16)
        {
            state.AsSpan(register + 10, 6).Clear();
        }

        return new HostRun(this, _runs)
        {
            Ending = ending,
            Faults = faults,
            Registers = new HostRegisters
            {
                Eax = Context(RunnerLayout.ContextEax),
                Ecx = Context(RunnerLayout.ContextEcx),
                Edx = Context(RunnerLayout.ContextEdx),
                Ebx = Context(RunnerLayout.ContextEbx),
                Esp = Context(RunnerLayout.ContextEsp),
                Ebp = Context(RunnerLayout.ContextEbp),
                Esi = Context(RunnerLayout.ContextEsi),
                Edi = Context(RunnerLayout.ContextEdi),
                Eip = Context(RunnerLayout.ContextEip),
                Eflags = Context(RunnerLayout.ContextEflags),
            },
            Selectors = new HostSelectors(
                (ushort)Context(RunnerLayout.ContextEs),
                (ushort)Context(RunnerLayout.ContextCs),
                (ushort)Context(RunnerLayout.ContextSs),
                (ushort)Context(RunnerLayout.ContextDs),
                (ushort)Context(RunnerLayout.ContextFs),
                (ushort)Context(RunnerLayout.ContextGs)),
            FxSave = state,
        };
    }

    private static bool IsOccupied(uint address) => address is >= RunnerLayout.Base and < RunnerLayout.End;

    private uint Context(int offset) => Input(RunnerLayout.Context + offset);

    private uint Input(int offset) => MemoryMarshal.Read<uint>(Shared[offset..]);

    private void Output(int offset, uint value) => MemoryMarshal.Write(Shared[offset..], value);

    private void Restart()
    {
        Array.Clear(_protections);
        _runner = RunnerProcess.TryStart(_shared, out string? reason) ?? throw new InvalidOperationException($"the host CPU's process cannot be started again: {reason}");
        Restarts++;
    }

    private void Stop()
    {
        _runner?.Dispose();
        _runner = null;
    }
}
