namespace Plimsoll;

/// <summary>
/// How many times as long as predicted a model's steps take on a variant, learned from the times of its requests: a Kalman
/// filter of the factor's logarithm, which starts at what is predicted and as sure as that is. One interval moves it no
/// further than three of its deviations (Huber), however absurd it is; all together no further than eightfold; and what was
/// learned fades, as slowly as hardware and engines change.
/// </summary>
/// <param name="Log">Logarithm of the factor; 0 where steps take what was predicted.</param>
/// <param name="Variance">Of that.</param>
/// <param name="At">When it last learned.</param>
/// <param name="Requests">How many it learned from; all are counted.</param>
public sealed record Slowness(double Log, double Variance, DateTimeOffset At, long Requests)
{
    /// <summary>No engine is this many times faster or slower than one of its kind for long; what says so is another mistake.</summary>
    private const double FactorMax = 8;

    /// <summary>Of the logarithm an hour, squared: a tenth.</summary>
    private const double DriftPerHour = 0.01;

    /// <summary>Deviations by which one interval counts at the most.</summary>
    private const double Clip = 3;

    /// <summary>Deviation of the form: means of seconds against means of sequences, and prompts spread evenly over them.</summary>
    private const double FormSpread = 0.1;

    /// <summary>
    /// Of what is learned from the truth, however much was seen: the form's errors do not average out. On simulated replicas of
    /// docs/benchmarks/prediction.md (seed 3) the factor was off by 12 % at the median, which is two thirds of this.
    /// </summary>
    private const double BiasSpread = 0.18;

    /// <summary>Deviation of one request's time.</summary>
    private const double RequestSpread = 0.7;

    /// <summary>Before anything was seen.</summary>
    /// <param name="logSpread">How sure the prediction is.</param>
    /// <param name="at">From when on it may change.</param>
    public static Slowness Predicted(double logSpread, DateTimeOffset at) => new(0, logSpread * logSpread, at, 0);

    /// <summary>False at the bounds: what is seen is not the predicted thing, and is to be believed by itself.</summary>
    public bool IsBelieved => Math.Abs(Log) < Math.Log(FactorMax) - 1e-6;

    /// <summary>The factor: the median.</summary>
    public double Factor => Math.Exp(Log);

    /// <summary>Nine in ten factors lie between these.</summary>
    public (double Low, double High) Range
    {
        get
        {
            var width = 1.645 * Math.Sqrt(Variance + (Requests > 0 ? BiasSpread * BiasSpread : 0));
            return (Math.Exp(Log - width), Math.Exp(Log + width));
        }
    }

    /// <summary>Learns from an interval.</summary>
    /// <param name="prior">What was predicted.</param>
    /// <param name="sample">What was seen; one that says nothing or makes no sense changes nothing.</param>
    /// <param name="lengths">Mean tokens of a prompt and an answer.</param>
    /// <param name="at">When it ended.</param>
    public Slowness Learn(ServicePrior prior, ServiceSample sample, (double Prompt, double Answer) lengths, DateTimeOffset at)
    {
        ArgumentNullException.ThrowIfNull(prior);
        ArgumentNullException.ThrowIfNull(sample);
        if (sample.Count <= 0 || !(sample.SumL > 0) || !(sample.SumN > 0) || !double.IsFinite(sample.SumL + sample.SumN)) return this;
        var predicted = prior.Seconds(sample.SumN / sample.Count, lengths.Prompt, lengths.Answer);
        var seen = Math.Log(sample.SumL / sample.Count / predicted);
        if (!double.IsFinite(seen)) return this;

        // A clock that went back forgets nothing; one that leapt ahead no more than was ever unknown.
        var hours = Math.Max(0, (at - At).TotalHours);
        var variance = Math.Min(Variance + (DriftPerHour * hours), Math.Max(Variance, prior.LogSpread * prior.LogSpread));
        var noise = (FormSpread * FormSpread) + (RequestSpread * RequestSpread / sample.Count);
        var all = variance + noise;
        var reach = Clip * Math.Sqrt(all);
        var gain = variance / all;
        var bound = Math.Log(FactorMax);

        // The form's error is not one that many intervals would average away.
        return new Slowness(
            Math.Clamp(Log + (gain * Math.Clamp(seen - Log, -reach, reach)), -bound, bound),
            Math.Max(variance * (1 - gain), FormSpread * FormSpread / 4),
            at > At ? at : At,
            Requests + sample.Count);
    }
}
