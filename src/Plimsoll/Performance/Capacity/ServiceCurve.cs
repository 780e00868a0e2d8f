namespace Plimsoll;

/// <summary>
/// Step times as a queue needs them: of so many sequences with the context they have on the mean, and of so many tokens
/// of prompts beside them. Tables over a few sizes, filled once; linear between them.
/// </summary>
internal sealed class ServiceCurve
{
    private const int PromptKnots = 9;

    private readonly double[] _sequences;
    private readonly double[] _prompts;
    private readonly double[] _decode;
    private readonly double[,] _mixed;

    public ServiceCurve(StepTimes times, RequestLengths lengths, ReplicaLimits limits, double sequencesMax)
    {
        _sequences = [.. Knots(sequencesMax)];
        _prompts = [.. Enumerable.Range(0, PromptKnots).Select(i => limits.StepTokens * Math.Pow(2, i - PromptKnots + 1.0))];
        _decode = [.. _sequences.Select(n => n <= 0 ? 0 : times.Seconds(StepBatch.Decode(n, lengths.Context + 1)))];
        _mixed = new double[_sequences.Length, PromptKnots];

        // A token of a prompt attends to half of its prompt on the mean; long prompts have more of the tokens.
        var seen = (lengths.PromptSquared / lengths.Prompt / 2) + 0.5;
        for (var i = 0; i < _sequences.Length; i++)
            for (var j = 0; j < PromptKnots; j++)
            {
                var prompts = Math.Max(1, _prompts[j] / lengths.Prompt);
                var each = _prompts[j] / prompts;
                var batch = StepBatch.Prefill(prompts, each, Math.Max(0, seen - ((each + 1) / 2)));
                _mixed[i, j] = times.Seconds(_sequences[i] <= 0 ? batch : batch.With(StepBatch.Decode(_sequences[i], lengths.Context + 1)));
            }
    }

    /// <summary>A function of the number of sequences, as a table over this curve's: asked often, it is computed seldom.</summary>
    public Func<double, double> Table(Func<double, double> function)
    {
        var values = _sequences.Select(n => function(Math.Max(1, n))).ToArray();
        return sequences =>
        {
            var (at, part) = Place(_sequences, sequences);
            return double.IsInfinity(values[at + 1]) ? part > 0 ? double.PositiveInfinity : values[at]
                : values[at] + (part * (values[at + 1] - values[at]));
        };
    }

    /// <summary>Seconds of a step without prompts.</summary>
    public double Decode(double sequences)
    {
        var (at, part) = Place(_sequences, sequences);
        return _decode[at] + (part * (_decode[at + 1] - _decode[at]));
    }

    /// <summary>Seconds of a step with so many tokens of prompts, as many as a step has at most.</summary>
    public double Mixed(double sequences, double tokens)
    {
        if (tokens <= 0) return Decode(sequences);
        var (at, part) = Place(_sequences, sequences);
        if (tokens < _prompts[0])
        {
            var first = _mixed[at, 0] + (part * (_mixed[at + 1, 0] - _mixed[at, 0]));
            return sequences <= 0 ? first : Decode(sequences) + ((first - Decode(sequences)) * tokens / _prompts[0]);
        }

        var (to, share) = Place(_prompts, tokens);
        var low = _mixed[at, to] + (part * (_mixed[at + 1, to] - _mixed[at, to]));
        var high = _mixed[at, to + 1] + (part * (_mixed[at + 1, to + 1] - _mixed[at, to + 1]));
        return low + (share * (high - low));
    }

    private static (int At, double Part) Place(double[] knots, double value)
    {
        var at = Array.BinarySearch(knots, value);
        if (at < 0) at = ~at - 1;
        at = Math.Clamp(at, 0, knots.Length - 2);
        return (at, Math.Clamp((value - knots[at]) / (knots[at + 1] - knots[at]), 0, 1));
    }

    private static IEnumerable<double> Knots(double most)
    {
        yield return 0;
        for (var n = 1.0; n < most * 0.999; n *= n < 8 ? 2 : 1.4) yield return n;
        yield return Math.Max(1, most);
    }
}
