namespace ToyVmm.Debugging.Terminal;

/// <summary>Finds what somebody who mistyped a name may have meant.</summary>
internal static class NearestName
{
    /// <summary>The name that is nearest: at most two letters, and a third of them, are others (Damerau's distance).</summary>
    /// <param name="typed">What was typed.</param>
    /// <param name="names">The names that there are.</param>
    /// <returns>Null where none is near.</returns>
    public static string? Of(string typed, IEnumerable<string> names)
    {
        int most = Math.Min(2, Math.Max(1, typed.Length / 3));
        string? best = null;
        int distance = most + 1;
        foreach (string name in names)
        {
            int here = Math.Abs(name.Length - typed.Length) > most ? most + 1 : Distance(typed, name);
            if (here < distance)
            {
                (best, distance) = (name, here);
            }
        }

        return best;
    }

    private static int Distance(string x, string y)
    {
        int[,] cost = new int[x.Length + 1, y.Length + 1];
        for (int i = 0; i <= x.Length; i++)
        {
            for (int j = 0; j <= y.Length; j++)
            {
                cost[i, j] = i == 0 || j == 0 ? i + j
                    : Math.Min(Math.Min(cost[i - 1, j], cost[i, j - 1]) + 1, cost[i - 1, j - 1] + (x[i - 1] == y[j - 1] ? 0 : 1));
                if (i > 1 && j > 1 && x[i - 1] == y[j - 2] && x[i - 2] == y[j - 1])
                {
                    cost[i, j] = Math.Min(cost[i, j], cost[i - 2, j - 2] + 1);
                }
            }
        }

        return cost[x.Length, y.Length];
    }
}
