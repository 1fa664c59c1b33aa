using System.Globalization;
using Iced.Intel;
using ToyVmm.Engines.Decoding;
using ToyVmm.Engines.Interpretation;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Translation;

/// <summary>One line of a listing of translated code; parts that it does not have are empty.</summary>
/// <param name="Address">The guest instruction's linear address.</param>
/// <param name="Guest">The guest instruction.</param>
/// <param name="Host">One host instruction; branches go to offsets in the code cache.</param>
/// <param name="Reason">Why the host instruction, and those below it, are not what the guest wrote.</param>
public sealed record TranslationLine(uint? Address, string Guest, string Host, string Reason);

/// <summary>Translates code without running it, and shows what the translator emits, beside the guest's instructions, with the reason for every difference.</summary>
public sealed unsafe class TranslationListing : IDisposable
{
    private const int CacheBytes = 1 << 20;
    private readonly Interpreter _cpu;
    private readonly bool _isLive;
    private readonly CodeCache _code;
    private readonly BlockTranslator _translator;
    private readonly Disassembler _disassembler = new();
    private readonly NasmFormatter _host = Disassembler.CreateFormatter();
    private readonly StringOutput _text = new();

    /// <summary>Makes one for a CPU that is not running.</summary>
    /// <param name="vcpu">The CPU, whose mode, segments and page tables count.</param>
    /// <exception cref="PlatformNotSupportedException">The translator cannot run on this host.</exception>
    public TranslationListing(Vcpu vcpu)
        : this(new Interpreter(vcpu ?? throw new ArgumentNullException(nameof(vcpu))), isLive: false)
    {
    }

    // A live engine has decoded its blocks already, and goes on with them afterwards: nothing of it is touched.
    private TranslationListing(Interpreter cpu, bool isLive)
    {
        (_cpu, _isLive) = (cpu, isLive);
        ExecutableArena arena = ExecutableArena.Process;
        if (arena.Unavailable is { } reason)
        {
            throw new PlatformNotSupportedException(reason);
        }

        _code = CodeCache.TryCreate(arena, CacheBytes) ?? throw new PlatformNotSupportedException("the host does not give the address space");
        _translator = new BlockTranslator(cpu.Vcpu.Memory, _code, differing: null, trapOnly: false) { KeepsReasons = true };
    }

    /// <summary>Translates the block at an offset in CS.</summary>
    /// <param name="eip">The offset.</param>
    /// <param name="lines">Its lines: what stands in front of the first guest instruction, then each with its host instructions.</param>
    /// <returns>The offset behind the block; null when there is no code to fetch.</returns>
    public uint? Translate(uint eip, out IReadOnlyList<TranslationLine> lines)
    {
        List<TranslationLine> result = [];
        lines = result;
        Block* block = _cpu.DecodeBlock(eip);
        if (block == null)
        {
            return null;
        }

        if (!TranslatedCode.Takes(block))
        {
            AddGuest(block, 0, block->Count, "interpreted: " + WhyNot(block->Mode), result);
            return eip + (uint)block->Length;
        }

        _code.Clear();
        TranslatedBlock translated = _translator.Translate(block, new FaultHistory(), new CallOutTable())!;
        if (!translated.RunsOnHost)
        {
            // It begins with an instruction of the interpreter's, and only tells that.
            AddGuest(block, 0, 1, Interpreted(translated.CallOutAt(0)), result);
            return eip + (uint)Length(block, 0);
        }

        AddHost(translated, translated, null, block, result);
        int left = translated.Starts.Count;
        return left < block->Count ? DecodedAddress(block, left) : eip + (uint)block->Length;
    }

    /// <summary>The emitted code of a live block, as it stands: with its branches linked, and what kept faulting left to the interpreter.</summary>
    /// <param name="cpu">The engine.</param>
    /// <param name="block">One of its blocks.</param>
    /// <returns>Its lines; the guest's instructions alone, with the reason, where the block is not translated.</returns>
    internal static IReadOnlyList<TranslationLine> OfLive(Interpreter cpu, Block* block)
    {
        List<TranslationLine> lines = [];
        using TranslationListing listing = new(cpu, isLive: true);
        TranslatedCode engine = cpu.Translated!;
        if (block->Host == 0)
        {
            string reason = TranslatedCode.Takes(block) ? "interpreted: not hot yet" : "interpreted: " + WhyNot(block->Mode);
            listing.AddGuest(block, 0, block->Count, reason, lines);
            return lines;
        }

        TranslatedBlock live = engine.Blocks[block->HostIndex];
        TranslatedBlock? anew = listing._translator.Translate(block, engine.Faults, new CallOutTable());
        if (!live.RunsOnHost)
        {
            listing.AddGuest(block, 0, 1, anew is null ? "interpreted" : Interpreted(anew.CallOutAt(0)), lines);
            return lines;
        }

        // What was learned since it was translated may have it translated otherwise now; then there are no reasons to show.
        listing.AddHost(live, anew?.Length == live.Length ? anew : null, engine, block, lines);
        return lines;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (!_isLive)
        {
            _cpu.Dispose();
        }

        _code.Dispose();
    }

    private static string WhyNot(DecodeMode mode) => (mode & DecodeMode.Code32) == 0
        ? "16-bit code"
        : (mode & DecodeMode.Stack32) == 0 ? "a 16-bit stack" : "a segment without 4 GiB to read (CS) or to read and write";

    private static string Interpreted(CallOutReason reason) => "interpreted: " + CallOutList.Describe(reason);

    private static uint DecodedAddress(Block* block, int index) => Block.Instructions(block)[index].Eip;

    private static int Length(Block* block, int index) =>
        (int)((index + 1 < block->Count ? DecodedAddress(block, index + 1) : block->Eip + (uint)block->Length) - DecodedAddress(block, index));

    // What was emitted stands in the engine's cache, or in this listing's own; the reasons are those of a translation that kept them.
    private void AddHost(TranslatedBlock translated, TranslatedBlock? reasons, TranslatedCode? engine, Block* block, List<TranslationLine> lines)
    {
        int guest = -1;
        CodeCache code = engine?.Code ?? _code;
        Decoder decoder = Decoder.Create(64, code.Bytes(translated.Start, translated.Length).ToArray());
        decoder.IP = (ulong)translated.Start;
        ulong end = (ulong)(translated.Start + translated.Length);
        while (decoder.IP < end)
        {
            decoder.Decode(out Instruction x);
            uint? address = null;
            string text = "";
            while (guest + 1 < translated.Starts.Count && translated.Starts[guest + 1] <= (int)x.IP)
            {
                if (address is not null)
                {
                    lines.Add(new TranslationLine(address, text, "", "nothing is left of it"));
                }

                guest++;
                address = DecodedAddress(block, guest) + _cpu.State->Cs.Base;
                text = GuestText(block, guest);
            }

            CallOutReason callOut = address is null || reasons is null ? CallOutReason.None : reasons.CallOutAt(guest);
            string reason = reasons is null ? ""
                : callOut == CallOutReason.None ? TranslationReasonText.Of(reasons.ReasonAt((int)x.IP - translated.Start + reasons.Start))
                : Interpreted(callOut);
            lines.Add(new TranslationLine(address, text, HostText(x, code, engine, translated), reason));
        }
    }

    private void AddGuest(Block* block, int first, int count, string reason, List<TranslationLine> lines)
    {
        for (int n = first; n < first + count; n++)
        {
            lines.Add(new TranslationLine(DecodedAddress(block, n) + _cpu.State->Cs.Base, GuestText(block, n), "", reason));
        }
    }

    private string GuestText(Block* block, int index)
    {
        Span<byte> bytes = stackalloc byte[Disassembler.MaxInstructionLength];
        uint eip = DecodedAddress(block, index);
        int length = Disassembler.ReadCode(_cpu.Vcpu, _cpu.State->Cs.Base + eip, bytes[..Length(block, index)]);
        return _disassembler.Disassemble(bytes[..length], (block->Mode & DecodeMode.Code32) != 0 ? 32 : 16, eip).Text;
    }

    private string HostText(in Instruction x, CodeCache code, TranslatedCode? engine, TranslatedBlock block)
    {
        if (x.FlowControl == FlowControl.UnconditionalBranch && x.NearBranchTarget == (ulong)code.Exit)
        {
            return string.Create(CultureInfo.InvariantCulture, $"{x.IP:x4}  jmp exit");
        }

        _host.Format(x, _text);
        string text = string.Create(CultureInfo.InvariantCulture, $"{x.IP:x4}  {_text.ToStringAndReset()}");

        // A branch that was linked leaves the block for another one.
        bool leaves = x.FlowControl is FlowControl.UnconditionalBranch or FlowControl.ConditionalBranch && x.NearBranchTarget - (ulong)block.Start >= (ulong)block.Length;
        return leaves && engine?.BlockStartingAt((int)x.NearBranchTarget) is { } target
            ? text + string.Create(CultureInfo.InvariantCulture, $"  (block {_cpu.State->Cs.Base + target.Block->Eip:x8})")
            : text;
    }
}
