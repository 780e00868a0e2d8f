namespace Plimsoll.Simulation.Bounds;

/// <summary>
/// How a step is shared among what it computes, so that no step is shorter than its shares: a price of each token of a prompt, then of each sequence
/// what is left of the shortest step with as many or fewer sequences. Where prompts are computed while weights are read the two
/// together are less than each alone, so that a high price of the one leaves a low price of the other.
/// </summary>
internal sealed class StepShares
{
    private const double Ratio = 1.1;
    private const double ShortestPrompt = 16;

    private readonly double[] _tokens;
    private readonly double[][] _seconds;
    private readonly double _fullContext;

    /// <param name="limits">Of the replica.</param>
    /// <param name="seconds">Of its steps.</param>
    /// <param name="sequences">At once, at the most.</param>
    /// <param name="perOutputToken">What a step may take; the more sequences take longer without any prompt. Null for any time.</param>
    public StepShares(ReplicaLimits limits, Func<StepBatch, double> seconds, int sequences, double? perOutputToken)
    {
        var tokens = new List<double> { 0 };
        for (var p = ShortestPrompt; p < limits.StepTokens; p *= Ratio) tokens.Add(p);
        tokens.Add(limits.StepTokens);
        _tokens = [.. tokens];

        // A step of one long prompt or of many short ones: the second attends to less.
        double Of(double prompt, StepBatch decode) => prompt == 0 ? seconds(decode)
            : Math.Min(seconds(StepBatch.Prefill(1, prompt).With(decode)), seconds(StepBatch.Prefill(prompt / 16, 16).With(decode)));
        var rows = new List<double[]>();
        for (var n = 1; n <= Math.Max(1, sequences); n++)
        {
            var decode = StepBatch.Decode(n, 0);
            if (n > 1 && seconds(decode) > perOutputToken) break;
            rows.Add([.. _tokens.Select(prompt => Of(prompt, decode))]);
        }

        _seconds = [.. rows];
        MostPerPromptToken = Of(limits.StepTokens, StepBatch.Decode(0, 0)) / limits.StepTokens;

        // Windows make it rise less and less, so that the mean rise to the longest is no more than the rise to any other. Beside prompts it
        // may rise less than alone, but never is a step shorter than without them.
        _fullContext = Math.Max(1, limits.Blocks * limits.BlockTokens);
        var read = StepBatch.Decode(1, _fullContext);
        PerContextTokenAlone = (seconds(read) - _seconds[0][0]) / _fullContext;
        PerContextToken = Math.Max(0, _tokens.Select((prompt, k) => Of(prompt, read) - _seconds[0][k]).Min()) / _fullContext;
    }

    /// <summary>The price of a prompt's token where nothing is left for sequences.</summary>
    public double MostPerPromptToken { get; }

    /// <summary>Seconds of a step of one sequence without context.</summary>
    public double Alone => _seconds[0][0];

    /// <summary>For each token of a sequence's context, whatever prompts are beside it.</summary>
    public double PerContextToken { get; }

    /// <summary>The same where no prompt is.</summary>
    public double PerContextTokenAlone { get; }

    /// <summary>What is left for each of as many sequences as the index, or fewer, where a token of a prompt costs so much.</summary>
    public double[] Left(double perPromptToken)
    {
        var left = new double[_seconds.Length + 1];
        left[0] = double.PositiveInfinity;
        for (var n = 1; n < left.Length; n++)
        {
            var row = _seconds[n - 1];
            var least = row[0];
            // Between two sizes a step is no shorter than of the smaller, and no more is paid than for the larger.
            for (var k = 0; k + 1 < row.Length && perPromptToken > 0; k++) least = Math.Min(least, row[k] - (_tokens[k + 1] * perPromptToken));
            left[n] = Math.Min(left[n - 1], Math.Max(0, least) / n);
        }

        return left;
    }
}
