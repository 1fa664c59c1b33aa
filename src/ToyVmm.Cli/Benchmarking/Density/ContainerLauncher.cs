using System.Globalization;

namespace ToyVmm.Cli.Benchmarking.Density;

/// <summary>
/// The least that a container is: namespaces of its own (unshare(1), namespaces(7)) and a control group (cgroups(7)), without a file system of its own and without a
/// daemon. It takes what the host permits, and says what that is.
/// </summary>
internal sealed class ContainerLauncher
{
    private const string ControlGroups = "/sys/fs/cgroup";

    private readonly string _unshare;
    private readonly string[] _flags;
    private readonly string[] _groups;
    private int _next;

    private ContainerLauncher(string unshare, string[] flags, string[] groups)
    {
        _unshare = unshare;
        _flags = flags;
        _groups = groups;
    }

    /// <summary>What the containers have: "namespaces user, pid, mount, ...; control groups of version 1 (memory, pids, cpu)".</summary>
    public required string Permitted { get; init; }

    /// <summary>True where each has a control group.</summary>
    public bool HasGroups => _groups.Length > 0;

    /// <summary>Finds out what the host permits.</summary>
    /// <param name="program">A program that ends at once, to try it with.</param>
    /// <param name="why">When there are no containers at all: why.</param>
    public static ContainerLauncher? Create(string program, out string why)
    {
        why = "";
        if (HostProgram.Find("unshare") is not { } unshare)
        {
            why = "no containers: unshare (util-linux) is not installed";
            return null;
        }

        // The more the better; a user namespace is what lets those do it who are not root.
        string[] all = ["--mount", "--uts", "--ipc", "--net", "--cgroup"];
        string[] most = ["--mount", "--uts", "--ipc", "--net"];
        string[][] choices =
        [
            all, ["--user", "--map-root-user", .. all], most, ["--user", "--map-root-user", .. most],
            ["--mount", "--uts", "--ipc"], ["--user", "--map-root-user"], [],
        ];
        foreach (string[] choice in choices)
        {
            string[] flags = ["--fork", "--pid", "--kill-child", .. choice];
            if (SpawnedProcess.Run([unshare, .. flags, program]) == 0)
            {
                string[] groups = FindGroups(out string kind);
                string namespaces = string.Join(", ", flags.Where(flag => flag is not ("--fork" or "--kill-child" or "--map-root-user")).Select(flag => flag[2..]));
                return new ContainerLauncher(unshare, flags, groups) { Permitted = $"namespaces: {namespaces}; {kind}" };
            }
        }

        why = "no containers: this host permits no namespaces (unshare --pid fails)";
        return null;
    }

    /// <summary>Makes a container and starts a program in it.</summary>
    /// <param name="group">Where its control groups are, for <see cref="Remove"/>.</param>
    /// <param name="command">The program and its arguments.</param>
    public SpawnedProcess Start(out string group, params IReadOnlyList<string> command)
    {
        group = string.Create(CultureInfo.InvariantCulture, $"toyvmm-density-{Environment.ProcessId}-{_next++}");
        string name = group;
        foreach (string parent in _groups)
        {
            _ = Directory.CreateDirectory(Path.Combine(parent, name));
        }

        // Who enters a control group does so itself, before it becomes the container: so everything that it does is in there.
        string enter = string.Concat(_groups.Select(parent => $"echo 0 > {parent}/{name}/cgroup.procs; "));
        return _groups.Length == 0
            ? SpawnedProcess.Start([_unshare, .. _flags, .. command])
            : SpawnedProcess.Start(["/bin/sh", "-c", enter + "exec \"$@\"", "sh", _unshare, .. _flags, .. command]);
    }

    /// <summary>Takes the control groups of a container away that has ended.</summary>
    public void Remove(string group)
    {
        foreach (string parent in _groups)
        {
            // The last process of it may still be on its way out.
            for (int attempt = 0; ; attempt++)
            {
                try
                {
                    Directory.Delete(Path.Combine(parent, group));
                    break;
                }
                catch (IOException) when (attempt < 1000)
                {
                    Thread.Sleep(1);
                }
            }
        }
    }

    /// <summary>Everything that a container consists of: what unshare leaves behind to wait, and the program.</summary>
    public static IEnumerable<int> Processes(SpawnedProcess container)
    {
        yield return container.Id;
        string children = string.Create(CultureInfo.InvariantCulture, $"/proc/{container.Id}/task/{container.Id}/children");
        foreach (string child in (File.Exists(children) ? File.ReadAllText(children) : "").Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            yield return int.Parse(child, CultureInfo.InvariantCulture);
        }
    }

    // Version 2 has one tree; in version 1 each controller has its own.
    private static string[] FindGroups(out string kind)
    {
        string[] parents = File.Exists(Path.Combine(ControlGroups, "cgroup.controllers"))
            ? [ControlGroups]
            : [.. ((string[])["memory", "pids", "cpu"]).Select(controller => Path.Combine(ControlGroups, controller)).Where(Directory.Exists)];
        string[] permitted = [.. parents.Where(MayUse)];
        kind = permitted.Length == 0 ? "no control groups: this host permits none"
            : permitted[0] == ControlGroups ? "a control group of version 2"
            : $"control groups of version 1: {string.Join(", ", permitted.Select(Path.GetFileName))}";
        return permitted;
    }

    private static bool MayUse(string parent)
    {
        string probe = Path.Combine(parent, string.Create(CultureInfo.InvariantCulture, $"toyvmm-density-{Environment.ProcessId}"));
        try
        {
            _ = Directory.CreateDirectory(probe);
            bool may = SpawnedProcess.Run("/bin/sh", "-c", $"echo 0 > {probe}/cgroup.procs") == 0;
            for (int attempt = 0; attempt < 100; attempt++)
            {
                try
                {
                    Directory.Delete(probe);
                    return may;
                }
                catch (IOException)
                {
                    Thread.Sleep(1);
                }
            }

            return false;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
