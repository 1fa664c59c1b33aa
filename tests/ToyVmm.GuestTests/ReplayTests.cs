using System.Globalization;
using System.Text;
using ToyVmm.Engines;
using ToyVmm.Hardware.Devices;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Replay;
using ToyVmm.VirtualMachines.Tracing;
using Xunit;
using Xunit.Abstractions;

namespace ToyVmm.GuestTests;

/// <summary>Every guest is recorded and replayed, on every engine: the marks agree, and every trap, exit and byte of output is the same.</summary>
public sealed class ReplayTests(ITestOutputHelper output)
{
    private const ulong Most = 40_000_000;

    [Theory]
    [MemberData(nameof(GuestCatalog.Names), MemberType = typeof(GuestCatalog))]
    public void A_guest_is_replayed_as_it_was(string name)
    {
        GuestImage guest = GuestCatalog.Find(name);
        guest = guest.IsCompute ? guest with { Append = "1" } : guest;

        // Recorded on the fastest engine, replayed on all: with input that has nothing to do with the guest's own wishes.
        using MemoryStream file = new();
        using TypedInput input = new(name.Length);
        (StopReason stop, string serial, ulong trace) = Record(guest, GuestRunner.Engines[^1], file, input);
        byte[] bytes = file.ToArray();
        Recording recording = Recording.Read(name, bytes);
        double millions = (recording.LastMoment.Instructions + 1) / 1e6;
        output.WriteLine(string.Create(
            CultureInfo.InvariantCulture, $"{stop.Kind} after {recording.LastMoment.Instructions}: {bytes.Length} bytes, {recording.Log.Count} inputs, {recording.Marks.Count} marks, {millions:0.###} million instructions"));
        foreach (EngineKind engine in GuestRunner.Engines)
        {
            TraceHash hash = new();
            using VirtualMachine vm = recording.CreateMachine(new VirtualMachineOptions { Engine = engine, Observer = hash });
            ReplayVerdict verdict = new RecordingPlayer(recording, vm).Run(new RunLimits { Timeout = TimeSpan.FromMinutes(2) });
            Assert.Null(verdict.Difference?.ToString());
            Assert.True(verdict.IsComplete, verdict.Stop.Detail);
            Assert.Equal((stop.Kind, stop.Code, stop.ExitStatus), (verdict.Stop.Kind, verdict.Stop.Code, verdict.Stop.ExitStatus));
            Assert.Equal(serial, vm.SerialOutput);
            Assert.Equal((engine, trace), (engine, hash.Value));
            Assert.Equal(recording.Marks.Count, verdict.MarksPassed);
        }
    }

    private static (StopReason Stop, string Serial, ulong Trace) Record(GuestImage guest, EngineKind engine, MemoryStream file, TypedInput input)
    {
        TraceHash hash = new();
        VirtualMachineOptions options = GuestRunner.Options(guest, engine, hash, new TranslatorOptions { Hotness = 0 }) with { ExitObserver = null };
        using VirtualMachine vm = VirtualMachine.Create(File.ReadAllBytes(guest.ImagePath), options);
        using MachineRecorder recorder = MachineRecorder.Start(vm, new KeptOpen(file), new RecordingOptions { Title = guest.Name, MarkDistance = 1_000_000 });
        if (guest.SerialInput is { } typed)
        {
            vm.Input.Enqueue(Encoding.Latin1.GetBytes(typed));
        }

        input.Start(vm);
        StopReason stop = recorder.Run(new RunLimits { MaxInstructions = Most, Timeout = TimeSpan.FromMinutes(2) });
        input.Stop();
        recorder.Finish(stop, stop.ExitStatus);
        return (stop, vm.SerialOutput, hash.Value);
    }

    /// <summary>Somebody who types, moves the mouse and rings, from a thread of his own, at moments that nobody knows.</summary>
    private sealed class TypedInput(int seed) : IDisposable
    {
        private Thread? _typist;
        private volatile bool _ended;

        public void Start(VirtualMachine vm)
        {
            _typist = new Thread(() =>
            {
                Random random = new(seed);
                for (int n = 0; n < 200 && !_ended; n++)
                {
                    switch (random.Next(5))
                    {
                        case 0:
                            _ = vm.Input.Enqueue([new KeyInput(Ps2Key.B, true), new KeyInput(Ps2Key.B, false)]);
                            break;
                        case 1:
                            vm.Input.Enqueue(new MouseEvent(random.Next(-5, 5), 1, 0, MouseButtons.None));
                            break;
                        case 2:
                            vm.Input.Ring(random.Next(2, 32));
                            break;
                        default:
                            vm.Input.Enqueue([(byte)random.Next(256)]);
                            break;
                    }

                    Thread.SpinWait(random.Next(30_000));
                }
            });
            _typist.Start();
        }

        public void Stop()
        {
            _ended = true;
            _typist?.Join();
        }

        public void Dispose() => Stop();
    }
}
