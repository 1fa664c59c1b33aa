using System.Globalization;
using System.Text;
using ToyVmm.Engines;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Paging;
using ToyVmm.VirtualMachines;

namespace ToyVmm.Debugging.Monitoring;

/// <summary>What the page tables map, and what the TLB holds: ranges of pages with the same rights, as QEMU's "info mem" shows them.</summary>
internal static unsafe class PagingText
{
    private const uint PageSize = 4096;
    private const TlbRights Access = TlbRights.User | TlbRights.Writable | TlbRights.NoExecute;

    /// <summary>Every range of mapped linear addresses: first address, the address behind it, length, rights.</summary>
    public static string Mappings(Vcpu vcpu)
    {
        if ((vcpu.State->Cr0 & Cr0.PG) == 0)
        {
            return "paging is off: linear addresses are physical";
        }

        StringBuilder text = new();
        TlbRights? open = null;
        ulong start = 0;
        for (ulong page = 0; page <= 1ul << 32; page += PageSize)
        {
            TlbRights? rights = page < 1ul << 32 ? Mapped(vcpu, (uint)page) : null;
            if (rights != open)
            {
                if (open is { } known)
                {
                    _ = text.Append(CultureInfo.InvariantCulture, $"{start:x8}-{page:x8} {page - start:x8} {Rights(known)}\n");
                }

                open = rights;
                start = page;
            }
        }

        return text.Length == 0 ? "no page is mapped" : text.ToString().TrimEnd('\n');
    }

    /// <summary>Every entry of the architectural TLB; neighbours whose physical pages are neighbours too share a line.</summary>
    public static string TlbEntries(Vcpu vcpu)
    {
        StringBuilder text = new();
        uint count = 0;
        for (ulong linear = 0; linear < 1ul << 32;)
        {
            if (!vcpu.Mmu.Tlb.TryGet((uint)linear, out var page, out TlbRights rights))
            {
                linear += PageSize;
                continue;
            }

            ulong pages = 1;
            while (linear + (pages * PageSize) < 1ul << 32
                && vcpu.Mmu.Tlb.TryGet((uint)(linear + (pages * PageSize)), out var next, out TlbRights nextRights)
                && next == page + (pages * PageSize) && nextRights == rights)
            {
                pages++;
            }

            _ = text.Append(CultureInfo.InvariantCulture, $"{linear:x8}: {page:x8} {Rights(rights)} {((rights & TlbRights.Dirty) != 0 ? 'd' : '-')}{((rights & TlbRights.Global) != 0 ? 'g' : '-')}{(pages > 1 ? $" {pages} pages" : "")}\n");
            linear += pages * PageSize;
            count += (uint)pages;
        }

        return text.Append(CultureInfo.InvariantCulture, $"{count} entries").ToString();
    }

    private static string Rights(TlbRights rights) => $"{((rights & TlbRights.User) != 0 ? 'u' : '-')}r{((rights & TlbRights.Writable) != 0 ? 'w' : '-')}{((rights & TlbRights.NoExecute) != 0 ? '-' : 'x')}";

    private static TlbRights? Mapped(Vcpu vcpu, uint linear)
    {
        PageWalk walk = PageWalker.Walk(vcpu.Memory, vcpu.State, vcpu.Mmu.PhysicalMask, linear);
        return walk.Result == PageWalkResult.Mapped ? walk.Rights & Access : null;
    }
}
