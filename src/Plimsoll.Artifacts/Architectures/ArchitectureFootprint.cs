namespace Plimsoll.Artifacts;

/// <summary>The footprint of a weighed model: disk, host memory and checkpoint beside it.</summary>
internal static class ArchitectureFootprint
{
    // Mixed-precision AdamW writes 16-bit weights, and master weights and both moments in 32 bits: 2 + 4 + 4 + 4.
    private const int CheckpointBytesPerParameter = 14;

    public static Footprint Of(ArtifactHeader header, WeighedModel model, string digest)
    {
        var elementBytes = Dtypes.Bits(model.Shape?.ComputeDtype ?? "bfloat16") / 8 ?? 2;
        var stored = header.Files.Sum(file => file.Bytes);
        var onDisk = Math.Max(stored, model.Weights.Value);
        var (peak, steady, rule) = HostMemory(header, model);
        return new Footprint
        {
            Format = header.Format,
            Source = model.Source,
            Digest = digest,
            OnDisk = new Bytes(onDisk),
            Weights = model.Weights,
            LargestTensor = model.LargestTensor,
            Parameters = model.Parameters,
            ActiveParameters = model.ActiveParameters,
            Components = model.Components,
            ByDtype = model.ByDtype,
            KvPerToken = new Bytes(PerToken(model.Shape, elementBytes)),
            StatePerSequence = new Bytes(PerSequence(model.Shape, elementBytes)),
            HostLoadPeak = peak,
            HostSteady = steady,
            TrainingCheckpoint = new Bytes((long)Int128.Min(long.MaxValue, (Int128)model.Parameters * CheckpointBytesPerParameter)),
            Shape = model.Shape,
            Provenance = [.. model.Provenance.AddRange(
                stored >= model.Weights.Value && !header.Files.IsEmpty
                    ? new Provenance("diskBytes", Certainty.Exact, header.Files.Length == 1 ? "size of the file" : $"sizes of {header.Files.Length} files")
                    : new Provenance("diskBytes", Certainty.Assumed, "the weights' bytes: the files were not seen"),
                new Provenance("hostLoadPeakBytes", Certainty.Assumed, rule),
                new Provenance("hostSteadyBytes", Certainty.Assumed, rule),
                new Provenance("trainingCheckpointBytes", Certainty.Assumed, "parameters × 14: 16-bit weights, 32-bit weights and two moments (mixed-precision AdamW)"))
                .OrderBy(one => one.Number, StringComparer.Ordinal)],
            Notes = model.Notes,
        };
    }

    /// <summary>Bytes per token over all layers, without a window's limit.</summary>
    private static long PerToken(ModelShape? shape, int elementBytes)
    {
        long bytes = 0;
        foreach (var run in shape?.Layers ?? [])
            bytes = checked(bytes + (run.Count * ((run.Cache.ElementsPerToken * elementBytes) + run.Cache.ExtraBytesPerToken)));
        return bytes;
    }

    private static long PerSequence(ModelShape? shape, int elementBytes)
    {
        long bytes = 0;
        foreach (var run in shape?.Layers ?? [])
        {
            var width = run.Cache.StateElementBytes > 0 ? run.Cache.StateElementBytes : elementBytes;
            bytes = checked(bytes + (run.Count * run.Cache.StateElements * width));
        }

        return bytes;
    }

    // A loader maps one file after another and copies tensor by tensor to the device; pages of a mapped file can be
    // taken back, but only once they were read. A mapped GGUF file stays mapped whole; its embedding table is used from there.
    private static (Bytes Peak, Bytes Steady, string Rule) HostMemory(ArtifactHeader header, WeighedModel model)
    {
        // Where no weights were seen they are taken to lie in files of 5 GB, as libraries write them.
        var largestFile = new Bytes(model.Source == FootprintSource.Architecture ? Math.Min(model.Weights.Value, 5_000_000_000) : Math.Min(model.Weights.Value, header.Files.Select(file => file.Bytes).DefaultIfEmpty(model.Weights.Value).Max()));
        var embedding = new Bytes(model.Components.Where(component => component.Component == "embedding").Sum(component => component.Weights.Value));
        return header.Format switch
        {
            ArtifactFormat.Gguf => (model.Weights, embedding, "the file is mapped whole while it is loaded; the embedding stays on the host"),
            ArtifactFormat.Onnx => (model.Weights + model.Weights, Bytes.Zero, "the graph's initialisers and their copies: weights × 2 while loading"),
            ArtifactFormat.PyTorch => (largestFile + model.LargestTensor, Bytes.Zero, "the largest file unpickled, and one tensor being copied"),
            _ when model.Source == FootprintSource.Architecture =>
                (largestFile + model.LargestTensor, Bytes.Zero, "a file of at most 5 GB mapped, as libraries write them, and one tensor being copied"),
            _ => (largestFile + model.LargestTensor, Bytes.Zero, "the largest file mapped, and one tensor being copied"),
        };
    }
}
