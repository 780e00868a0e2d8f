namespace Plimsoll;

/// <summary>Weights of one pipeline stage on one rank.</summary>
internal sealed record StageWeights
{
    /// <summary>Weights, gradients and optimiser after ZeRO's sharding.</summary>
    public required ModelStates States { get; init; }

    /// <summary>Weights before ZeRO's sharding, in bytes.</summary>
    public required double Whole { get; init; }

    /// <summary>Bytes of the largest layer's weights as they are gathered: in the dtype they compute in, or quantised.</summary>
    public required double LargestLayer { get; init; }

    /// <summary>Bytes of the embedding and the head, as far as they are gathered at once.</summary>
    public required double Ends { get; init; }

    /// <summary>Bytes of the gradient of the largest unit that is gathered.</summary>
    public required double LargestGradient { get; init; }

    /// <summary>Bytes of the largest quantised matrix group of a layer, dequantised.</summary>
    public required double LargestQuantised { get; init; }

    public required string From { get; init; }

    public static StageWeights Of(ModelShape shape, StageLayers stage, TrainingRun run)
    {
        double e = LayerActivations.Width(run);
        ModelStates states = new(0, 0, 0);
        double whole = 0, largest = 0, largestElements = 0, ends = 0, largestEnd = 0, quantised = 0;
        foreach (var layer in stage.Runs)
        {
            double elements = 0, gathered = 0;
            foreach (var group in layer.Weights)
            {
                var parameters = group.Parameters * Share(group.Split, layer.Cache.KvHeads, run);
                elements += parameters;
                gathered += parameters * (IsQuantised(group, run) ? ModelStates.PerFrozen(run, true) : e);
                Add(parameters * layer.Count, IsQuantised(group, run));
                if (IsQuantised(group, run)) quantised = Math.Max(quantised, e * parameters / 2);
            }

            // Adapters follow the split of the matrices they stand beside; their small half is whole, which is left out.
            var adapters = LoraAdapters.Parameters(shape, layer, run) / run.TensorParallel * layer.Count;
            if (adapters > 0) Learn(adapters);
            largest = Math.Max(largest, gathered);
            largestElements = Math.Max(largestElements, elements);
        }

        foreach (var group in EndsOf(shape, stage))
        {
            var parameters = group.Parameters * Share(group.Split, 0, run);
            largestEnd = Math.Max(largestEnd, parameters);
            ends = run.Trainer.GathersEndsApart ? Math.Max(ends, e * parameters) : ends + e * parameters;
            Add(parameters, IsQuantised(group, run));
        }

        var sharded = states.Sharded(run);
        if (run.OptimizerInBackward && run.Method == TrainingMethod.Full)
            sharded = sharded with { Gradients = ModelStates.Of(Math.Max(largestElements, largestEnd), run, shape.HiddenSize).Gradients };
        return new StageWeights
        {
            States = sharded,
            Whole = whole,
            LargestLayer = largest,
            Ends = ends,
            LargestGradient = run.Method != TrainingMethod.Full ? 0
                : Math.Max(largestElements, ends / e) * (run.Precision == TrainingPrecision.Pure16 ? 2 : 4),
            LargestQuantised = quantised,
            From = run.Method == TrainingMethod.Qlora ? "linear layers in 4-bit NormalFloat, the rest in 16 bit" : "all parameters",
        };

        void Add(double parameters, bool isQuantised)
        {
            if (run.Method == TrainingMethod.Full)
            {
                Learn(parameters);
                return;
            }

            var bytes = parameters * ModelStates.PerFrozen(run, isQuantised);
            states += new ModelStates(bytes, 0, 0);
            whole += bytes;
        }

        void Learn(double parameters)
        {
            var learned = ModelStates.Of(parameters, run, shape.HiddenSize);
            states += learned;
            whole += learned.Weights;
        }
    }

    /// <summary>
    /// Weights that are gathered or dequantised for use. Under ZeRO 3 the layer at work and the one fetched ahead, and the
    /// ends, with the gradient of the largest of these where it learns, reduced in 32 bit unless all is in 16.
    /// </summary>
    public double Buffers(TrainingRun run)
    {
        var gathers = (run.ZeroStage >= 3 && run.Shards > 1) || run.Offload == TrainingOffload.All;
        var dequantised = run.Method == TrainingMethod.Qlora ? LargestQuantised : 0;
        if (!gathers) return dequantised;
        return (run.Trainer.KeepsGathered ? Whole : (2 * LargestLayer) + Ends) + LargestGradient + dequantised;
    }

    /// <summary>What lies before the layers and after them; a tied head on the last stage too when that isn't the first.</summary>
    private static IEnumerable<WeightGroup> EndsOf(ModelShape shape, StageLayers stage) =>
        shape.Before.Where(group => stage.IsFirst || (stage.IsLast && shape.TiedEmbeddings && group.Component == "embedding"))
            .Concat(stage.IsLast ? shape.After : []);

    private static bool IsQuantised(WeightGroup group, TrainingRun run) =>
        run.Method == TrainingMethod.Qlora && group.Component is "attention" or "mlp" or "experts" or "shared experts";

    private static double Share(WeightSplit split, int kvHeads, TrainingRun run) => split switch
    {
        WeightSplit.Replicated => 1,
        WeightSplit.KeyValueHeads => 1.0 / (kvHeads > 0 ? Math.Min(run.TensorParallel, kvHeads) : run.TensorParallel),
        _ => 1.0 / run.TensorParallel,
    };
}
