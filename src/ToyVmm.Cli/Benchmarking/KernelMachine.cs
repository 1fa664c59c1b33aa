namespace ToyVmm.Cli.Benchmarking;

/// <summary>A machine that the guest kernel runs on, for comparison.</summary>
internal enum KernelMachine
{
    /// <summary>Here, with hypercalls left alone: as on a real machine.</summary>
    Full,

    /// <summary>Here, by hypercalls.</summary>
    Paravirtual,

    /// <summary>On QEMU, as on a real machine; its translator (TCG), one CPU.</summary>
    Qemu,
}
