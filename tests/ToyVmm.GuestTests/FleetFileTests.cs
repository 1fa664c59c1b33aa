using System.Text.Json;
using Xunit;

namespace ToyVmm.GuestTests;

/// <summary>toyvmm run --fleet: what a fleet file may say, and what is told about one that says something else.</summary>
public sealed class FleetFileTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("toyvmm-fleet-").FullName;

    /// <inheritdoc/>
    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Everything_can_be_said()
    {
        File.WriteAllBytes(Path.Combine(_folder, "disk.img"), new byte[1 << 20]);
        File.Copy(GuestCatalog.Find("hello").ImagePath, Path.Combine(_folder, "mine.bin"));
        ToolResult result = Run("""
            slice: 500K
            threads: 1
            account: instructions
            timeout: 60
            guests:
              - name: replica
                image: mine.bin
                count: 3
                memory: 1M
                weight: 250
                engine: interpreter
                cpu: pentium
                serial: file:{name}.log
                restart: {mode: always, most: 2, back-off: 1ms, longest-back-off: 10ms}
              - name: storm
                image: noisy
                append: "storm=disk loops=20"
                disks: [{file: disk.img, access: snapshot}]
                caps: {instructions: 2K, exits: 600, period: 5ms}
                limits: {instructions: 1G, exits: 1M, host-time: 30s, disk-writes: 1M, serial: 64K, memory: 64M}
                connect: replica-1
              - image: hello-boot
                expect-status: [33, 0]
                serial: none
            """, "--json", "report.json");
        Assert.Equal(("storm      | disk: 20 sectors written\n", 0), (result.Output, result.Status));
        for (int n = 1; n <= 3; n++)
        {
            Assert.Equal("Hello, world\nHello, world\nHello, world\n", File.ReadAllText(Path.Combine(_folder, $"replica-{n}.log")));
        }

        using JsonDocument report = JsonDocument.Parse(File.ReadAllText(Path.Combine(_folder, "report.json")));
        JsonElement[] guests = [.. report.RootElement.GetProperty("guests").EnumerateArray()];
        Assert.Equal(["replica-1", "replica-2", "replica-3", "storm", "hello-boot"], guests.Select(guest => guest.GetProperty("name").GetString()));
        Assert.Equal(2, guests[0].GetProperty("restarts").GetInt32());
        Assert.True(guests[3].GetProperty("times_throttled").GetInt32() > 5);
        Assert.Equal(20 * 512, guests[3].GetProperty("disk_bytes_written").GetInt32());
        Assert.True(guests[4].GetProperty("succeeded").GetBoolean());
        Assert.Equal("instructions", report.RootElement.GetProperty("accounting").GetString());
    }

    [Theory]
    [InlineData("fleet.yaml:1:9: guests: there are none", 65, "guests: []")]
    [InlineData("fleet.yaml:1:1: there is nothing in this file", 65, "")]
    [InlineData("fleet.yaml:1:1: fleet: a list stands here", 65, "[1, 2]")]
    [InlineData("fleet.yaml:1:1: there is no guests here; write for example guests:", 65, "slice: 1M")]
    [InlineData("fleet.yaml:2:5: 'imge' means nothing here; did you mean image?", 65, "guests:\n  - imge: hello")]
    [InlineData("fleet.yaml:3:5: 'wieght' means nothing in a guest; did you mean weight?", 65, "guests:\n  - image: hello\n    wieght: 3")]
    [InlineData("fleet.yaml:3:5: 'colour' means nothing in a guest; there are image, name, count, memory, disks, engine, cpu, append, initrd, serial, limits, weight, caps, restart, expect-status, connect\n", 65, "guests:\n  - image: hello\n    colour: red")]
    [InlineData("fleet.yaml:3:13: weight: -3: not a count; write for example 5000", 65, "guests:\n  - image: hello\n    weight: -3")]
    [InlineData("fleet.yaml:3:13: weight: 10001: from 1 to 10000", 65, "guests:\n  - image: hello\n    weight: 10001")]
    [InlineData("fleet.yaml:3:13: memory: a list stands here; write for example memory: 64M", 65, "guests:\n  - image: hello\n    memory: [1]")]
    [InlineData("fleet.yaml:3:13: memory: 5: from 1048576 to", 65, "guests:\n  - image: hello\n    memory: 5")]
    [InlineData("fleet.yaml:4:5: Duplicate key weight", 65, "guests:\n  - image: hello\n    weight: 3\n    weight: 4")]
    [InlineData("fleet.yaml:2:1: While parsing", 65, "a: [")]
    [InlineData("fleet.yaml:2:12: image: there is no file and no built-in guest 'nothing-there'", 66, "guests:\n  - image: nothing-there")]
    [InlineData("fleet.yaml:2:28: disks: there is no file", 66, "guests:\n  - {image: hello, disks: [x.img]}")]
    [InlineData("fleet.yaml:2:29: restart: sometimes: write never, on-failure or always", 65, "guests:\n  - {image: hello, restart: sometimes}")]
    [InlineData("fleet.yaml:2:41: instructions: 0: at least 1", 65, "guests:\n  - {image: hello, caps: {instructions: 0}}")]
    [InlineData("fleet.yaml:2:35: this must be longer than nothing", 65, "guests:\n  - {image: hello, caps: {period: 0}}")]
    [InlineData("fleet.yaml:2:5: connect: there is no guest b; there are a", 65, "guests:\n  - {image: hello, name: a, connect: b}")]
    [InlineData("fleet.yaml:3:5: two guests are called hello", 65, "guests:\n  - image: hello\n  - image: hello")]
    [InlineData("2 guests cannot write to one file; write {name} into its name", 65, "guests:\n  - {image: hello, count: 2, serial: 'file:x'}")]
    [InlineData("fleet.yaml:2:28: engine: turbo: write auto, translator or interpreter", 65, "guests:\n  - {image: hello, engine: turbo}")]
    [InlineData("fleet.yaml:2:25: cpu: z80: write", 65, "guests:\n  - {image: hello, cpu: z80}")]
    public void What_is_wrong_is_told_with_its_place(string message, int status, string text)
    {
        ToolResult result = Run(text);
        Assert.Contains(message, result.Errors, StringComparison.Ordinal);
        Assert.Equal((status, ""), (result.Status, result.Output));
    }

    [Fact]
    public void One_is_counted_in_the_singular()
    {
        ToolResult result = Run("host-memory: 64M\nguests:\n  - image: hello");
        Assert.Equal(0, result.Status);
        Assert.Contains("toyvmm: 1 guest, 1 succeeded, 1 slice in ", result.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public void A_disk_has_one_writer()
    {
        File.WriteAllBytes(Path.Combine(_folder, "disk.img"), new byte[1 << 20]);
        ToolResult result = Run("guests:\n  - {image: hello, name: a, disks: [disk.img]}\n  - {image: hello, name: b, disks: ['disk.img,snapshot']}");
        Assert.Contains(":3:5: disks: b and a have one disk,", result.Errors, StringComparison.Ordinal);
        Assert.Contains("and a writes to it", result.Errors, StringComparison.Ordinal);
        Assert.Equal(65, result.Status);
    }

    [Theory]
    [InlineData("--memory and --fleet: what concerns one guest stands in the fleet file", "--memory", "4M")]
    [InlineData("--max-exits and --fleet:", "--max-exits", "4")]
    [InlineData("hello and --fleet:", "hello")]
    public void What_concerns_one_guest_stands_in_the_file(string message, params string[] arguments)
    {
        ToolResult result = Run("guests:\n  - image: hello", arguments);
        Assert.Contains(message, result.Errors, StringComparison.Ordinal);
        Assert.Equal(64, result.Status);
    }

    [Fact]
    public void A_missing_fleet_file_is_66() => Assert.Equal(66, CommandLine.Run("run", "--fleet", Path.Combine(_folder, "none.yaml")).Status);

    private ToolResult Run(string text, params string[] arguments)
    {
        string file = Path.Combine(_folder, "fleet.yaml");
        File.WriteAllText(file, text.Replace("file:{name}.log", $"file:{_folder}/{{name}}.log", StringComparison.Ordinal) + "\n");
        return CommandLine.Run(["run", "--fleet", file, .. arguments.Select(argument => argument == "report.json" ? Path.Combine(_folder, argument) : argument)]);
    }
}
