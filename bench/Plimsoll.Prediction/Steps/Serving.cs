namespace Plimsoll.Prediction.Steps;

/// <summary>One model on one device, split one way, under one engine: what both tables of whole runs measure.</summary>
internal sealed record Serving(StepModel Model, StepSubject Subject, StepSplit Split, int ChunkTokens, bool Mixes)
{
    public required CacheRoom Room { get; init; }
}


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
    /// <summary>Rounds of substitution, each halfway: times settle to a few parts in a thousand.</summary>
    private const int Rounds = 6;

    /// <summary>
    /// No more requests are under way than memory holds; the others wait until one ends. A request first waits and is
    /// prefilled, then decodes, so by Little's law the part of them that decodes is its decoding's part of its time; and
    /// while it decodes the others' successors are prefilled in between. It waits for the prompt that is under way, for those
    /// before it in the queue and, as benchmarks send many at once, for a part of all.
    /// </summary>
    public static ClientTimes Aggregated(
        Serving serving, double concurrency, double prompt, double answer, StepCoefficients fitted, MeasuringTraits traits)
    {
        var model = serving.Model;
        var context = prompt + (answer / 2);
        var held = Math.Min(concurrency, serving.Room.Requests(prompt, answer));
        var others = Math.Max(0, held - 1);
        answer = Math.Max(1, answer);
        // One prompt a pass, and as many as a pass takes: in between the pass costs each prompt its part of what is fixed.
        var (ranks, fill) = (Math.Max(1, serving.Split.Data), Math.Max(1, Math.Floor(serving.ChunkTokens / Math.Max(1, prompt))));
        var beside = StepBatch.Decode(serving.Mixes ? others : 0, context);
        var (own, alone) = Prefill(serving, prompt, beside, fitted, traits);
        var most = Math.Min(ranks * fill, Math.Max(1, held));
        var (_, together) = Prefill(serving, prompt, beside, fitted, traits, most);
        var full = Math.Min(alone, together / most);
        double Each(double prompts) => most <= 1 ? alone
            : full + ((alone - full) * ((1 / Math.Clamp(prompts, 1, most)) - (1 / most)) / (1 - (1 / most)));
        var perToken = model.Seconds(StepBatch.Decode(held, context), fitted);
        var first = Request(prompt, fitted) + own;
        for (var round = 0; round < Rounds; round++)
        {
            var cycle = first + (answer * perToken);
            var decoding = Math.Max(Math.Min(held, 1), held * answer * perToken / cycle);
            var decode = model.Seconds(StepBatch.Decode(decoding, context), fitted);
            var each = Each(held / cycle * perToken);
            var busy = Math.Min(0.95, held / cycle * each);
            var queue = busy / (2 * (1 - busy)) * each;
            var nextFirst = Request(prompt, fitted) + own + (decode / 2) + queue + (traits.Burst * others / 2 * full);
            var nextToken = decode + (others / cycle * perToken * each);
            (first, perToken) = ((first + nextFirst) / 2, (perToken + nextToken) / 2);
        }

        var room = (concurrency - held) / held * (first + (answer * perToken));
        return new ClientTimes(first + room, perToken);
    }

    /// <summary>
    /// Prefill and decode on replicas of their own: a token takes a decode step and nothing else. By Little's law those
    /// requests decode that are not waiting for their prompt or in it; the rate at which both hold is found by halving, and
    /// is never more than prefill carries.
    /// </summary>
    public static ClientTimes Disaggregated(
        Serving prefill, Serving decode, double concurrency, double prefillWorkers, double decodeWorkers, double prompt, double answer,
        StepCoefficients prefillFitted, StepCoefficients decodeFitted, MeasuringTraits traits)
    {
        // Data-parallel ranks prefill a prompt each at a time.
        var ranks = Math.Max(1, prefill.Split.Data);
        var (own, _) = Prefill(prefill, prompt, StepBatch.Decode(0, 0), prefillFitted, traits, ranks);
        var lanes = prefillWorkers * ranks;
        var room = decode.Room.Requests(prompt, answer);
        double PerToken(double decoding) => decode.Model.Seconds(
            StepBatch.Decode(Math.Clamp(decoding / decodeWorkers, 1, Math.Max(1, room)), prompt + (answer / 2)), decodeFitted);
        double Prompt(double rate)
        {
            var busy = rate * own / lanes;
            return own * (1 + (busy / (2 * (1 - busy))));
        }

        var (low, high) = (0.0, Math.Min(lanes / own * (1 - 1e-6), concurrency / own));
        for (var halving = 0; halving < 24; halving++)
        {
            var rate = (low + high) / 2;
            var decoding = concurrency - (rate * Prompt(rate));
            if (decoding > 0 && rate * answer * PerToken(decoding) < decoding) low = rate;
            else high = rate;
        }

        var first = Prompt(low);
        var perToken = PerToken(Math.Max(1, concurrency - (low * first)));

        // What all wait at the start of a run, as far as they would not wait anyway.
        var start = traits.Burst * Math.Max(0, concurrency / lanes - 1) / 2 * own * (1 - (low * own / lanes));
        return new ClientTimes(Request(prompt, prefillFitted) + traits.TransferSeconds + first + start + perToken, perToken);
    }

    private static double Request(double prompt, StepCoefficients fitted) =>
        fitted[StepCoefficient.RequestSeconds] + (prompt * fitted[StepCoefficient.RequestTokenSeconds]);

    /// <summary>Seconds until a prompt is through, chunk by chunk, and how much of that the sequences beside it would not have taken.</summary>
    private static (double Own, double Marginal) Prefill(
        Serving serving, double prompt, StepBatch beside, StepCoefficients fitted, MeasuringTraits traits, double prompts = 1)
    {
        double own = 0, marginal = 0;
        var alone = beside.Sequences > 0 ? serving.Model.Seconds(beside, fitted) : 0;
        for (var done = prompt * (1 - traits.Computed); done < prompt; done += serving.ChunkTokens)
        {
            var chunk = StepBatch.Prefill(prompts, Math.Min(serving.ChunkTokens, prompt - done), done);
            var step = serving.Model.Seconds(beside.Sequences > 0 ? chunk.With(beside) : chunk, fitted);
            own += step;
            marginal += step - alone;
        }

        return (own, marginal);
    }
}
