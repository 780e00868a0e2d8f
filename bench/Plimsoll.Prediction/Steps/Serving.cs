namespace Plimsoll.Prediction.Steps;

/// <summary>One model on one device, split one way, under one engine: what both tables of whole runs measure.</summary>
internal sealed record Serving(StepModel Model, StepSubject Subject, StepSplit Split, int ChunkTokens, bool Mixes);

/// <summary>Times that a client sees while so many requests are always under way, each sent as another ends.</summary>
/// <param name="FirstToken">Seconds from sending a request to its first token.</param>
/// <param name="PerToken">Seconds between its tokens.</param>
internal sealed record ClientTimes(double FirstToken, double PerToken);

/// <summary>
/// A closed loop of requests of one size, as the benchmarks behind silicon_end_to_end.csv run it: all are sent at once
/// at the start, then each is followed by another.
/// </summary>
internal static class ClosedLoop
{
    /// <summary>
    /// While a sequence gets its tokens, every other one's successor is prefilled once: so a token takes a decode step,
    /// and its part of the prompts in between. A request waits for the prompt that is under way, for those before it in
    /// the queue, and, at the start of the run (a part of it, "burst"), for half of all.
    /// </summary>
    public static ClientTimes Aggregated(Serving serving, double concurrency, double prompt, double answer, StepCoefficients fitted, double burst)
    {
        var model = serving.Model;
        var decode = model.Seconds(StepBatch.Decode(concurrency, prompt + (answer / 2)), fitted);
        var others = Math.Max(0, concurrency - 1);
        var beside = StepBatch.Decode(serving.Mixes ? others : 0, prompt + (answer / 2));
        var (own, marginal) = Prefill(serving, prompt, beside, fitted);
        var perToken = decode + (others / Math.Max(1, answer) * marginal);
        var busy = Math.Min(0.95, concurrency / Math.Max(1, answer) * marginal / perToken);
        var queue = busy / (2 * (1 - busy)) * marginal;
        var start = burst * others / 2 * marginal;
        return new ClientTimes(Request(prompt, fitted) + own + (decode / 2) + queue + start, perToken);
    }

    /// <summary>Prefill and decode on replicas of their own: a token takes a decode step and nothing else.</summary>
    public static ClientTimes Disaggregated(
        Serving prefill, Serving decode, double concurrency, double prefillWorkers, double decodeWorkers, double prompt, double answer,
        StepCoefficients prefillFitted, StepCoefficients decodeFitted, double burst)
    {
        var perToken = decode.Model.Seconds(StepBatch.Decode(Math.Max(1, concurrency / decodeWorkers), prompt + (answer / 2)), decodeFitted);

        // Data-parallel ranks prefill a prompt each at a time.
        var ranks = Math.Max(1, prefill.Split.Data);
        var (own, _) = Prefill(prefill, prompt, StepBatch.Decode(0, 0), prefillFitted, ranks);
        var lanes = prefillWorkers * ranks;
        var rate = concurrency / (answer * perToken);
        var busy = Math.Min(0.95, rate * own / lanes);
        var queue = busy / (2 * (1 - busy)) * own;
        var start = burst * Math.Max(0, concurrency / lanes - 1) / 2 * own;
        return new ClientTimes(Request(prompt, prefillFitted) + own + queue + start + perToken, perToken);
    }

    private static double Request(double prompt, StepCoefficients fitted) =>
        fitted[StepCoefficient.RequestSeconds] + (prompt * fitted[StepCoefficient.RequestTokenSeconds]);

    /// <summary>Seconds until a prompt is through, chunk by chunk, and how much of that the sequences beside it would not have taken.</summary>
    private static (double Own, double Marginal) Prefill(
        Serving serving, double prompt, StepBatch beside, StepCoefficients fitted, double prompts = 1)
    {
        double own = 0, marginal = 0;
        var alone = beside.Sequences > 0 ? serving.Model.Seconds(beside, fitted) : 0;
        for (double done = 0; done < prompt; done += serving.ChunkTokens)
        {
            var chunk = StepBatch.Prefill(prompts, Math.Min(serving.ChunkTokens, prompt - done), done);
            var step = serving.Model.Seconds(beside.Sequences > 0 ? chunk.With(beside) : chunk, fitted);
            own += step;
            marginal += step - alone;
        }

        return (own, marginal);
    }
}
