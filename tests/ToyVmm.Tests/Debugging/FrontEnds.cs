using System.Globalization;
using System.Text.RegularExpressions;
using ToyVmm.Debugging;
using ToyVmm.Debugging.Gdb;
using ToyVmm.Engines;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Tests.Debugging.Terminal;
using ToyVmm.VirtualMachines;
using Xunit;

namespace ToyVmm.Tests.Debugging;

/// <summary>What every front end can do with a guest, each in its own language, and what each of them shows of it.</summary>
internal interface IFrontEnd : IDisposable
{
    void Step(StepKind kind, int count);

    void Continue();

    void ReverseStep();

    /// <summary>Back to behind the last access that is watched, or to the last breakpoint.</summary>
    void ReverseContinue(bool toWatchpoint);

    void GoTo(ulong instructions);

    void Break(uint linear);

    void Watch(uint linear, uint length);

    void Clear();

    /// <summary>The point, and EAX to EDI, EIP and EFLAGS.</summary>
    (ExecutionPoint Point, string Registers) Look();
}

internal sealed class SessionFrontEnd(DebuggedGuest guest) : IFrontEnd
{
    public static string[] Names { get; } = ["eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi", "eip", "eflags"];

    public void Step(StepKind kind, int count) => guest.Session.Step(kind, (ulong)count);

    public void Continue() => guest.Session.Continue();

    public void ReverseStep() => guest.Session.ReverseStep();

    public void ReverseContinue(bool toWatchpoint) => guest.Session.ReverseContinue();

    public void GoTo(ulong instructions) => guest.Session.GoToInstruction(instructions);

    public void Break(uint linear) => guest.Session.Breakpoints.Add(new LinearSpec(linear));

    public void Watch(uint linear, uint length) => guest.Session.Breakpoints.Add(new DataSpec(linear, length, WatchAccess.Write));

    public void Clear() => guest.Session.Breakpoints.Clear();

    public unsafe (ExecutionPoint Point, string Registers) Look()
    {
        ref CpuState cpu = ref guest.Session.Cpu;
        uint[] values = [cpu.Eax, cpu.Ecx, cpu.Edx, cpu.Ebx, cpu.Esp, cpu.Ebp, cpu.Esi, cpu.Edi, cpu.Eip, LazyFlags.GetEflags(guest.Machine.Vcpu.State)];
        return (guest.Session.Point, string.Join(' ', values.Select(value => value.ToString("x8", CultureInfo.InvariantCulture))));
    }

    public void Dispose() => guest.Dispose();
}

internal sealed class TerminalFrontEnd(DebuggedGuest guest) : IFrontEnd
{
    public static ExecutionPoint ReadPoint(string text)
    {
        Match match = Regex.Match(text, @"^point (\d+):(\d+):");
        return new ExecutionPoint(ulong.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture), ulong.Parse(match.Groups[2].Value, CultureInfo.InvariantCulture));
    }

    public void Step(StepKind kind, int count) => guest.Do($"{NameOf(kind)} {count}");

    public void Continue() => guest.Do("continue");

    public void ReverseStep() => guest.Do("rstep");

    public void ReverseContinue(bool toWatchpoint) => guest.Do("rcontinue");

    public void GoTo(ulong instructions) => guest.Do($"goto {instructions}");

    public void Break(uint linear) => guest.Do($"break 0x{linear:x}");

    public void Watch(uint linear, uint length) => guest.Do($"watch 0x{linear:x},{length}");

    public void Clear() => guest.Do("delete");

    public (ExecutionPoint Point, string Registers) Look() =>
        (ReadPoint(guest.Do("point")), string.Join(' ', SessionFrontEnd.Names.Select(name => Hexadecimal(guest.Do($"print/x {name}")))));

    public void Dispose() => guest.Dispose();

    internal static string NameOf(StepKind kind) => kind switch
    {
        StepKind.Trap => "trap",
        StepKind.Block => "block",
        StepKind.Over => "next",
        _ => "step",
    };

    private static string Hexadecimal(string text) =>
        uint.Parse(Regex.Match(text, "0x([0-9a-f]+)").Groups[1].Value, NumberStyles.HexNumber, CultureInfo.InvariantCulture).ToString("x8", CultureInfo.InvariantCulture);
}

/// <summary>gdb's protocol; what it has no packet for is a monitor command.</summary>
internal sealed class GdbFrontEnd : IFrontEnd
{
    private readonly DebuggedGuest _guest;
    private readonly GdbProtocol _protocol;
    private readonly System.Text.StringBuilder _shown = new();
    private readonly List<string> _inserted = [];

    public GdbFrontEnd(DebuggedGuest guest)
    {
        _guest = guest;
        _protocol = new GdbProtocol(guest.Session, new GuestGate(guest.Session)) { Console = text => _shown.Append(text), StepInterrupts = StepInterrupts.Into };
    }

    public void Step(StepKind kind, int count)
    {
        for (int n = 0; n < count; n++)
        {
            if (kind == StepKind.Instruction)
            {
                Resume("vCont;s:1");
            }
            else
            {
                _ = Monitor(TerminalFrontEnd.NameOf(kind));
            }
        }
    }

    public void Continue() => Resume("vCont;c");

    public void ReverseStep() => Resume("bs");

    public void ReverseContinue(bool toWatchpoint)
    {
        Resume("bc");
        if (toWatchpoint)
        {
            // gdb wants to be before the access, and everybody else is behind it.
            Resume("vCont;s:1");
        }
    }

    public void GoTo(ulong instructions) => Monitor($"goto {instructions}");

    public void Break(uint linear) => Insert($"0,{linear:x},1");

    public void Watch(uint linear, uint length) => Insert($"2,{linear:x},{length:x}");

    public void Clear()
    {
        foreach (string one in _inserted)
        {
            Assert.Equal("OK", Send("z" + one));
        }

        _inserted.Clear();
    }

    public (ExecutionPoint Point, string Registers) Look()
    {
        // Ten registers of 32 bits, the lowest byte first.
        string all = Send("g");
        return (TerminalFrontEnd.ReadPoint(Monitor("point")), string.Join(' ', Enumerable.Range(0, 10).Select(n => System.Buffers.Binary.BinaryPrimitives.ReverseEndianness(Convert.ToUInt32(all.Substring(n * 8, 8), 16)).ToString("x8", CultureInfo.InvariantCulture))));
    }

    public void Dispose() => _guest.Dispose();

    private void Insert(string what)
    {
        Assert.Equal("OK", Send("Z" + what));
        _inserted.Add(what);
    }

    private void Resume(string packet) => Assert.StartsWith("T", Send(packet), StringComparison.Ordinal);

    private string Send(string packet) => _protocol.Answer(System.Text.Encoding.Latin1.GetBytes(packet))?.ToString() ?? "(none)";

    private string Monitor(string line)
    {
        _shown.Clear();
        Assert.Equal("OK", Send("qRcmd," + GdbText.Hex(line)));
        return _shown.ToString();
    }
}
