namespace Plimsoll;

/// <summary>Requests alike in length, as one with their mean and their share of all.</summary>
internal readonly record struct LengthClass(double Prompt, double Steps, double Share)
{
    /// <summary>Classes a sixth of an octave wide in prompt, in answer, or (wider) in both.</summary>
    public static LengthClass[] Of(RequestLengths lengths, double prompts, double answers)
    {
        static int Bucket(double value, double perOctave) => perOctave <= 0 ? 0 : (int)Math.Floor(Math.Log2(value) * perOctave);
        var total = (double)lengths.Sample.Length;
        return
        [
            .. lengths.Sample.GroupBy(one => (Bucket(one.Prompt, prompts), Bucket(one.Answer, answers))).OrderBy(group => group.Key)
                .Select(group => new LengthClass(group.Average(one => one.Prompt), group.Average(one => one.Answer - 1.0), group.Count() / total)),
        ];
    }
}
