using ToyVmm.Debugging;
using ToyVmm.Debugging.Terminal;
using ToyVmm.Engines;
using ToyVmm.Hardware;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Symbols;

namespace ToyVmm.Tests.Debugging.Terminal;

/// <summary>A guest of the course under a debugger, and its prompt.</summary>
internal sealed class DebuggedGuest : IDisposable
{
    public DebuggedGuest(string image, EngineKind engine = EngineKind.Interpreter, CommandInterpreterOptions? options = null)
    {
        byte[] bytes = File.ReadAllBytes(Path.Combine(RepositoryFiles.Root, "guest-images", image));
        Machine = VirtualMachine.Create(bytes, new VirtualMachineOptions
        {
            Engine = engine,
            Machine = new MachineConfig { MaximumMemory = 128 << 20 },
            SerialOutput = value => Serial.Append((char)value),
        });
        Session = new DebugSession(Machine, new DebugOptions { Log = Log.Add }) { Symbols = SymbolFile.ReadFromImage(bytes, out _) };
        Interpreter = new CommandInterpreter(Session, options);
    }

    public static IEnumerable<object[]> Engines =>
        VirtualMachine.TranslatorUnavailable is null ? [[EngineKind.Interpreter], [EngineKind.Translator]] : [[EngineKind.Interpreter]];

    public VirtualMachine Machine { get; }

    public DebugSession Session { get; }

    public CommandInterpreter Interpreter { get; }

    public List<string> Log { get; } = [];

    public System.Text.StringBuilder Serial { get; } = new();

    /// <summary>Executes a command that must succeed.</summary>
    public string Do(string line)
    {
        CommandReply reply = Interpreter.Execute(line);
        Xunit.Assert.False(reply.IsError, $"{line}: {reply.Text}");
        return reply.Text;
    }

    /// <summary>Executes a command that must fail.</summary>
    public string Fail(string line)
    {
        CommandReply reply = Interpreter.Execute(line);
        Xunit.Assert.True(reply.IsError, $"{line}: {reply.Text}");
        return reply.Text;
    }

    public void Dispose()
    {
        Session.Dispose();
        Machine.Dispose();
    }
}
