using System.Buffers.Binary;
using System.Diagnostics;
using ToyVmm.Tests.Properties;
using Xunit;
using Xunit.Abstractions;

namespace ToyVmm.Tests.Oracle;

/// <summary>The oracle itself: is it really 32-bit code, does all state travel, does .NET survive it?</summary>
public sealed class HostCpuTests(ITestOutputHelper output)
{
    private const uint CodeAddress = 0x5000;

    [HostCpuFact]
    public void Every_register_and_flag_goes_in_and_comes_out()
    {
        using var host = new HostCpu();
        host.Load([0x90], CodeAddress, []);
        var random = new EdgeRandom(7);
        var states = new OracleState[HostCpu.MaxCases];
        for (int i = 0; i < states.Length; i++)
        {
            states[i] = RandomState(random);
            host.Input(i).State = states[i];
            host.Input(i).Window.Fill((byte)i);
        }

        host.Run(states.Length);
        for (int i = 0; i < states.Length; i++)
        {
            Assert.Equal(states[i] with { Eip = CodeAddress + 1 }, host.Output(i).State);
            Assert.Equal(-1, host.Output(i).Window.IndexOfAnyExcept((byte)i));
        }
    }

    [HostCpuFact]
    public void Opcodes_that_64_bit_mode_lacks_mean_what_they_mean_in_32_bit_mode()
    {
        using var host = new HostCpu();
        OracleState start = new() { Eax = 0x1234_0F0F, Ecx = 3, Esp = OracleLayout.WindowAddress + 256, Ebx = 0x8000, Esi = 0x1000, Eflags = OracleState.FixedFlags };
        Assert.Equal(0x1234_0F10u, One(host, start, 0x40).State.Eax);                       // inc eax
        Assert.Equal(0x1234_1005u, One(host, start, 0x37).State.Eax);                       // aaa: AL = 15 -> 5, AH + 1
        Assert.Equal(start.Esp - 32, One(host, start, 0x60).State.Esp);                     // pusha
        Assert.Equal(0x9002u, One(host, start, 0x67, 0x8D, 0x40, 0x02).State.Eax & 0xFFFF); // lea eax, [bx+si+2]
        Assert.Equal(0x9002u, One(host, start, 0x66, 0x67, 0x8D, 0x40, 0x02).State.Eax & 0xFFFF);
    }

    [HostCpuFact]
    public void Sixteen_bit_addresses_and_the_stack_reach_the_window()
    {
        using var host = new HostCpu();
        OracleState start = new() { Eax = 0xCAFE_F00D, Ebx = 0xFFFF_8000, Esi = 0x1000, Esp = OracleLayout.WindowAddress + 256, Eflags = OracleState.FixedFlags };
        OracleImage stored = One(host, start, 0x67, 0x89, 0x40, 0x02); // mov [bx+si+2], eax
        Assert.Equal(start.Eax, BinaryPrimitives.ReadUInt32LittleEndian(stored.Window[0x102..]));
        OracleImage pushed = One(host, start, 0x50); // push eax
        Assert.Equal(start.Eax, BinaryPrimitives.ReadUInt32LittleEndian(pushed.Window[0xFC..]));
    }

    [HostCpuFact]
    public void A_branch_reports_where_it_went()
    {
        using var host = new HostCpu();
        host.Load([0x74, 0x40], CodeAddress, [CodeAddress + 0x42]); // jz +0x40
        host.Input(0).State = new OracleState { Eflags = OracleState.FixedFlags };
        host.Input(1).State = new OracleState { Eflags = OracleState.FixedFlags | 0x40 };
        host.Run(2);
        Assert.Equal(CodeAddress + 2, host.Output(0).State.Eip);
        Assert.Equal(CodeAddress + 0x42, host.Output(1).State.Eip);
    }

    [HostCpuFact]
    public void A_straight_line_of_instructions_runs_to_its_end()
    {
        using var host = new HostCpu();
        OracleImage image = One(host, new OracleState { Eax = 5, Eflags = OracleState.FixedFlags | 0x400 }, 0x40, 0x01, 0xC0, 0xF9, 0xFC); // inc, add eax,eax, stc, cld
        Assert.Equal(12u, image.State.Eax);
        Assert.Equal(OracleState.FixedFlags | 5u, image.State.Eflags); // CF from STC, PF of 12, DF cleared
    }

    [HostCpuFact]
    public void Several_oracles_live_side_by_side()
    {
        using var first = new HostCpu();
        using var second = new HostCpu();
        first.Load([0x40], CodeAddress, []);
        second.Load([0x48], CodeAddress, []);
        first.Input(0).State = new OracleState { Eax = 10, Eflags = OracleState.FixedFlags };
        second.Input(0).State = new OracleState { Eax = 10, Eflags = OracleState.FixedFlags };
        first.Run(1);
        second.Run(1);
        Assert.Equal(11u, first.Output(0).State.Eax);
        Assert.Equal(9u, second.Output(0).State.Eax);
    }

    [HostCpuFact]
    public void Misuse_is_refused()
    {
        using var host = new HostCpu();
        Assert.Throws<InvalidOperationException>(() => host.Run(1));
        Assert.Throws<ArgumentException>(() => host.Load([], CodeAddress, []));
        Assert.Throws<ArgumentException>(() => host.Load([0x90], OracleLayout.CodeEnd - 4, []));
        Assert.Throws<ArgumentException>(() => host.Load([0x74, 0x05], CodeAddress, [CodeAddress + 7]));
        host.Load([0x90], CodeAddress, []);
        Assert.Throws<ArgumentOutOfRangeException>(() => host.Run(HostCpu.MaxCases + 1));
        host.Input(0).State = new OracleState { Eflags = OracleState.FixedFlags | 0x100 }; // TF
        Assert.Throws<ArgumentException>(() => host.Run(1));
        host.Dispose();
        Assert.Throws<ObjectDisposedException>(() => host.Run(1));
    }

    [Fact]
    public void The_journal_is_on_disk_at_once_and_gone_in_the_end()
    {
        var journal = new OracleJournal();
        journal.Note("a long note that the next one replaces");
        journal.Note("what runs");
        Assert.Equal("what runs", File.ReadAllText(journal.Path).Trim());
        journal.Dispose();
        Assert.False(File.Exists(journal.Path));
    }

    [HostCpuFact]
    public void Garbage_collections_signals_and_thread_statics_survive_it()
    {
        // .NET suspends threads with signals and keeps its thread in FS: both would crash within milliseconds if the thunk let
        // a signal in while ESP is the guest's, or touched FS. ESP is garbage here on purpose.
        using var host = new HostCpu();
        using var stop = new CancellationTokenSource(TimeSpan.FromSeconds(3));
        int collections = 0;
        var collector = new Thread(() =>
        {
            while (!stop.IsCancellationRequested)
            {
                GC.Collect(collections++ % 3, GCCollectionMode.Forced, blocking: true);
            }
        });
        collector.Start();
        var random = new EdgeRandom(9);
        host.Load([0x01, 0xD8], CodeAddress, []); // add eax, ebx
        long cases = 0;
        var kept = new List<byte[]>();
        while (!stop.IsCancellationRequested)
        {
            for (int i = 0; i < 64; i++)
            {
                host.Input(i).State = RandomState(random);
            }

            host.Run(64);
            for (int i = 0; i < 64; i++)
            {
                OracleState before = host.Input(i).State;
                Assert.Equal(before.Eax + before.Ebx, host.Output(i).State.Eax);
            }

            cases += 64;
            kept.Add(new byte[100]);
            if (kept.Count > 1000)
            {
                kept.Clear();
            }
        }

        collector.Join();
        output.WriteLine($"{cases:N0} cases beside {collections:N0} garbage collections");
        Assert.True(collections > 100, $"only {collections} collections");
        string? nothing = cases < 0 ? "never" : null;
        Assert.Throws<NullReferenceException>(() => nothing!.Length.ToString(System.Globalization.CultureInfo.InvariantCulture)); // the runtime's own SIGSEGV still works
    }

    [HostCpuFact]
    public void It_is_fast_enough_for_millions_of_cases()
    {
        using var host = new HostCpu();
        host.Load([0x11, 0xD8], CodeAddress, []);
        for (int i = 0; i < HostCpu.MaxCases; i++)
        {
            host.Input(i).State = new OracleState { Eax = (uint)i, Eflags = OracleState.FixedFlags };
        }

        host.Run(HostCpu.MaxCases);
        var clock = Stopwatch.StartNew();
        const int Calls = 1000;
        for (int i = 0; i < Calls; i++)
        {
            host.Run(HostCpu.MaxCases);
        }

        double perSecond = Calls * HostCpu.MaxCases / clock.Elapsed.TotalSeconds;
        output.WriteLine($"{perSecond:N0} cases a second");
        Assert.True(perSecond > 50_000, $"only {perSecond:N0} cases a second"); // a quarter of the target, for noisy machines
    }

    private static OracleState RandomState(EdgeRandom random)
    {
        var state = new OracleState { Eflags = random.ArithmeticFlags() };
        for (int register = 0; register < 8; register++)
        {
            state[register] = random.UInt32();
        }

        return state;
    }

    private static OracleImage One(HostCpu host, OracleState start, params byte[] code)
    {
        host.Load(code, CodeAddress, []);
        host.Input(0).State = start;
        host.Run(1);
        return host.Output(0);
    }
}
