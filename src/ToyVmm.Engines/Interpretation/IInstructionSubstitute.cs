using Iced.Intel;

namespace ToyVmm.Engines.Interpretation;

/// <summary>Has some instructions executed in another way: asked when a block is decoded, so that it costs nothing where there is none.</summary>
internal interface IInstructionSubstitute
{
    /// <summary>True for an instruction that is its own to execute. It will end its block.</summary>
    /// <param name="x">The instruction.</param>
    bool Replaces(in Instruction x);

    /// <summary>Executes one.</summary>
    /// <param name="i">The instruction, decoded for the handler it would have.</param>
    /// <param name="cpu">The interpreter.</param>
    /// <returns>What a handler returns (<see cref="Flow"/>).</returns>
    unsafe nint Execute(Decoding.DecodedInstruction* i, Interpreter cpu);
}
