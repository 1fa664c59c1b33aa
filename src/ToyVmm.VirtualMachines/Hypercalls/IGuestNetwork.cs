namespace ToyVmm.VirtualMachines.Hypercalls;

/// <summary>What a host's configuration lets guests do with each other. Called from the threads that run the guests.</summary>
public interface IGuestNetwork
{
    /// <summary>True where a guest may reach another one.</summary>
    /// <param name="from">The caller's number.</param>
    /// <param name="to">The other's; any number at all.</param>
    bool Connects(uint from, uint to);

    /// <summary>Rings another guest's bell: <see cref="InputQueue.Ring"/> of its machine.</summary>
    /// <param name="to">A guest that is connected.</param>
    /// <param name="port">The bit of its pending word.</param>
    void Ring(uint to, int port);

    /// <summary>Pages that are offered.</summary>
    PageExchange Pages { get; }
}

/// <summary>A mark that a guest left with the hypercall <c>trace_mark</c>.</summary>
/// <param name="Id">What it is about.</param>
/// <param name="Value">Anything.</param>
public readonly record struct TraceMark(uint Id, uint Value);
