namespace Plimsoll;

/// <summary>Between which sizes of a <see cref="ServiceCurve"/> a number of sequences lies, and how far.</summary>
internal readonly record struct CurvePlace(int At, double Part);

/// <summary>
/// Step times as a queue needs them: of so many sequences with the context they have on the mean, and of so many tokens
/// of prompts beside them. Tables over a few sizes, filled once; linear between them.
/// </summary>
internal sealed class ServiceCurve
{
    private const int PromptKnots = 9;

    private readonly double[] _sequences;
    private readonly double[] _perSize;
    private readonly double[] _prompts;
    private readonly double[] _decode;
    private readonly double[] _mixed;

    /// <summary>The last knot that a whole number of sequences reaches: sizes are at least one apart, so the next is the only other.</summary>
    private readonly byte[] _knotOf;

    public ServiceCurve(StepTimes times, RequestLengths lengths, ReplicaLimits limits, double sequencesMax)
    {
        _sequences = [.. Knots(sequencesMax)];
        _prompts = [.. Enumerable.Range(0, PromptKnots).Select(i => limits.StepTokens * Math.Pow(2, i - PromptKnots + 1.0))];
        _decode = [.. _sequences.Select(n => n <= 0 ? 0 : times.Seconds(StepBatch.Decode(n, lengths.Context + 1)))];
        _mixed = new double[_sequences.Length * PromptKnots];
        _perSize = [.. _sequences.Zip(_sequences.Skip(1), (low, high) => 1 / (high - low))];
        _knotOf = new byte[(int)_sequences[^1] + 1];
        for (var (n, knot) = (0, 0); n < _knotOf.Length; n++)
        {
            while (knot < _sequences.Length - 2 && _sequences[knot + 1] <= n) knot++;
            _knotOf[n] = (byte)knot;
        }

        // A token of a prompt attends to half of its prompt on the mean; long prompts have more of the tokens.
        var seen = (lengths.PromptSquared / lengths.Prompt / 2) + 0.5;
        for (var i = 0; i < _sequences.Length; i++)
            for (var j = 0; j < PromptKnots; j++)
            {
                var prompts = Math.Max(1, _prompts[j] / lengths.Prompt);
                var each = _prompts[j] / prompts;
                var batch = StepBatch.Prefill(prompts, each, Math.Max(0, seen - ((each + 1) / 2)));
                _mixed[(i * PromptKnots) + j] = times.Seconds(_sequences[i] <= 0 ? batch : batch.With(StepBatch.Decode(_sequences[i], lengths.Context + 1)));
            }
    }

    /// <summary>The sizes, by which a function of the number of sequences may be tabulated.</summary>
    public ReadOnlySpan<double> Sizes => _sequences;

    public CurvePlace Place(double sequences)
    {
        if (!(sequences > 0)) return new(0, 0);
        if (sequences >= _sequences[^1]) return new(_sequences.Length - 2, 1);
        int at = _knotOf[double.ConvertToIntegerNative<int>(sequences)];
        if (at < _sequences.Length - 2 && _sequences[at + 1] <= sequences) at++;
        return new(at, (sequences - _sequences[at]) * _perSize[at]);
    }

    /// <summary>Seconds of a step without prompts.</summary>
    public double Decode(double sequences) => Decode(Place(sequences));

    public double Decode(CurvePlace place) => Between(_decode[place.At], _decode[place.At + 1], place.Part);

    /// <summary>Seconds of a step with so many tokens of prompts, as many as a step has at most.</summary>
    public double Mixed(double sequences, double tokens) => Mixed(Place(sequences), tokens);

    public double Mixed(CurvePlace place, double tokens)
    {
        if (tokens <= 0) return Decode(place);
        if (tokens < _prompts[0])
        {
            var first = Mixed(place, 0);
            if (place is { At: 0, Part: 0 }) return first;
            return Between(Decode(place), first, tokens / _prompts[0]);
        }

        // Each is twice the one before: which one is reached is the exponent of the quotient.
        var to = Math.Min(PromptKnots - 2, (int)(BitConverter.DoubleToInt64Bits(tokens / _prompts[0]) >> 52) - 1023);
        return Between(Mixed(place, to), Mixed(place, to + 1), Math.Min(1, (tokens - _prompts[to]) / _prompts[to]));
    }

    /// <summary>The same at equal distances from none to so many tokens.</summary>
    public void Mixed(CurvePlace place, double most, Span<double> seconds)
    {
        seconds[0] = Decode(place);
        var each = most / (seconds.Length - 1);
        var i = 1;
        for (var knot = -1; knot < PromptKnots - 1 && i < seconds.Length; knot++)
        {
            var last = knot == PromptKnots - 2;
            var (from, to) = (knot < 0 ? 0 : _prompts[knot], _prompts[knot + 1]);
            var (low, high) = (knot < 0 ? Decode(place) : Mixed(place, knot), Mixed(place, knot + 1));
            if (knot < 0 && place is { At: 0, Part: 0 }) low = high;
            var slope = (high - low) / (to - from);
            for (; i < seconds.Length && (last || i * each < to); i++) seconds[i] = low + (slope * (Math.Min(to, i * each) - from));
        }
    }

    private double Mixed(CurvePlace place, int knot) =>
        Between(_mixed[(place.At * PromptKnots) + knot], _mixed[((place.At + 1) * PromptKnots) + knot], place.Part);

    private static double Between(double low, double high, double part) => low + (part * (high - low));

    private static IEnumerable<double> Knots(double most)
    {
        yield return 0;
        for (var n = 1.0; n < most * 0.999; n *= n < 8 ? 2 : 1.4) yield return n;
        yield return Math.Max(1, most);
    }
}
