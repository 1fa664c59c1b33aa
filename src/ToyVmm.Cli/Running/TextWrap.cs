namespace ToyVmm.Cli.Running;

/// <summary>Breaks sentences into lines.</summary>
internal static class TextWrap
{
    private const int Width = 100;

    /// <summary>Writes a text, broken at spaces.</summary>
    /// <param name="output">Takes the lines.</param>
    /// <param name="first">What the first line begins with.</param>
    /// <param name="text">The text; spaces that it begins with stay.</param>
    /// <param name="indent">What the other lines begin with.</param>
    public static void Write(TextWriter output, string first, string text, string indent)
    {
        string words = text.TrimStart();
        string line = first + text[..(text.Length - words.Length)];
        bool empty = true;
        foreach (string word in words.Split(' '))
        {
            if (!empty && line.Length + 1 + word.Length > Width)
            {
                output.WriteLine(line);
                line = indent;
                empty = true;
            }

            line += empty ? word : " " + word;
            empty = false;
        }

        output.WriteLine(line);
    }
}
