using Iced.Intel;

namespace ToyVmm.Engines.Interpretation;

/// <summary>Has some instructions executed in another way: asked when a block is decoded, so that it costs nothing where there is none.</summary>
internal interface IInstructionSubstitute
{
    /// <summary>Takes an instruction over, which will end its block.</summary>
    /// <param name="x">The instruction.</param>
    /// <param name="handler">What would execute it.</param>
    /// <param name="token">A number that <see cref="Execute"/> finds in the slot behind the instruction.</param>
    /// <returns>False to leave it alone.</returns>
    unsafe bool TryTake(in Instruction x, Handler handler, out uint token);

    /// <summary>Executes one.</summary>
    /// <param name="i">The instruction, decoded for the handler it would have; the token is the immediate of the one behind it.</param>
    /// <param name="cpu">The interpreter.</param>
    /// <returns>What a handler returns (<see cref="Flow"/>).</returns>
    unsafe nint Execute(Decoding.DecodedInstruction* i, Interpreter cpu);
}
