using System.Buffers.Binary;
using System.IO.Hashing;
using System.Text;
using ToyVmm.Tests.Properties;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Replay;

namespace ToyVmm.Tests.Replay;

/// <summary>Recordings of small guests, whole or made wrong on purpose.</summary>
internal static class RecordedRun
{
    /// <summary>Records a guest that takes much input.</summary>
    /// <param name="seed">Which guest, and which input.</param>
    /// <param name="engine">Who executes it.</param>
    /// <param name="distance">Instructions between marks.</param>
    /// <param name="limit">Where the host stops the run.</param>
    /// <param name="end">False to leave the recording without an end.</param>
    public static byte[] Record(ulong seed, EngineKind engine, ulong distance = 2000, ulong limit = ulong.MaxValue, bool end = true)
    {
        EdgeRandom random = new(seed);
        byte[] image = InputGuest.Random(random, 150);
        using VirtualMachine vm = InputGuest.Create(image, engine);
        using KeptStream file = new();
        using (MachineRecorder recorder = MachineRecorder.Start(vm, file, new RecordingOptions { Title = "guest", MarkDistance = distance }))
        {
            StopReason stop;
            do
            {
                if (random.Below(3) == 0)
                {
                    InputGuest.Poke(vm, random);
                }

                stop = recorder.Run(new RunLimits { MaxInstructions = Math.Min(1 + (ulong)random.Below(700), limit - vm.InstructionsRetired) });
            }
            while (stop.Kind == StopKind.InstructionLimit && vm.InstructionsRetired < limit);
            if (end)
            {
                recorder.Finish(stop, stop.ExitStatus);
            }
        }

        return file.Bytes;
    }

    /// <summary>Replays a recording.</summary>
    public static ReplayVerdict Replay(byte[] bytes, EngineKind engine = EngineKind.Interpreter)
    {
        Recording recording = Recording.Read("test", bytes);
        using VirtualMachine vm = recording.CreateMachine(new VirtualMachineOptions { Engine = engine });
        return new RecordingPlayer(recording, vm).Run(new RunLimits { Timeout = TimeSpan.FromSeconds(30) });
    }

    /// <summary>The sections of a recording.</summary>
    public static List<(string Tag, byte[] Payload)> Sections(byte[] bytes)
    {
        List<(string Tag, byte[] Payload)> sections = [];
        for (int at = RecordingFormat.HeaderSize; at < bytes.Length;)
        {
            int length = BinaryPrimitives.ReadInt32LittleEndian(bytes.AsSpan(at + RecordingFormat.TagSize));
            sections.Add((Encoding.ASCII.GetString(bytes, at, RecordingFormat.TagSize), bytes.AsSpan(at + RecordingFormat.HeadSize, length).ToArray()));
            at += length + RecordingFormat.Overhead;
        }

        return sections;
    }

    /// <summary>A recording of sections, with right checksums.</summary>
    public static byte[] Build(IEnumerable<(string Tag, byte[] Payload)> sections)
    {
        XxHash3 whole = new();
        List<byte> bytes = [.. RecordingFormat.Header()];
        whole.Append(RecordingFormat.Header());
        foreach ((string tag, byte[] payload) in sections)
        {
            bytes.AddRange(RecordingFormat.Section(tag, payload, whole));
        }

        return [.. bytes];
    }

    /// <summary>The same recording with other events.</summary>
    /// <param name="bytes">The recording.</param>
    /// <param name="change">Gets the number and the event, and gives what is to stand there.</param>
    public static byte[] ChangeEvents(byte[] bytes, Func<int, StampedInput, StampedInput> change)
    {
        Recording recording = Recording.Read("test", bytes);
        List<(string Tag, byte[] Payload)> sections = [.. Sections(bytes).TakeWhile(section => section.Tag is RecordingFormat.Info or RecordingFormat.File)];
        InputMoment before = recording.Start;
        int done = 0;
        List<byte> events = [];
        foreach (RecordingMark mark in recording.Marks)
        {
            events.Clear();
            for (; done < mark.Events; done++)
            {
                InputCodec.Write(events, change(done, recording.Log[done]), ref before);
            }

            sections.Add((RecordingFormat.Events, [.. events]));
            sections.Add((RecordingFormat.Mark, Encode(mark, ref before)));
        }

        sections.Add(Sections(bytes)[^1]);
        return Build(sections);
    }

    private static byte[] Encode(RecordingMark mark, ref InputMoment before)
    {
        List<byte> bytes = [];
        InputCodec.Write(bytes, (ulong)mark.Events);
        InputCodec.Write(bytes, mark.At, ref before);
        InputCodec.Write(bytes, mark.Eip);
        MachineFingerprint hashes = mark.Fingerprint!.Value;
        bytes.Add(hashes.Memory is null ? (byte)1 : (byte)2);
        bytes.AddRange(BitConverter.GetBytes(hashes.Cpu));
        bytes.AddRange(BitConverter.GetBytes(hashes.Devices));
        bytes.AddRange(hashes.Memory is { } memory ? BitConverter.GetBytes(memory) : []);
        return [.. bytes];
    }
}

/// <summary>A stream in memory whose contents outlive it.</summary>
internal sealed class KeptStream : MemoryStream
{
    /// <summary>What was written.</summary>
    public byte[] Bytes => ToArray();
}
