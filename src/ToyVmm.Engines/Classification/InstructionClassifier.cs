using Iced.Intel;
using ToyVmm.Engines.Decoding;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Classification;

/// <summary>Finds the instruction that a CPU is about to execute in the table of classes. Looking has no side effects. Not thread-safe.</summary>
public sealed unsafe class InstructionClassifier
{
    private static readonly InstructionClassification?[] s_rows = MakeRows();
    private readonly ByteReader _bytes = new();
    private readonly Decoder _decoder16;
    private readonly Decoder _decoder32;

    /// <summary>Makes one.</summary>
    public InstructionClassifier()
    {
        _decoder16 = Decoder.Create(16, _bytes, InstructionDecoder.P6Options);
        _decoder32 = Decoder.Create(32, _bytes, InstructionDecoder.P6Options);
    }

    /// <summary>The class of the instruction at CS:EIP; null for bytes that are no instruction, or cannot be read.</summary>
    /// <param name="vcpu">The CPU.</param>
    public InstructionClassification? ClassifyNext(Vcpu vcpu) => s_rows[(int)NextCode(vcpu)];

    /// <summary>True where the instruction at CS:EIP is privileged, or sensitive in the present mode: one that a monitor must have a part in.</summary>
    /// <param name="vcpu">The CPU.</param>
    public bool IsNextSensitive(Vcpu vcpu) =>
        ClassifyNext(vcpu) is { } row && (row.IsPrivileged || row.In(ModeOf(vcpu)) != Sensitivity.None);

    /// <summary>The mode that a CPU is in.</summary>
    /// <param name="vcpu">The CPU.</param>
    public static ExecutionMode ModeOf(Vcpu vcpu)
    {
        ArgumentNullException.ThrowIfNull(vcpu);
        CpuState* s = vcpu.State;
        return (s->Cr0 & Cr0.PE) == 0 ? ExecutionMode.Real
            : (s->OtherFlags & Eflags.VM) != 0 ? ExecutionMode.Virtual8086
            : s->Cpl == 0 ? ExecutionMode.Ring0
            : ExecutionMode.Ring3;
    }

    /// <summary>Which instruction it is; <see cref="Code.INVALID"/> for none.</summary>
    internal Code NextCode(Vcpu vcpu)
    {
        ArgumentNullException.ThrowIfNull(vcpu);
        CpuState* s = vcpu.State;
        _bytes.Start(Disassembler.ReadCode(vcpu, s->Cs.Base + s->Eip, _bytes.Buffer));
        (s->Cs.Big ? _decoder32 : _decoder16).Decode(out Instruction x);
        return x.Code;
    }

    private static InstructionClassification?[] MakeRows()
    {
        InstructionClassification?[] rows = new InstructionClassification?[(int)Enum.GetValues<Code>().Max() + 1];
        foreach (InstructionClassification row in ClassificationTable.Rows)
        {
            rows[(int)Enum.Parse<Code>(row.Name)] = row;
        }

        return rows;
    }

    private sealed class ByteReader : CodeReader
    {
        private int _next;
        private int _end;

        public byte[] Buffer { get; } = new byte[Disassembler.MaxInstructionLength];

        public void Start(int count)
        {
            _next = 0;
            _end = count;
        }

        public override int ReadByte() => _next < _end ? Buffer[_next++] : -1;
    }
}
