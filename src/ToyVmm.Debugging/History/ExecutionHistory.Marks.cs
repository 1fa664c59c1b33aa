using System.Diagnostics;
using ToyVmm.VirtualMachines.Replay;

namespace ToyVmm.Debugging.History;

/// <content>Which moments have a checkpoint.</content>
public sealed partial class ExecutionHistory
{
    // Of a way back so many instructions are as good as none.
    private const ulong Rung = 1 << 14;

    private const ulong LeastPiece = 100_000;
    private const ulong MostPiece = 1ul << 30;

    // A page whose first store behind a checkpoint had to be noticed: a fault of the host, and a copy. Measured, roughly.
    private const double SecondsPerPage = 5e-6;

    // So many times the distance between two checkpoints is how long ago they are. Few are then needed for a long past.
    private const double AgePerDistance = 16;
    private const int FewMarks = 8;

    private readonly List<HistoryMark> _marks = [];
    private double _time;
    private double _since;
    private double _speed = 100e6;
    private double _cost;
    private ulong _pagesKept;

    /// <summary>How many checkpoints there are.</summary>
    public int Checkpoints => _marks.Count;

    /// <summary>Bytes of host memory that they take.</summary>
    public ulong Bytes => _marks.Aggregate(0ul, (sum, mark) => sum + mark.Checkpoint.Bytes);

    private double Distance
    {
        get
        {
            // Not nearer than the cost allows; where that would be far, it may be somewhat more.
            double wanted = _cost / _options.Cost;
            double longest = Math.Max(_options.Distance.TotalSeconds, wanted / 2.5);
            return Math.Clamp(wanted, _options.LeastDistance.TotalSeconds, longest);
        }
    }

    private void CountTime(double seconds, ulong instructions)
    {
        _time += seconds;
        _since += seconds;
        if (instructions >= LeastPiece && seconds > 0)
        {
            _speed = (_speed + (instructions / seconds)) / 2;
        }
    }

    private ulong PieceLength() => (ulong)Math.Clamp((Distance - _since) * _speed, LeastPiece, MostPiece);

    private void MarkIfDue()
    {
        if (Unavailable is null && _since >= Distance && !_machine.Vcpu.IsInsideString)
        {
            Mark();
            Thin();
        }
    }

    private void NoteBarrier()
    {
        if (_isChanged)
        {
            Mark(isChange: true);
            _isChanged = false;
        }
    }

    private void Mark(bool isChange = false)
    {
        if (!isChange && _marks.Count > 0 && _marks[^1].Checkpoint.At == _machine.Now)
        {
            return;
        }

        long started = Stopwatch.GetTimestamp();
        int inputs = (int)(_machine.InputsTaken - _log.First);
        _marks.Add(new HistoryMark(_machine.TakeCheckpoint(), _time, inputs, _machine.SerialBytesSent, isChange));
        ulong pages = _machine.Machine.Memory.PagesKept;

        // What a quiet stretch has cost says little of the next one.
        _cost = Math.Max(Stopwatch.GetElapsedTime(started).TotalSeconds + ((pages - _pagesKept) * SecondsPerPage), _cost * 0.75);
        _pagesKept = pages;
        _since = 0;
    }

    private void ReturnTo(int index)
    {
        HistoryMark target = _marks[index];
        InputReplayer replay = _machine.Replay ??= new InputReplayer(_log) { End = _endMoment };
        int change = _marks.FindIndex(index + 1, mark => mark.IsChange);
        if (change >= 0)
        {
            // What was done to the guest there is undone: up to there it goes the same way again.
            HistoryMark barrier = _marks[change];
            _log.Truncate(barrier.Inputs);
            _machine.SerialBytesShown = barrier.SerialBytes;
            (_endMoment, End) = (barrier.Checkpoint.At, barrier.Checkpoint.Point);
            replay.End = _endMoment;
        }

        _isChanged = false;
        replay.StopsAtEnd = true;
        _machine.ReturnTo(target.Checkpoint, keepsInput: true);
        _marks.RemoveRange(index + 1, _marks.Count - index - 1);
        _time = target.Time;
        _since = 0;
    }

    // The older, the farther apart. The first one stays, and those that no way leads to.
    private void Thin()
    {
        Thin(AgePerDistance);
        for (double less = AgePerDistance / 2; _marks.Count > FewMarks && Bytes > _options.MostBytes; less /= 2)
        {
            Thin(less);
        }

        while (_marks.Count > 1 && Bytes > _options.MostBytes)
        {
            Forget(0);
        }
    }

    private void Thin(double agePerDistance)
    {
        for (int n = _marks.Count - 2; n > 0; n--)
        {
            double age = _time - _marks[n - 1].Time;
            if (!_marks[n].IsChange && _marks[n + 1].Time - _marks[n - 1].Time <= age / agePerDistance)
            {
                Forget(n);
            }
        }
    }

    private void Forget(int index)
    {
        _machine.Forget(_marks[index].Checkpoint);
        _marks.RemoveAt(index);
    }
}
