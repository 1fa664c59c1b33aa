namespace ToyVmm.VirtualMachines.Replay;

/// <summary>A machine that replays has left the way of the recorded run.</summary>
/// <param name="Index">The event that could not be given to it; the log's count where it is the end that was missed.</param>
/// <param name="Expected">Where the machine should have been.</param>
/// <param name="Found">Where it was.</param>
/// <param name="Detail">What does not fit, in words.</param>
public sealed record ReplayDivergence(long Index, InputMoment Expected, InputMoment Found, string Detail);
