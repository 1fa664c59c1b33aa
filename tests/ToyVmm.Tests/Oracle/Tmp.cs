using Iced.Intel;
using Xunit.Abstractions;
namespace ToyVmm.Tests.Oracle;
public sealed class InterpreterSequenceTests(ITestOutputHelper output) : HostSequenceTests<InterpreterInBlocks>(output)
{
    protected override bool Supports(InstructionForm form) => form.Mnemonic is Mnemonic.Add or Mnemonic.Adc or Mnemonic.Sub or Mnemonic.Sbb or Mnemonic.And or Mnemonic.Or or Mnemonic.Xor or Mnemonic.Cmp or Mnemonic.Test or Mnemonic.Inc or Mnemonic.Dec or Mnemonic.Neg or Mnemonic.Not or Mnemonic.Mov or Mnemonic.Movzx or Mnemonic.Movsx or Mnemonic.Lea or Mnemonic.Push or Mnemonic.Pop or Mnemonic.Nop;
}
