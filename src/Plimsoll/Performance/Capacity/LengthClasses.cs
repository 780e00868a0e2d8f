namespace Plimsoll;

/// <summary>Requests alike in length, as one with their mean and their share of all.</summary>
internal readonly record struct LengthClass(double Prompt, double Steps, double Share)
{
    /// <summary>
    /// Classes a sixth of an octave wide in prompt, in answer, or (wider) in both; from short prompts to long, and of those
    /// from short answers to long.
    /// </summary>
    public static LengthClass[] Of(RequestLengths lengths, double prompts, double answers)
    {
        var sample = lengths.Sample.AsSpan();
        var keys = new int[sample.Length];
        var order = new int[sample.Length];
        for (var i = 0; i < sample.Length; i++)
            (keys[i], order[i]) = ((Bucket(sample[i].Prompt, prompts) << 10) | Bucket(sample[i].Answer, answers), i);
        Array.Sort(keys, order);
        var classes = new List<LengthClass>();
        for (var from = 0; from < keys.Length;)
        {
            var to = from;
            double prompt = 0, steps = 0;
            for (; to < keys.Length && keys[to] == keys[from]; to++)
                (prompt, steps) = (prompt + sample[order[to]].Prompt, steps + sample[order[to]].Answer - 1);
            classes.Add(new LengthClass(prompt / (to - from), steps / (to - from), (to - from) / (double)keys.Length));
            from = to;
        }

        return [.. classes];
    }

    private static int Bucket(double value, double perOctave) => perOctave <= 0 ? 0 : (int)(Math.Log2(value) * perOctave);
}
