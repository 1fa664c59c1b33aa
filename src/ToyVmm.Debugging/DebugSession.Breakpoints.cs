using System.Globalization;
using ToyVmm.Engines;
using ToyVmm.Engines.Classification;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Debugging;

/// <content>From breakpoints to what the engine leaves for, and back.</content>
public sealed unsafe partial class DebugSession
{
    private readonly InstructionClassifier _classifier = new();
    private readonly Func<uint, bool> _leavesAt;
    private readonly HashSet<uint> _goalAddresses = [];
    private bool _isSearching;

    // What the engine must leave for.
    private StopSet StopsFor(in Goal goal)
    {
        HashSet<uint> linear = [.. goal.Stops.Linear];
        HashSet<ulong> physical = [];
        List<DataStop> data = [.. goal.Stops.Data];
        HashSet<int> vectors = [];
        HashSet<uint> registers = [];
        List<(ushort, ushort)> ports = [];
        HashSet<uint> hypercalls = [];
        uint control = goal.Stops.ControlRegisters;
        bool modes = goal.Stops.ModeChanges;
        IStopFilter? filter = goal.Stops.Filter;
        if (goal.Linear is { } target)
        {
            _ = linear.Add(target);
        }

        foreach (Breakpoint one in Breakpoints.Where(one => one.IsEnabled))
        {
            switch (one.Spec)
            {
                case LinearSpec spec:
                    _ = linear.Add(spec.Address);
                    break;
                case PhysicalSpec spec:
                    _ = physical.Add(spec.Address);
                    break;
                case SegmentOffsetSpec spec:
                    linear.UnionWith(LinearOf(spec));
                    modes = true; // where its segment begins is another matter then
                    break;
                case DataSpec spec:
                    data.Add(new DataStop(spec.Address, spec.Length, spec.IsPhysical, spec.Access is WatchAccess.Read or WatchAccess.Access, spec.Access != WatchAccess.Read));
                    break;
                case PortSpec spec:
                    ports.Add((spec.First, spec.Last));
                    break;
                case ControlRegisterSpec spec:
                    control |= 1u << spec.Number;
                    break;
                case AddressSpaceSpec:
                    control |= 1 << 3;
                    break;
                case ModelSpecificRegisterSpec spec:
                    _ = registers.Add(spec.Number);
                    break;
                case VectorSpec spec:
                    _ = vectors.Add(spec.Vector);
                    break;
                case HypercallSpec spec:
                    _ = hypercalls.Add(spec.Number);
                    break;
                case ModeSwitchSpec:
                    modes = true;
                    break;
                case SensitiveSpec:
                    filter = filter is null ? new Sensitive(_classifier) : new Either(filter, new Sensitive(_classifier));
                    break;
            }
        }

        StopSet stops = new()
        {
            Linear = linear,
            Physical = physical,
            Data = data,
            Vectors = vectors,
            ModelSpecificRegisters = registers,
            Ports = ports,
            Hypercalls = hypercalls,
            ControlRegisters = control,
            ModeChanges = modes,
            Events = goal.Stops.Events,
            Filter = filter,
            LeavesAt = _leavesAt,
        };
        _goalAddresses.Clear();
        _goalAddresses.UnionWith(goal.Stops.Linear);
        if (goal.Linear is { } aim)
        {
            _ = _goalAddresses.Add(aim);
        }

        return stops;
    }

    // In real mode, and where a descriptor says so; which of them counts is seen when it is hit.
    private IEnumerable<uint> LinearOf(SegmentOffsetSpec spec)
    {
        yield return ((uint)spec.Selector << 4) + spec.Offset;
        if (Cpu.Cs.Selector == spec.Selector)
        {
            yield return Cpu.Cs.Base + spec.Offset;
        }
        else if ((Cpu.Cr0 & Cr0.PE) != 0 && (Cpu.OtherFlags & Eflags.VM) == 0 && DescriptorBase(spec.Selector) is { } start)
        {
            yield return start + spec.Offset;
        }
    }

    private uint? DescriptorBase(ushort selector)
    {
        bool local = (selector & 4) != 0;
        uint table = local ? Cpu.Ldtr.Base : Cpu.GdtBase;
        uint limit = local ? Cpu.Ldtr.Limit : Cpu.GdtLimit;
        uint offset = selector & 0xFFF8u;
        Span<byte> bytes = stackalloc byte[8];
        return offset != 0 && offset + 7 <= limit && Memory.ReadLinear(table + offset, bytes) == 8
            ? BitConverter.ToUInt16(bytes[2..]) | ((uint)bytes[4] << 16) | ((uint)bytes[7] << 24)
            : null;
    }

    private void RememberWatchedBytes()
    {
        foreach (Breakpoint one in Breakpoints)
        {
            if (one.Spec is DataSpec spec)
            {
                one.LastValue = WatchedBytes(spec);
            }
        }
    }

    private byte[] WatchedBytes(DataSpec spec)
    {
        byte[] bytes = new byte[spec.Length];
        int read = spec.IsPhysical ? Memory.ReadPhysical(spec.Address, bytes) : Memory.ReadLinear((uint)spec.Address, bytes);
        return bytes[..read];
    }

    // Whether anything at an address might stop the guest: not where all that is there has conditions, and none holds.
    private bool LeavesAt(uint linear)
    {
        bool leaves = _goalAddresses.Contains(linear);
        foreach (Breakpoint one in Breakpoints)
        {
            if (one.IsEnabled && one.Spec is LinearSpec spec ? spec.Address == linear : one is { IsEnabled: true, Spec: SegmentOffsetSpec })
            {
                one.Reached += _isSearching ? 0u : 1;
                leaves |= one.Spec is SegmentOffsetSpec || one.Condition is not { } condition || condition(this);
                one.Reached -= _isSearching ? 0u : 1;
            }
        }

        for (int n = 0; !leaves && !_isSearching && n < Breakpoints.Count; n++)
        {
            Breakpoints[n].Reached += Breakpoints[n] is { IsEnabled: true, Spec: LinearSpec { Address: uint address } } && address == linear ? 1u : 0;
        }

        return leaves;
    }

    // Which breakpoints stop the guest, of those that were hit; log points have their say on the way.
    private List<BreakpointHit> Judge(StopHit[] hits, bool isSearching)
    {
        List<BreakpointHit> stopping = [];
        foreach (Breakpoint one in Breakpoints.ToArray())
        {
            if (!one.IsEnabled || HitOf(one, hits) is not { } hit)
            {
                continue;
            }

            one.Reached += isSearching ? 0u : 1;
            if (one.Condition is { } condition && !condition(this))
            {
                continue;
            }

            if (isSearching)
            {
                // Going back passes by here again: neither counted nor told.
                if (one.LogLine is null)
                {
                    stopping.Add(hit);
                }

                continue;
            }

            one.Hits++;
            if (one.IgnoreCount > 0)
            {
                one.IgnoreCount--;
            }
            else if (one.LogLine is { } line)
            {
                _options.Log?.Invoke(line(this));
            }
            else
            {
                stopping.Add(hit);
            }
        }

        return stopping;
    }

    private BreakpointHit? HitOf(Breakpoint one, StopHit[] hits)
    {
        uint linear = Cpu.Cs.Base + Cpu.Eip;
        switch (one.Spec)
        {
            case InstructionSpec spec:
                return Point.Instructions == spec.Count && Machine.Vcpu.PassedAt.Retired != spec.Count ? new BreakpointHit(one, null) : null;
            case DataSpec spec:
                return WatchHit(one, spec, hits);
            case SegmentOffsetSpec spec:
                return First(hit => hit.Kind == StopHitKind.Code && Cpu.Cs.Selector == spec.Selector && Cpu.Eip == spec.Offset);
            case LinearSpec spec:
                return First(hit => hit.Kind == StopHitKind.Code && hit.Address == spec.Address);
            case PhysicalSpec spec:
                return First(hit => hit.Kind == StopHitKind.Code && (hit.Physical == spec.Address || Machine.Vcpu.Mmu.Peek(linear)?.Value == spec.Address));
            case PortSpec spec:
                return First(hit => (spec.Reads && hit.Kind == StopHitKind.PortRead || spec.Writes && hit.Kind == StopHitKind.PortWrite) && hit.Address <= spec.Last && hit.Address + (ulong)hit.Length > spec.First);
            case ControlRegisterSpec spec:
                return First(hit => hit.Kind == StopHitKind.ControlRegister && hit.Address == (ulong)spec.Number);
            case AddressSpaceSpec:
                return First(IsAddressSpaceSwitch);
            case ModelSpecificRegisterSpec spec:
                return First(hit => hit.Kind == StopHitKind.ModelSpecificRegister && hit.Address == spec.Number);
            case VectorSpec spec:
                return First(hit => hit.Kind == StopHitKind.Event && hit.Trap.Vector == spec.Vector);
            case HypercallSpec spec:
                return First(hit => hit.Kind == StopHitKind.Hypercall && hit.Address == spec.Number);
            case ModeSwitchSpec:
                return First(hit => hit.Kind == StopHitKind.Mode);
            case SensitiveSpec:
                return First(hit => hit.Kind == StopHitKind.Filter && _classifier.IsNextSensitive(Machine.Vcpu));
            default:
                return null;
        }

        BreakpointHit? First(Func<StopHit, bool> matches)
        {
            foreach (StopHit hit in hits)
            {
                if (matches(hit))
                {
                    return new BreakpointHit(one, hit);
                }
            }

            return null;
        }
    }

    private BreakpointHit? WatchHit(Breakpoint one, DataSpec spec, StopHit[] hits)
    {
        bool reads = spec.Access is WatchAccess.Read or WatchAccess.Access;
        bool writes = spec.Access != WatchAccess.Read;
        foreach (StopHit hit in hits)
        {
            ulong address = spec.IsPhysical ? hit.Physical : hit.Address;
            bool matches = (reads && hit.Kind == StopHitKind.Read) || (writes && hit.Kind == StopHitKind.Write);
            if (matches && address < spec.Address + spec.Length && spec.Address < address + (uint)hit.Length)
            {
                byte[] old = one.LastValue;
                byte[] now = WatchedBytes(spec);
                one.LastValue = now;
                return spec.Access != WatchAccess.Change || !old.AsSpan().SequenceEqual(now) ? new BreakpointHit(one, hit, old, now) : null;
            }
        }

        return null;
    }

    private static string Describe(BreakpointHit hit)
    {
        string kind = hit.Breakpoint.Spec is DataSpec ? "watchpoint" : "breakpoint";
        string text = string.Create(CultureInfo.InvariantCulture, $"{kind} {hit.Breakpoint.Id}: {hit.Breakpoint.Spec.Text}");
        return hit.Breakpoint.Spec is DataSpec && !hit.Old.Span.SequenceEqual(hit.New.Span) && hit.Old.Length <= 16
            ? text + string.Create(CultureInfo.InvariantCulture, $", {Convert.ToHexStringLower(hit.Old.Span)} became {Convert.ToHexStringLower(hit.New.Span)}")
            : text;
    }

    private sealed class Either(IStopFilter first, IStopFilter second) : IStopFilter
    {
        public bool StopsBefore(Vcpu vcpu) => first.StopsBefore(vcpu) | second.StopsBefore(vcpu);
    }
}
