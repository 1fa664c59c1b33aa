namespace ToyVmm.Hardware.Memory;

/// <summary>Why a store to a guest-physical page must not go straight to it.</summary>
[Flags]
public enum PageMarks : byte
{
    /// <summary>It may.</summary>
    None = 0,

    /// <summary>An engine holds decoded code from the page, and must be told.</summary>
    Code = 1,

    /// <summary>The page is not this machine's own yet - others have it too, or there is nothing behind it so far: it needs a copy first.</summary>
    Borrowed = 2,

    /// <summary>The newest checkpoint has the page as it is now: its contents must be kept before they change (<see cref="GuestMemory.AddCheckpoint"/>).</summary>
    Kept = 4,
}
