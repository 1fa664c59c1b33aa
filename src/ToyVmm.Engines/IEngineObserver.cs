namespace ToyVmm.Engines;

/// <summary>Told what happens inside an engine, for traces and debuggers. It may look, and change nothing.</summary>
public interface IEngineObserver
{
    /// <summary>True to be told of every instruction; the engine then runs them one by one. Read when the observer is attached to a run.</summary>
    bool WantsInstructions { get; }

    /// <summary>The instruction at CS:EIP is about to be executed.</summary>
    /// <param name="vcpu">The CPU, its state exact.</param>
    void BeforeInstruction(Vcpu vcpu);

    /// <summary>An interrupt or exception is about to be delivered.</summary>
    /// <param name="vcpu">The CPU, its state that of before the delivery.</param>
    /// <param name="trap">What is delivered.</param>
    void BeforeTrap(Vcpu vcpu, in TrapInfo trap);
}

/// <summary>Where an interrupt comes from.</summary>
public enum TrapSource
{
    /// <summary>A fault or abort of an instruction.</summary>
    Exception,

    /// <summary>A debug trap, after an instruction.</summary>
    DebugTrap,

    /// <summary>INT n.</summary>
    SoftwareInterrupt,

    /// <summary>INT3 or INTO.</summary>
    SoftwareException,

    /// <summary>INT1 (ICEBP).</summary>
    PrivilegedSoftwareException,

    /// <summary>An external interrupt.</summary>
    ExternalInterrupt,

    /// <summary>NMI.</summary>
    Nmi,
}

/// <summary>One interrupt or exception.</summary>
/// <param name="Source">Where it comes from.</param>
/// <param name="Vector">0-255.</param>
/// <param name="ErrorCode">The error code, where <paramref name="Vector"/> has one.</param>
/// <param name="FaultAddress">The linear address, for a page fault.</param>
public readonly record struct TrapInfo(TrapSource Source, int Vector, uint ErrorCode, uint FaultAddress);
