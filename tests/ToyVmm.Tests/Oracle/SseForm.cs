using System.Runtime.Intrinsics.X86;
using Iced.Intel;

namespace ToyVmm.Tests.Oracle;

/// <summary>One form of an MMX instruction, of one of SSE to SSE4.2, or of POPCNT.</summary>
/// <param name="Code">Iced's name of the form.</param>
public sealed record SseForm(Code Code)
{
    private static readonly HashSet<CpuidFeature> s_features =
    [
        CpuidFeature.MMX, CpuidFeature.SSE, CpuidFeature.SSE2, CpuidFeature.FXSR, CpuidFeature.CLFSH,
        CpuidFeature.SSE3, CpuidFeature.SSSE3, CpuidFeature.SSE4_1, CpuidFeature.SSE4_2, CpuidFeature.POPCNT,
    ];

    /// <summary>Every form that 32-bit code has.</summary>
    public static IReadOnlyList<SseForm> Every { get; } = [.. Enum.GetValues<Code>().Distinct().Where(IsVector).Order().Select(code => new SseForm(code))];

    /// <summary>The forms that the host judges.</summary>
    public static IReadOnlyList<SseForm> Judged { get; } = [.. Every.Where(form => form.ReasonToExclude is null)];

    /// <summary>Iced's name of the form.</summary>
    public string Name { get; } = Code.ToString();

    /// <summary>The mnemonic.</summary>
    public Mnemonic Mnemonic => Code.Mnemonic();

    /// <summary>Why the host does not judge it; null when it does.</summary>
    public string? ReasonToExclude => Mnemonic switch
    {
        Mnemonic.Fxsave or Mnemonic.Fxrstor or Mnemonic.Ldmxcsr => "what every case begins or ends with",
        Mnemonic.Rcpps or Mnemonic.Rcpss or Mnemonic.Rsqrtps or Mnemonic.Rsqrtss when !Sse.IsSupported =>
            "an approximation, and this .NET is told not to use the host's instructions (DOTNET_EnableHWIntrinsic=0)",
        _ => null,
    };

    /// <summary>True where the memory operand must be aligned.</summary>
    public bool NeedsAlignment => Mnemonic is not (Mnemonic.Movups or Mnemonic.Movupd or Mnemonic.Movdqu or Mnemonic.Lddqu) && !ComparesStrings;

    /// <summary>True for PCMPESTRI and its brothers.</summary>
    public bool ComparesStrings => Mnemonic is Mnemonic.Pcmpestri or Mnemonic.Pcmpestrm or Mnemonic.Pcmpistri or Mnemonic.Pcmpistrm;

    /// <summary>Encodes the form.</summary>
    /// <param name="pick">A random number below a bound.</param>
    /// <param name="address">Where the memory operand lies, if there is one.</param>
    public byte[] Encode(Func<int, int> pick, uint address)
    {
        OpCodeInfo info = Code.ToOpCode();
        var x = new Instruction { Code = Code };
        for (int n = 0; n < info.OpCount; n++)
        {
            OpCodeOperandKind kind = info.GetOpKind(n);
            switch (kind)
            {
                case OpCodeOperandKind.imm8:
                    x.SetOpKind(n, OpKind.Immediate8);
                    x.Immediate8 = (byte)(pick(2) == 0 ? pick(256) : pick(18));
                    break;
                case OpCodeOperandKind.seg_rDI:
                    x.SetOpKind(n, OpKind.MemorySegEDI);
                    break;
                default:
                    if (CanBeMemory(kind) && (kind == OpCodeOperandKind.mem || pick(2) == 0))
                    {
                        x.SetOpKind(n, OpKind.Memory);
                        x.MemoryDisplSize = 4;
                        x.MemoryDisplacement64 = address;
                        break;
                    }

                    x.SetOpKind(n, OpKind.Register);
                    x.SetOpRegister(n, FirstRegister(kind) + pick(8));
                    break;
            }
        }

        var writer = new ByteWriter();
        var encoder = Encoder.Create(32, writer);
        _ = encoder.Encode(x, 0);
        return [.. writer.Bytes];
    }

    /// <inheritdoc/>
    public override string ToString() => Name;

    private static bool IsVector(Code code)
    {
        OpCodeInfo info = code.ToOpCode();
        return info.IsInstruction && info.Mode32 && code.Encoding() == EncodingKind.Legacy && code.CpuidFeatures().All(s_features.Contains)
            && code.Mnemonic() is not (Mnemonic.Fisttp or Mnemonic.Monitor or Mnemonic.Mwait);
    }

    private static bool CanBeMemory(OpCodeOperandKind kind) =>
        kind is OpCodeOperandKind.mem or OpCodeOperandKind.mm_or_mem or OpCodeOperandKind.xmm_or_mem
            or OpCodeOperandKind.r32_or_mem or OpCodeOperandKind.r16_or_mem or OpCodeOperandKind.r8_or_mem;

    private static Register FirstRegister(OpCodeOperandKind kind) => kind switch
    {
        OpCodeOperandKind.mm_or_mem or OpCodeOperandKind.mm_reg or OpCodeOperandKind.mm_rm => Register.MM0,
        OpCodeOperandKind.xmm_or_mem or OpCodeOperandKind.xmm_reg or OpCodeOperandKind.xmm_rm => Register.XMM0,
        OpCodeOperandKind.r32_or_mem or OpCodeOperandKind.r32_reg or OpCodeOperandKind.r32_rm => Register.EAX,
        OpCodeOperandKind.r16_or_mem or OpCodeOperandKind.r16_reg => Register.AX,
        OpCodeOperandKind.r8_or_mem => Register.AL,
        _ => throw new NotSupportedException($"operand kind {kind}"),
    };

    private sealed class ByteWriter : CodeWriter
    {
        public List<byte> Bytes { get; } = [];

        public override void WriteByte(byte value) => Bytes.Add(value);
    }
}
