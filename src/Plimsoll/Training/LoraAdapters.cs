using System.Collections.Immutable;

namespace Plimsoll;

/// <summary>Low-rank adapters: a matrix of <c>in × rank</c> and one of <c>rank × out</c> beside each target.</summary>
internal static class LoraAdapters
{
    public static readonly ImmutableArray<string> Targets = ["q", "k", "v", "o", "gate", "up", "down"];

    /// <summary>Parameters of a layer's adapters, before any split.</summary>
    public static double Parameters(ModelShape shape, LayerRun layer, TrainingRun run)
    {
        if (run.Method == TrainingMethod.Full) return 0;
        var traits = LayerTraits.Of(shape, layer);
        return Wanted(traits, run).Sum(target => (double)run.LoraRank * (target.In + target.Out));
    }

    /// <summary>What adapters keep beside what the layer keeps anyway: their inputs (dropped out: a copy and a mask), the narrow
    /// middle, and with some trainers their outputs.</summary>
    public static LayerActivations Kept(LayerTraits traits, TrainingRun run, double e)
    {
        if (run.Method == TrainingMethod.Full) return default;
        double whole = 0, split = 0;
        var inputs = new HashSet<string>(StringComparer.Ordinal);
        foreach (var target in Wanted(traits, run))
        {
            // Without dropout one input serves all targets that share it, and a quantised matrix has kept it already.
            var first = inputs.Add(target.Source);
            var copies = run.LoraDropout ? (run.Trainer.SharesLoraInput ? first : true) : first && run.Method == TrainingMethod.Lora && !target.KeptAnyway;
            var bytes = copies ? (run.LoraDropout ? e + 1 : e) * target.In : 0;
            if (target.InWhole) whole += bytes;
            else split += bytes;
            split += e * run.LoraRank;
            if (run.Trainer.KeepsLoraOutputs) split += e * target.Out;
        }

        return new LayerActivations(whole, split);
    }

    private static IEnumerable<Target> Wanted(LayerTraits t, TrainingRun run)
    {
        foreach (var name in run.LoraTargets)
        {
            switch (name)
            {
                case "q": yield return new("attention", t.Hidden, t.Query, true, false); break;
                case "k": yield return new("attention", t.Hidden, t.Key, true, false); break;
                case "v": yield return new("attention", t.Hidden, t.Value, true, false); break;
                case "o": yield return new("mixed", t.Mixed, t.Hidden, false, true); break;
                case "gate" when t.Gated: yield return new("feed", t.Hidden, t.Inner, true, false); break;
                case "up": yield return new("feed", t.Hidden, t.Inner, true, false); break;
                case "down": yield return new("inner", t.Inner, t.Hidden, false, false); break;
            }
        }
    }

    /// <param name="Source">Targets of the same input share it.</param>
    /// <param name="In">Elements per token of its input.</param>
    /// <param name="Out">Elements per token of its output.</param>
    /// <param name="InWhole">Tensor parallelism leaves the input whole.</param>
    /// <param name="KeptAnyway">The layer keeps the input for something else.</param>
    private sealed record Target(string Source, long In, long Out, bool InWhole, bool KeptAnyway);
}
