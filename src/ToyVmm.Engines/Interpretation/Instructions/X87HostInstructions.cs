using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using ToyVmm.Engines.Decoding;
using ToyVmm.Engines.Interpretation.FloatingPoint;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation.Instructions;

/// <summary>The transcendental instructions on the host's unit: the guest's whole x87 state goes there and comes back.</summary>
internal static unsafe class X87HostInstructions
{
    private const int ControlAt = 0;
    private const int StatusAt = 4;
    private const int TagsAt = 8;
    private const int RegistersAt = 28;
    private const uint Sticky = FloatException.All | X87Unit.StackFault;

    /// <summary>Executes an instruction on the host where there is a unit for it; everywhere else, or if the engine is to be portable, the algorithm does.</summary>
    /// <returns>False where nothing has happened yet.</returns>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static bool TryExecute(CpuState* s, DecodedInstruction* i, Interpreter cpu, TranscendentalOpcode opcode)
    {
        if (cpu.HostX87 is not { } host)
        {
            return false;
        }

        Load(s, host);
        host.Execute(opcode);
        Store(s, i, host.Result);
        return true;
    }

    // Exceptions that are pending already stay out of it, or the host would trap on them: what it reports is this instruction's.
    private static void Load(CpuState* s, HostX87 host)
    {
        Span<byte> image = host.Before;
        host.SetWord(ControlAt, s->FpuControl);
        host.SetWord(StatusAt, (ushort)(s->FpuStatus & ~(Sticky | X87Unit.ErrorSummary | X87Unit.Busy)));
        host.SetWord(TagsAt, FullTags(s->FpuTags));
        image[12..RegistersAt].Clear();
        for (int n = 0; n < 8; n++)
        {
            Float80 value = X87Unit.Get(s, n);
            Span<byte> slot = image[(RegistersAt + (10 * n))..];
            BinaryPrimitives.WriteUInt64LittleEndian(slot, value.Significand);
            BinaryPrimitives.WriteUInt16LittleEndian(slot[8..], value.SignExponent);
        }
    }

    private static void Store(CpuState* s, DecodedInstruction* i, ReadOnlySpan<byte> image)
    {
        uint status = BinaryPrimitives.ReadUInt16LittleEndian(image[StatusAt..]);
        uint tags = BinaryPrimitives.ReadUInt16LittleEndian(image[TagsAt..]);
        uint old = s->FpuStatus;
        s->FpuStatus = (ushort)((status & ~(X87Unit.ErrorSummary | X87Unit.Busy)) | (old & (Sticky | X87Unit.ErrorSummary | X87Unit.Busy)));
        s->FpuTags = 0;
        for (int n = 0; n < 8; n++)
        {
            ReadOnlySpan<byte> slot = image[(RegistersAt + (10 * n))..];
            Float80 value = new(BinaryPrimitives.ReadUInt16LittleEndian(slot[8..]), BinaryPrimitives.ReadUInt64LittleEndian(slot));
            X87Unit.SetPhysical(s, X87Unit.Physical(s, n), value);
            s->FpuTags |= (ushort)((((tags >> (2 * n)) & 3) != 3 ? 1 : 0) << n);
        }

        X87Unit.ReportRaised(s, i, status & FloatException.All);
    }

    // Two bits a register: 3 for an empty one; of the others FRSTOR looks at the register.
    private static ushort FullTags(uint abridged)
    {
        uint tags = 0;
        for (int n = 0; n < 8; n++)
        {
            tags |= ((abridged >> n) & 1) != 0 ? 0 : 3u << (2 * n);
        }

        return (ushort)tags;
    }
}
