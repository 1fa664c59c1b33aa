using System.Diagnostics;
using System.Globalization;
using ToyVmm.Cli.Guests;
using ToyVmm.VirtualMachines;

namespace ToyVmm.Cli.Benchmarking.Density;

/// <summary>
/// What one more guest costs, in time and in memory, beside one more process, one more container, and one more guest under QEMU: all in one run, on one host, for
/// the same image and the same line of output.
/// </summary>
/// <param name="engine">What executes the guest.</param>
/// <param name="repeat">How often each is timed; a tenth of it for what takes long.</param>
/// <param name="clones">How many idle clones there are at once.</param>
/// <param name="done">Told of each row.</param>
/// <param name="progress">Told what is being measured; empty text: nothing.</param>
internal sealed class DensityBenchmark(EngineKind engine, int repeat, int clones, Action<DensityRow> done, Action<string> progress)
{
    /// <summary>The guest: of all hellos the one that QEMU takes as it is.</summary>
    public const string Guest = "hello-multiboot";

    private static readonly TimeSpan s_warmUp = TimeSpan.FromMilliseconds(800);
    private readonly List<DensityRow> _rows = [];
    private readonly List<string> _notes = [];

    private int Few => Math.Max(repeat / 10, 3);

    /// <summary>Measures.</summary>
    /// <param name="native">Processes, containers and QEMU too.</param>
    /// <exception cref="UserErrorException">The guest fails, or the host cannot tell: the numbers would mean nothing.</exception>
    public DensityReport Measure(bool native)
    {
        if (!OperatingSystem.IsLinux() || !ResidentMemory.IsKnown)
        {
            throw UserErrorException.Usage("bench density: only Linux tells how much memory each has (/proc/self/smaps_rollup)");
        }

        byte[] image = BuiltInGuests.ReadImage(Guest)!;
        GuestDensity guests = new(image, new VirtualMachineOptions { Engine = engine }, repeat, s_warmUp, progress);
        foreach (DensityRow row in guests.Measure(clones))
        {
            Add(row);
        }

        if (native)
        {
            using TemporaryFolder folder = new();
            MeasureOthers(folder.Path, image);
        }

        progress("");
        return new DensityReport
        {
            ToolVersion = ToolVersionText.Value,
            Engine = EngineVariant.Of(engine).Name,
            Guest = Guest,
            GuestMemoryBytes = new VirtualMachineOptions().Machine.MemorySize,
            Rows = _rows,
            Notes = _notes,
        };
    }

    private void MeasureOthers(string folder, byte[] image)
    {
        string imageFile = Path.Combine(folder, Guest + ".elf");
        File.WriteAllBytes(imageFile, image);
        string[] self = Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet"
            ? [Environment.ProcessPath!, Path.Combine(AppContext.BaseDirectory, "toyvmm.dll")]
            : [Environment.ProcessPath!];
        Add(Time("toyvmm run, a process of its own, to the end", Few, () => MustSucceed([.. self, "run", imageFile, "--engine", EngineVariant.Of(engine).Name, "--serial", "none", "-q"])));

        string? built = HostProgram.BuildHello(folder);
        string[] program = [built ?? "/bin/true"];
        string[] waiting = built is null ? ["/bin/sleep", "1000"] : [built, "wait"];
        _notes.Add(built is null
            ? "process: /bin/true, which prints nothing; memory: /bin/sleep, linked dynamically (gcc -static does not work here)"
            : "process: a static program that prints \"Hello, world\"; started by vfork and exec, to its end");
        Add(WithMemory(Time("a process", repeat, () => MustSucceed(program)), repeat, () => SpawnedProcess.Start(waiting), process => [process.Id]));
        MeasureContainers(program, waiting);
        MeasureQemu(imageFile);
    }

    private void MeasureContainers(string[] program, string[] waiting)
    {
        if (ContainerLauncher.Create(program[0], out string why) is not { } launcher)
        {
            _notes.Add(why);
            return;
        }

        _notes.Add($"container: the same program; {launcher.Permitted}; no image, no file system of its own, no daemon");
        DensityRow row = Time("a container with that process", repeat, () =>
        {
            SpawnedProcess container = launcher.Start(out string group, program);
            int status = container.Wait();
            launcher.Remove(group);
            return status == 0 ? "" : $"the container's exit status is {status}";
        });
        List<string> groups = [];
        Add(WithMemory(
            row,
            repeat,
            () =>
            {
                SpawnedProcess container = launcher.Start(out string group, waiting);
                groups.Add(group);
                return container;
            },
            ContainerLauncher.Processes));
        groups.ForEach(launcher.Remove);
    }

    private void MeasureQemu(string imageFile)
    {
        if (HostProgram.Find("qemu-system-i386") is not { } qemu)
        {
            _notes.Add("no QEMU: qemu-system-i386 is not installed");
            return;
        }

        uint megabytes = new VirtualMachineOptions().Machine.MemorySize >> 20;
        string[] command =
        [
            qemu, "-M", "pc,accel=tcg", "-nodefaults", "-display", "none", "-serial", "stdio", "-no-reboot",
            "-m", megabytes.ToString(CultureInfo.InvariantCulture), "-kernel", imageFile,
        ];
        _notes.Add("QEMU: qemu-system-i386 -M pc,accel=tcg -nodefaults, the same image, to its power-off; memory: paused there");
        DensityRow row = Time("the same guest under QEMU", Few, () => MustSucceed(command));
        Add(WithMemory(row, Few, () => SpawnedProcess.Start([.. command, "-action", "shutdown=pause"]), process => [process.Id], settle: 2.5 * (row.MostMicroseconds ?? 0)));
    }

    private static string MustSucceed(string[] command)
    {
        int status = SpawnedProcess.Run(command);
        return status == 0 ? "" : $"{command[0]} ended with status {status}";
    }

    private DensityRow Time(string name, int runs, Func<string> run)
    {
        double[] times = new double[runs];
        for (int n = -1; n < runs; n++)
        {
            progress($"{name}: run {Math.Max(n, 0) + 1} of {runs}");
            long started = Stopwatch.GetTimestamp();
            string failure = run();
            double microseconds = Stopwatch.GetElapsedTime(started).TotalMicroseconds;
            if (failure.Length > 0)
            {
                throw new UserErrorException(ExitStatus.BadFile, $"bench density: {name}: {failure}");
            }

            // The first run reads files that later ones find in memory.
            if (n >= 0)
            {
                times[n] = microseconds;
            }
        }

        return DensityRow.Of(name, times);
    }

    // Starts some that wait, lets them come to rest, and asks each of its processes.
    private DensityRow WithMemory(DensityRow row, int count, Func<SpawnedProcess> start, Func<SpawnedProcess, IEnumerable<int>> processes, double settle = 0)
    {
        progress($"{row.Name}: memory of {count}");
        List<SpawnedProcess> all = [];
        try
        {
            for (int n = 0; n < count; n++)
            {
                all.Add(start());
            }

            Thread.Sleep(TimeSpan.FromMicroseconds(Math.Max(settle, 500_000)));
            long bytes = all.SelectMany(processes).Sum(id => ResidentMemory.Of(id));
            return row with { Instances = count, ResidentBytes = bytes / count };
        }
        finally
        {
            all.ForEach(process => process.Kill());
        }
    }

    private void Add(DensityRow row)
    {
        _rows.Add(row);
        progress("");
        done(row);
    }

    private sealed class TemporaryFolder : IDisposable
    {
        public string Path { get; } = Directory.CreateTempSubdirectory("toyvmm-density-").FullName;

        public void Dispose() => Directory.Delete(Path, recursive: true);
    }
}
