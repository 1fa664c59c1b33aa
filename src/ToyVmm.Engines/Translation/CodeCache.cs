using System.Runtime.InteropServices;
using Iced.Intel;
using ToyVmm.Hardware.Memory;
using static Iced.Intel.AssemblerRegisters;

namespace ToyVmm.Engines.Translation;

/// <summary>
/// The emitted code of one virtual machine. The same memory is mapped twice: writable for the translator, executable for the CPU,
/// never both at one address. Offsets count from the start; R10 holds the executable address of offset 0 while code runs.
/// </summary>
internal sealed unsafe class CodeCache : CodeWriter, IDisposable
{
    private readonly SharedMemory _memory;
    private readonly nint _chunk;
    private readonly Encoder _encoder;
    private readonly int _firstFree;
    private readonly int _size;

    private CodeCache(SharedMemory memory, nint chunk, int size)
    {
        _size = size;
        _memory = memory;
        _chunk = chunk;
        _encoder = Encoder.Create(64, this);

        // Offset 0 is where the jump tables lead that know no block: R13D holds the guest's EIP.
        EmitStub(a =>
        {
            a.mov(__dword_ptr[r15 + StateOffset.Eip], r13d);
            ExecutableArena.EmitExit(a, ExitKind.Lookup);
        });
        Exit = Used;
        EmitStub(a => ExecutableArena.EmitExit(a, ExitKind.None));
        _firstFree = Used;
    }

    /// <summary>The executable address of offset 0.</summary>
    public nint Base => _chunk;

    /// <summary>True while nobody has stored beside it.</summary>
    public bool IsIntact => _memory.IsIntact;

    /// <summary>Bytes in use: the offset of what is emitted next.</summary>
    public int Used { get; private set; }

    /// <summary>The offset of the way out that finds its <see cref="ExitKind"/> in R8D.</summary>
    public int Exit { get; }

    /// <summary>Makes a cache; null where there is no room for one.</summary>
    /// <param name="arena">Where the code will run.</param>
    /// <param name="size">How many bytes of it are used.</param>
    public static CodeCache? TryCreate(ExecutableArena arena, int size)
    {
        const int Smallest = 64 << 10;
        ArgumentOutOfRangeException.ThrowIfLessThan(size, Smallest);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(size, ExecutableArena.ChunkSize);
        nint chunk = arena.Take();
        if (chunk == 0)
        {
            return null;
        }

        SharedMemory? memory = SharedMemory.TryCreate(ExecutableArena.ChunkSize);
        if (memory != null && HostMemory.MapShared(chunk, ExecutableArena.ChunkSize, HostMemory.Read | HostMemory.Execute, memory.Descriptor, 0, populate: false))
        {
            return new CodeCache(memory, chunk, size);
        }

        memory?.Dispose();
        arena.Return(chunk);
        return null;
    }

    /// <summary>True while there is room for so many more bytes.</summary>
    public bool HasRoom(int bytes) => Used + bytes <= _size;

    /// <summary>Forgets everything but the stubs.</summary>
    public void Clear() => Used = _firstFree;

    /// <summary>Takes back what was emitted last.</summary>
    /// <param name="used">What <see cref="Used"/> was before.</param>
    public void Rewind(int used) => Used = used;

    /// <summary>Emits one instruction.</summary>
    /// <param name="instruction">A 64-bit instruction; branch targets are offsets in the cache.</param>
    public void Emit(in Instruction instruction) => _ = _encoder.Encode(instruction, (ulong)Used);

    /// <summary>True when an instruction can be encoded; emits it then, and nothing otherwise.</summary>
    public bool TryEmit(in Instruction instruction)
    {
        int start = Used;
        if (_encoder.TryEncode(instruction, (ulong)start, out _, out _))
        {
            return true;
        }

        Used = start;
        return false;
    }

    /// <summary>Changes the 32-bit displacement of a branch.</summary>
    /// <param name="branchEnd">The offset behind the branch, whose last four bytes are the displacement.</param>
    /// <param name="target">Where it goes.</param>
    public void Patch(int branchEnd, int target) => *(int*)(_memory.Address + branchEnd - 4) = target - branchEnd;

    /// <summary>Changes the 8-bit displacement of a branch.</summary>
    /// <param name="branchEnd">The offset behind the branch.</param>
    /// <param name="target">Where it goes, at most 127 bytes further.</param>
    public void PatchShort(int branchEnd, int target) => _memory.Address[branchEnd - 1] = checked((byte)(sbyte)(target - branchEnd));

    /// <summary>Where a branch goes.</summary>
    /// <param name="branchEnd">The offset behind the branch.</param>
    public int Target(int branchEnd) => branchEnd + *(int*)(_memory.Address + branchEnd - 4);

    /// <summary>Emitted bytes.</summary>
    public ReadOnlySpan<byte> Bytes(int offset, int length) => new(_memory.Address + offset, length);

    /// <inheritdoc/>
    public override void WriteByte(byte value) => _memory.Address[Used++] = value;

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_memory.Address != null && HostMemory.Decommit(_chunk, ExecutableArena.ChunkSize))
        {
            ExecutableArena.Process.Return(_chunk);
        }

        _memory.Dispose();
    }

    private void EmitStub(Action<Assembler> emit)
    {
        Assembler assembler = new(64);
        emit(assembler);
        _ = assembler.Assemble(this, (ulong)Used);
    }
}
