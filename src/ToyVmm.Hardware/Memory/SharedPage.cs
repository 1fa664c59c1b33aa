namespace ToyVmm.Hardware.Memory;

/// <summary>A page of one machine that another one may have too. Whoever has it from <see cref="GuestMemory.Lend"/> lets go of it in the end.</summary>
/// <param name="File">The file that it lies in.</param>
/// <param name="Offset">Its byte there.</param>
public sealed record SharedPage(MemoryFile File, ulong Offset)
{
    /// <summary>Lets go of it. Machines that have the page keep it.</summary>
    public void Release() => File.Release();
}
