namespace Plimsoll.Artifacts;

/// <summary>
/// Recognises a model's architecture and weighs it: from the tensors a header lists, or, where there is a
/// configuration alone, from those its architecture has.
/// </summary>
public static class Architecture
{
    /// <summary>Weighs an artefact by what its header and configuration say.</summary>
    /// <exception cref="ArtifactException">
    /// The configuration cannot be read, or there are no tensors and its architecture is not known.
    /// </exception>
    public static WeighedModel Weigh(ArtifactHeader header)
    {
        ArgumentNullException.ThrowIfNull(header);
        if (header.Config is null || header.Format is ArtifactFormat.Diffusers or ArtifactFormat.Lora)
            throw new ArtifactException($"{header.Source} has no configuration.");
        var config = ModelConfig.Parse(header.Config);
        var quantization = Quantization.Of(config, header.QuantizationConfig);
        var spec = FamilyCatalogue.Read(config)
            ?? throw new ArtifactException($"config.json: the architecture is not known.");
        if (spec.Unplanned is not null)
            throw new ArtifactException($"config.json: without tensors this model cannot be weighed, because {spec.Unplanned}.");
        var dtype = Dtypes.Named(config.Text("torch_dtype", "dtype") ?? config.Section("text_config", "llm_config")?.Text("torch_dtype", "dtype")) ?? spec.DefaultDtype;
        var plan = new TensorPlan(quantization, dtype);
        spec.Plan(plan);
        var ledger = new WeightLedger(spec, spec.Layers.Length);
        foreach (var tensor in plan.Tensors)
            ledger.Add(tensor);
        return Weighed(ledger, spec, quantization, dtype, plan.Tensors.Max(tensor => tensor.Bytes));
    }

    private static WeighedModel Weighed(WeightLedger ledger, ModelSpec spec, Quantization quantization, string dtype, long largest)
    {
        var components = ledger.Components();
        return new WeighedModel
        {
            Source = FootprintSource.Architecture,
            Parameters = ledger.Parameters(),
            ActiveParameters = ledger.Active() ?? 0,
            Weights = new Bytes(ledger.Bytes),
            LargestTensor = new Bytes(largest),
            ByDtype = [.. ledger.ByDtype.Select(pair => new DtypeWeight(pair.Key, new Bytes(pair.Value)))],
            Components = components,
            Shape = new ModelShape
            {
                Architecture = spec.Architecture,
                Task = spec.Task,
                HiddenSize = spec.Hidden,
                VocabularySize = spec.Vocabulary,
                MaxPositions = spec.MaxPositions,
                AttentionHeads = spec.Heads,
                RotaryWidth = spec.RotaryWidth,
                ComputeDtype = dtype,
                Quantization = quantization.Method,
                TiedEmbeddings = spec.Tied,
                Before = ledger.Outside(ModelSection.Before),
                Layers = ledger.Runs(),
                After = ledger.Outside(ModelSection.After),
                NotServed = ledger.Outside(ModelSection.NotServed),
                EncoderTokensMax = spec.EncoderTokensMax,
            },
            Notes = [.. spec.Notes, .. quantization.Notes],
        };
    }
}
