namespace ToyVmm.VirtualMachines;

/// <summary>A saved state cannot be restored: it is damaged, or of another machine. The message says where and what.</summary>
public sealed class InvalidStateException : Exception
{
    /// <summary>Makes the exception.</summary>
    /// <param name="message">Where, and what is wrong.</param>
    public InvalidStateException(string message)
        : base(message)
    {
    }
}
