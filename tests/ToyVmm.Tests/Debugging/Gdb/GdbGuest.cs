using System.Text;
using ToyVmm.Debugging;
using ToyVmm.Debugging.Gdb;
using ToyVmm.Hardware;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Comparing;
using ToyVmm.VirtualMachines.Loading;
using Xunit;

namespace ToyVmm.Tests.Debugging.Gdb;

/// <summary>A small guest at 0x7C00 under gdb's protocol, without a socket.</summary>
internal sealed class GdbGuest : IDisposable
{
    /// <summary>
    /// 7c00 mov eax, 0x12345678; 7c05 mov ebx, 0x9000; 7c0a mov [ebx], eax; 7c0c mov ecx, [ebx]; 7c0e inc eax; 7c0f call 7c1c; 7c14 jmp 7c0e; 7c1c ret. Flat protected mode.
    /// </summary>
    public static readonly byte[] Loop =
    [
        0xB8, 0x78, 0x56, 0x34, 0x12, 0xBB, 0x00, 0x90, 0x00, 0x00, 0x89, 0x03, 0x8B, 0x0B, 0x40, 0xE8, 0x08, 0x00, 0x00, 0x00, 0xEB, 0xF8,
        0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0xC3,
    ];

    /// <summary>mov al, 0x10; out 0xF4, al: ends with exit status 33.</summary>
    public static readonly byte[] Exit = [0xB0, 0x10, 0xE6, 0xF4];

    /// <summary>ud2 with an IDT that leads nowhere.</summary>
    public static readonly byte[] TripleFault = [0x0F, 0x0B];

    /// <summary>jmp 07C0:0005; 7c05 inc ax; 7c06 jmp 7c05. Real mode.</summary>
    public static readonly byte[] Segments = [0xEA, 0x05, 0x00, 0xC0, 0x07, 0x40, 0xEB, 0xFD];

    /// <summary>A timer at 1000 Hz whose handler is an IRET at 7c31; 7c2d sti; 7c2e hlt; 7c2f jmp 7c2e. Real mode.</summary>
    public static readonly byte[] Idler =
    [
        0xFA, 0x31, 0xC0, 0x8E, 0xD8, 0xC7, 0x06, 0x20, 0x00, 0x31, 0x7C, 0xC7, 0x06, 0x22, 0x00, 0x00, 0x00,
        0xB0, 0x11, 0xE6, 0x20, 0xB0, 0x08, 0xE6, 0x21, 0xB0, 0x04, 0xE6, 0x21, 0xB0, 0x03, 0xE6, 0x21,
        0xB0, 0x34, 0xE6, 0x43, 0xB0, 0xA9, 0xE6, 0x40, 0xB0, 0x04, 0xE6, 0x40,
        0xFB, 0xF4, 0xEB, 0xFD,
        0xCF,
    ];

    public GdbGuest(byte[] code, bool realMode = false, EngineKind engine = EngineKind.Auto)
    {
        Machine = VirtualMachine.Create(code, new VirtualMachineOptions { Engine = engine, Machine = new MachineConfig { MemorySize = 0x20_0000 }, Load = new LoadOptions { Format = ImageFormat.Raw, RealModeEntry = realMode } });
        Session = new DebugSession(Machine);
        Gate = new GuestGate(Session);
        Protocol = new GdbProtocol(Session, Gate) { Console = text => Shown.Append(text) };
    }

    public VirtualMachine Machine { get; }

    public DebugSession Session { get; }

    public GuestGate Gate { get; }

    public GdbProtocol Protocol { get; }

    /// <summary>What the client was given to show.</summary>
    public StringBuilder Shown { get; } = new();

    /// <summary>All of the guest and of what the session knows.</summary>
    public (ulong Cpu, ulong Memory, ExecutionPoint Point, int Breakpoints) Fingerprint =>
        (StateHash.OfCpu(Machine.Vcpu), StateHash.OfMemory(Machine.Machine.Memory), Session.Point, Session.Breakpoints.Count);

    public string Send(string packet) => Protocol.Answer(Encoding.Latin1.GetBytes(packet))?.ToString() ?? "(none)";

    /// <summary>A monitor command's text.</summary>
    public string Monitor(string line)
    {
        Shown.Clear();
        Assert.Equal("OK", Send("qRcmd," + GdbText.Hex(line)));
        return Shown.ToString();
    }

    public void Dispose()
    {
        Session.Dispose();
        Machine.Dispose();
    }
}
