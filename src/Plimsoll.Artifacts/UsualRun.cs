namespace Plimsoll.Artifacts;

/// <summary>What a model takes while it runs, before anybody says how: by the engine that usually serves its format.</summary>
internal static class UsualRun
{
    private const string Device = "h100-80gb";
    private const int ContextMax = 8192;

    /// <summary>The footprint with its activation peak and runtime overhead, and where they come from.</summary>
    public static Footprint AddTo(Footprint footprint)
    {
        if (footprint.Format is ArtifactFormat.Unknown or ArtifactFormat.TensorRt or ArtifactFormat.Lora || footprint.Weights == Bytes.Zero)
            return footprint;
        var engine = footprint.Format switch
        {
            ArtifactFormat.Gguf => ServingEngine.LlamaCpp(new Version(1, 0)),
            ArtifactFormat.Onnx or ArtifactFormat.TritonRepository => ServingEngine.OnnxRuntime(new Version(1, 0)),
            _ => ServingEngine.Vllm(new Version(0, 19)),
        };
        var positions = footprint.Shape is { MaxPositions: > 0 } shape ? shape.MaxPositions : ContextMax;
        var need = Fit.Of(footprint, new ServingVariant
        {
            Device = DeviceCatalogue.BuiltIn.Find(Device)!,
            Engine = engine,
            Context = Math.Min(positions, ContextMax),
        }).PerDevice;
        var on = $"{engine.Name} {engine.Version} with its defaults on one {Device}";
        return footprint with
        {
            ActivationPeak = need.Activation.Bytes,
            RuntimeOverhead = need.Overhead.Bytes + need.Outside.Bytes,
            Provenance =
            [
                .. footprint.Provenance.Add(new Provenance("activationBytes", need.Activation.Certainty, $"{on}: {need.Activation.From}"))
                    .Add(new Provenance("overheadBytes", need.Overhead.Certainty, $"{on}: {need.Overhead.From}; {need.Outside.From}"))
                    .OrderBy(one => one.Number, StringComparer.Ordinal),
            ],
        };
    }
}
