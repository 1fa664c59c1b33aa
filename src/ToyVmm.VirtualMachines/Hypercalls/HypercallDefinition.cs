namespace ToyVmm.VirtualMachines.Hypercalls;

/// <summary>An argument of a hypercall.</summary>
/// <param name="Register">Where the guest puts it.</param>
/// <param name="Name">What it is called.</param>
/// <param name="Meaning">What it says, with its unit and its bounds.</param>
public sealed record HypercallArgument(string Register, string Name, string Meaning);

/// <summary>A row of the table that the monitor, the headers for guests and the documentation are made from.</summary>
/// <param name="Call">The number.</param>
/// <param name="Name">Its name in headers, lower case.</param>
/// <param name="Purpose">What it is for: one sentence.</param>
/// <param name="Arguments">What it takes.</param>
/// <param name="Result">What EAX holds on success.</param>
/// <param name="Errors">How it can fail, each with the reason. A failed call has changed nothing.</param>
public sealed record HypercallDefinition(
    Hypercall Call, string Name, string Purpose, IReadOnlyList<HypercallArgument> Arguments, string Result, IReadOnlyList<(HypercallError Error, string Reason)> Errors);

/// <summary>A field of a structure in guest memory; all are little-endian.</summary>
/// <param name="Offset">Bytes from the beginning.</param>
/// <param name="Size">Bytes: 4 or 8.</param>
/// <param name="Name">Its name in headers.</param>
/// <param name="Meaning">What it holds.</param>
public sealed record GuestField(int Offset, int Size, string Name, string Meaning);

/// <summary>A named number that guests and the monitor share.</summary>
/// <param name="Name">Its name in headers, lower case, without prefix.</param>
/// <param name="Value">The number.</param>
/// <param name="Meaning">What it stands for.</param>
public sealed record GuestConstant(string Name, uint Value, string Meaning);
