using ToyVmm.Hardware.State;

namespace ToyVmm.Engines;

/// <summary>
/// Accesses outside memory made by the instruction in flight. A read that has no answer yet makes the engine leave before
/// the instruction has changed anything; with the answer the instruction is run again from its start and finds it here, so
/// an instruction may need several (a MOVS between devices, an access across a page edge). Writes are posted: the instruction
/// completes, and the engine leaves behind it once for each.
/// </summary>
internal sealed class IoLog : ISavedState
{
    // An instruction makes some hundred accesses at most.
    private const int Most = 1 << 12;

    private readonly List<(VmExit Request, ulong Value)> _answers = [];
    private readonly Queue<VmExit> _posted = new();
    private int _next;
    private VmExit _open;

    /// <summary>True while answers wait to be used by the instruction.</summary>
    public bool HasAnswers => _answers.Count > 0;

    /// <summary>The answer given last, as far as its read is wide. Only when <see cref="HasAnswers"/>.</summary>
    public ulong LastAnswer => _answers[^1].Value;

    /// <summary>Gives the answer to a read, or opens it.</summary>
    /// <returns>False when the engine must leave with the request.</returns>
    public bool TryRead(VmExit request, out ulong value)
    {
        if (_next < _answers.Count && _answers[_next].Request == request)
        {
            value = _answers[_next++].Value;
            return true;
        }

        // A different access than last time (another agent changed a table in between) starts over.
        _answers.RemoveRange(_next, _answers.Count - _next);
        _open = request;
        value = 0;
        return false;
    }

    /// <summary>Answers the open read.</summary>
    public void CompleteRead(ulong value)
    {
        ulong mask = _open.Width >= 8 ? ulong.MaxValue : (1UL << (_open.Width * 8)) - 1;
        _answers.Add((_open, value & mask));
        _open = default;
        _next = 0;
    }

    /// <summary>Posts a write.</summary>
    public void Post(VmExit write) => _posted.Enqueue(write);

    /// <summary>The next posted write, in order.</summary>
    public bool TryTakePosted(out VmExit write) => _posted.TryDequeue(out write);

    /// <summary>The instruction is complete (or has faulted): its answers are used up.</summary>
    public void Complete()
    {
        _answers.Clear();
        _open = default;
        _next = 0;
    }

    /// <inheritdoc/>
    public void Transfer(StateTransfer state)
    {
        (VmExit Request, ulong Value)[] answers = [.. _answers];
        VmExit[] posted = [.. _posted];
        int answerCount = state.Count(answers.Length, Most);
        int postedCount = state.Count(posted.Length, Most);
        if (state.IsRestoring)
        {
            _answers.Clear();
            _posted.Clear();
        }

        for (int n = 0; n < answerCount; n++)
        {
            (VmExit request, ulong value) = state.IsRestoring ? default : answers[n];
            request = Pass(state, request);
            state.Value(ref value);
            if (state.IsRestoring)
            {
                _answers.Add((request, value));
            }
        }

        for (int n = 0; n < postedCount; n++)
        {
            VmExit write = Pass(state, state.IsRestoring ? default : posted[n]);
            state.Require(write.Reason is ExitReason.PortIo or ExitReason.Mmio && write.IsWrite);
            if (state.IsRestoring)
            {
                _posted.Enqueue(write);
            }
        }

        state.Range(ref _next, 0, answerCount);
        _open = Pass(state, _open);
    }

    private static VmExit Pass(StateTransfer state, VmExit exit)
    {
        ExitReason reason = (ExitReason)state.Choice((int)exit.Reason, (int)ExitReason.PortIoPerformed);
        bool isWrite = state.Pass(exit.IsWrite);
        int width = state.Choice(exit.Width, 8);
        ulong address = state.Pass(exit.Address);
        ulong value = state.Pass(exit.Value);
        state.Require(reason switch
        {
            ExitReason.PortIo => width is 1 or 2 or 4 && address <= ushort.MaxValue,
            ExitReason.Mmio => width > 0,
            _ => width == 0,
        });
        return new VmExit(reason, isWrite, width, address, value);
    }

    /// <summary>Starts the instruction over, with the answers so far.</summary>
    public void Rewind() => _next = 0;

    /// <summary>Forgets everything.</summary>
    public void Clear()
    {
        Complete();
        _posted.Clear();
    }
}
