using ToyVmm.Engines;
using ToyVmm.Engines.Probing;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Debugging.Traps;

/// <summary>Names the words of the frames that the CPU has stored for events: SDM 3A figures 6-4 and 20-4 have one shape for each count of words.</summary>
internal static class FrameLabels
{
    private static readonly string[] s_words = ["old GS", "old FS", "old DS", "old ES", "old SS", "old ESP", "EFLAGS", "return CS", "return EIP", "error code"];

    // Words in front of EFLAGS that a frame can do without.
    private const int Return = 3;
    private const int InnerRing = 5;

    /// <summary>Gives the stores in front of each <see cref="MicroStepKind.HandlerEntered"/> their names.</summary>
    /// <param name="steps">The steps of one trap.</param>
    /// <param name="events">Its events.</param>
    public static void Put(List<MicroStep> steps, IReadOnlyList<TrapInfo> events)
    {
        if (events.Count == 0)
        {
            return;
        }

        for (int entered = 0; entered < steps.Count; entered++)
        {
            if (steps[entered].Kind != MicroStepKind.HandlerEntered)
            {
                continue;
            }

            int first = entered;
            while (first > 0 && steps[first - 1].Kind == MicroStepKind.Stored)
            {
                first--;
            }

            int words = entered - first;
            TrapInfo last = events[^1];
            bool hasError = last.Source == TrapSource.Exception && Vector.HasErrorCode(last.Vector) && words is not (Return or InnerRing);
            int end = s_words.Length - (hasError ? 0 : 1);
            if (words <= end)
            {
                Name(steps, first, entered, end - words);
            }
        }
    }

    private static void Name(List<MicroStep> steps, int first, int end, int word)
    {
        for (int n = first; n < end; n++)
        {
            steps[n] = steps[n] with { Text = s_words[word++] };
        }
    }
}
