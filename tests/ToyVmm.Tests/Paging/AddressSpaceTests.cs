using ToyVmm.Engines;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Tests.Interpretation.Events;
using Xunit;

namespace ToyVmm.Tests.Paging;

/// <summary>
/// What one ring or address space has touched gives another one no rights and no contents: guests on the interpreter and - where there is one - the
/// translator, whose shadow maps neighbours along with a page and is shared by the address spaces of a kernel with global pages.
/// </summary>
public sealed unsafe class AddressSpaceTests : IDisposable
{
    private const uint Page = 0x1000;
    private const uint First = 0x100_000;  // directories
    private const uint Second = 0x101_000;
    private const uint FirstTable = 0x102_000;
    private const uint SecondTable = 0x103_000;
    private const uint Linear = 0x50_000;
    private const uint Frame = 0x60_000;

    private const uint Present = 1;
    private const uint Writable = 2;
    private const uint User = 4;
    private const uint Accessed = 0x20;
    private const uint Dirty = 0x40;
    private const uint Everything = Present | Writable | User;

    private readonly CpuBench _bench = new();

    private CpuState* State => _bench.State;

    public void Dispose() => _bench.Dispose();

    /// <summary>A clean page becomes dirty at the first store; a page that is dirty, but not writable, stays so.</summary>
    [Fact]
    public void A_dirty_page_need_not_be_writable()
    {
        Start(0);
        Map(FirstTable, 0, Frame, Present | Accessed | Dirty);
        State->Cr0 |= Cr0.WP;
        Run([.. Load(0), .. Store(0), 0xF4]);
        Assert.Equal((CpuBench.Handler(Vector.PageFault) + 1, Linear, 3u), (State->Eip, State->Cr2, _bench.Stack32(0)));
        Assert.Equal(Value(0), _bench.Read32(Frame));
    }

    /// <summary>Ring 0 reads a page of its own and ring 3 the neighbour, which might bring the first along.</summary>
    [Fact]
    public void What_ring_0_has_read_ring_3_may_not()
    {
        Start(3);
        Map(FirstTable, 1, Frame + Page, Present | Writable);
        _bench.Write(CpuBench.Handler(0x40), [.. Load(1), 0xCF]);
        Run([0xCD, 0x40, .. Load(0), .. Load(2), .. Load(1), 0xF4]);
        Assert.Equal((CpuBench.Handler(Vector.PageFault) + 1, Linear + Page, 5u), (State->Eip, State->Cr2, _bench.Stack32(0)));
        Assert.Equal(Value(2), State->Eax);
    }

    /// <summary>The page between two is mapped last, and they along with it: each still shows its own frame.</summary>
    [Fact]
    public void Neighbours_keep_their_frames()
    {
        Start(0);
        Run([.. Load(0), .. Load(2), .. Load(1), .. Load(0), 0x89, 0xC3, .. Load(1), 0x89, 0xC1, .. Load(2), 0xF4]); // mov ebx, eax; mov ecx, eax
        Assert.Equal((Value(0), Value(1), Value(2)), (State->Ebx, State->Ecx, State->Eax));
    }

    /// <summary>The same page in two address spaces, to and fro; with and without global pages, which let them share a view.</summary>
    [Theory]
    [InlineData(0u)]
    [InlineData(Cr4.PGE)]
    public void Each_address_space_shows_its_own_page(uint cr4)
    {
        Start(0);
        State->Cr4 |= cr4;
        Map(SecondTable, 0, Frame + Page, Everything);
        for (int round = 0; round < 3; round++)
        {
            Run([.. Switch(First), .. Load(0), 0x89, 0xC3, .. Switch(Second), .. Load(0), 0xF4]); // mov ebx, eax
            Assert.Equal((Value(0), Value(1)), (State->Ebx, State->Eax));
        }
    }

    /// <summary>A page changes while another address space is current: whoever comes back finds the change.</summary>
    [Theory]
    [InlineData(0u)]
    [InlineData(Cr4.PGE)]
    public void A_page_may_change_while_its_address_space_is_away(uint cr4)
    {
        Start(0);
        State->Cr4 |= cr4;
        byte[] change = [0xC7, 0x05, .. Bytes(FirstTable + (Linear / Page * 4)), .. Bytes((Frame + Page) | Everything)];
        Run([.. Switch(First), .. Load(0), 0x89, 0xC3, .. Switch(Second), .. Load(0), .. change, .. Switch(First), .. Load(0), 0xF4]);
        Assert.Equal((Value(0), Value(1)), (State->Ebx, State->Eax));
    }

    // Two directories with a table each, the first 4 MiB mapped to themselves for everybody; but pages 0 to 2 behind Linear to those behind Frame.
    private void Start(uint ring)
    {
        _ = _bench.Protected(ring);
        foreach ((uint directory, uint table) in (ReadOnlySpan<(uint, uint)>)[(First, FirstTable), (Second, SecondTable)])
        {
            _bench.Write32(directory, table | Everything);
            for (uint n = 0; n < 1024; n++)
            {
                _bench.Write32(table + (n * 4), (n * Page) | Everything);
            }

            for (uint n = 0; n < 3; n++)
            {
                Map(table, n, Frame + (n * Page), Everything);
                _bench.Write32(Frame + (n * Page), Value(n));
            }
        }

        State->Cr3 = First;
        State->Cr0 |= Cr0.PG;
    }

    private void Map(uint table, uint n, uint frame, uint flags) => _bench.Write32(table + (((Linear / Page) + n) * 4), frame | flags);

    private void Run(byte[] code)
    {
        _ = _bench.Program(code);
        State->Eip = CpuBench.Code;
        _bench.Cpu.NotifyStateChanged();
        Assert.Equal(ExitReason.Halt, _bench.Run(100).Reason);
        State->Halted = 0;
    }

    private static uint Value(uint n) => 0x1111_1111 * (n + 1);

    private static byte[] Bytes(uint value) => BitConverter.GetBytes(value);

    // mov eax, [page n]; jmp to the next: a block each, since the rest of a block in which a load faults is interpreted.
    private static byte[] Load(uint n) => [0xA1, .. Bytes(Linear + (n * Page)), 0xEB, 0x00];

    private static byte[] Store(uint n) => [0xA3, .. Bytes(Linear + (n * Page)), 0xEB, 0x00];

    // mov edx, directory; mov cr3, edx
    private static byte[] Switch(uint directory) => [0xBA, .. Bytes(directory), 0x0F, 0x22, 0xDA];
}
