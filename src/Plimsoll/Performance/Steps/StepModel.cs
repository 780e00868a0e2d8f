namespace Plimsoll;

/// <summary>
/// How long a model's steps take on a device, split as asked: for each layer the matrices, attention and experts, each
/// the larger of compute and memory, then what the ranks exchange; and what a step takes outside its layers. One with prompts
/// takes no less than its kernels' launch.
/// Design, section 4. More bytes, tokens, sequences or context never make it shorter; a larger batch never makes it
/// longer per token.
/// </summary>
public sealed class StepModel
{
    private readonly double _bytesPerSecond;
    private readonly double _linkBytesPerSecond;
    private readonly StepSplit _split;
    private readonly IReadOnlyList<StepLayer> _layers;
    private readonly StepMatrix? _head;
    private readonly double _hidden;
    private readonly int _layerCount;

    private StepModel(Accelerator device, StepSplit split, ModelShape shape, IReadOnlyList<StepLayer> layers, StepMatrix? head)
    {
        _bytesPerSecond = device.MemoryBandwidth.Value;
        var group = Math.Max(split.StageDevices, split.ExpertRanks);
        _linkBytesPerSecond = group > device.LinkDomainDevices && device.LinkDomainDevices > 1 ? split.Network.Value
            : device.LinkBandwidth.Value > 0 ? device.LinkBandwidth.Value
            : device.HostBandwidth.Value > 0 ? device.HostBandwidth.Value
            : split.Network.Value;
        (_split, _layers, _head, _hidden, _layerCount) = (split, layers, head, shape.HiddenSize, layers.Sum(one => one.Count));
    }

    /// <summary>
    /// Null where the device's FLOP/s or bandwidth, or the model's layers, are not known: there is no roofline then. Keys
    /// and values are cached in elements of so many bytes.
    /// </summary>
    public static StepModel? Of(ModelShape shape, Accelerator device, StepSplit split, double kvElementBytes = 2)
    {
        ArgumentNullException.ThrowIfNull(shape);
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(split);
        if (device.MemoryBandwidth.Value <= 0 || shape.Layers.IsDefaultOrEmpty || shape.HiddenSize <= 0) return null;
        if (StepLayers.Peak(device, 16, weightOnly: false) is not > 0) return null;
        return new StepModel(device, split, shape, StepLayers.Of(shape, device, split, kvElementBytes), StepLayers.Head(shape, device, split));
    }

    /// <summary>Seconds of one pass through every stage; positive and finite for every batch, an empty one included.</summary>
    public double Seconds(StepBatch batch, StepCoefficients fitted)
    {
        ArgumentNullException.ThrowIfNull(fitted);
        var (ofDecode, ofPrefill) = (fitted[StepCoefficient.DecodeScale], fitted[StepCoefficient.PrefillScale]);
        var prompted = batch.Prompts * batch.PromptTokens > 0;

        // Nothing to do is neither a prefill nor a decode: by the larger scale it would outlast the other's first token.
        if (!prompted && batch.Sequences <= 0) return Unscaled(batch.DecodePart, fitted) * Math.Min(ofDecode, ofPrefill);
        var decode = Unscaled(batch.DecodePart, fitted) * ofDecode;
        if (!prompted) return decode;
        var all = Roofline.Larger(_layerCount * fitted[StepCoefficient.PromptLaunchSeconds], Unscaled(batch, fitted)) * ofPrefill;

        // A prompt never makes a step shorter than its sequences alone, whatever the two scales are.
        return batch.Sequences > 0 ? Math.Max(decode, all) : all;
    }

    private double Unscaled(StepBatch batch, StepCoefficients fitted)
    {
        var mine = batch.OfOneRank(Math.Max(1, _split.Data));
        var (tokens, own) = (batch.Tokens, mine.Tokens);
        double layers = 0;
        // By index: a simulation asks millions of times, and an enumerator of a list behind an interface is an allocation.
        for (var kind = 0; kind < _layers.Count; kind++)
        {
            var layer = _layers[kind];
            var seconds = fitted[StepCoefficient.LayerSeconds]
                + (own * _hidden * 2 * fitted[StepCoefficient.ActivationPasses] / _bytesPerSecond)
                + Exchange(layer, tokens, own, fitted);
            for (var i = 0; i < layer.Matrices.Count; i++) seconds += layer.Matrices[i].Seconds(own, _bytesPerSecond, fitted);
            if (layer.Attention is { } attention) seconds += attention.Seconds(mine, _bytesPerSecond, fitted);
            if (layer.Experts is { } experts)
                seconds += fitted[StepCoefficient.ExpertLayerSeconds] + experts.Seconds(tokens, _bytesPerSecond, fitted);
            layers += layer.Count * seconds;
        }

        var head = _head?.Seconds(mine.Prompts + mine.Sequences, _bytesPerSecond, fitted) ?? 0;
        return layers + head + Stages(own, fitted)
            + fitted[StepCoefficient.StepSeconds] + ((batch.Prompts + batch.Sequences) * fitted[StepCoefficient.SequenceSeconds]);
    }

    /// <summary>
    /// Two all-reduces over the tensor ranks; or, where attention is data-parallel and there are experts, one and a
    /// dispatch and a combine of each token's hidden state to its experts' ranks (8 bits out, 16 back).
    /// </summary>
    private double Exchange(StepLayer layer, double tokens, double own, StepCoefficients fitted)
    {
        var link = _linkBytesPerSecond * fitted[StepCoefficient.LinkBandwidth];
        var start = fitted[StepCoefficient.CollectiveSeconds];
        var (tensor, data) = (Math.Max(1, _split.Tensor), Math.Max(1, _split.Data));
        double AllReduce(int ranks, double count) =>
            Roofline.Collective(ranks, 2.0 * (ranks - 1) / ranks * count * _hidden * 2, link, start);
        if (layer.Experts is not { } experts) return 2 * AllReduce(tensor, own);
        if (data == 1) return AllReduce(tensor, own) + AllReduce(Math.Max(tensor, experts.Ranks), own);
        var copies = Math.Min(experts.PerToken, experts.Ranks);
        var perRank = tokens / Math.Max(1, experts.Ranks);
        return AllReduce(tensor, own)
            + Roofline.Collective(experts.Ranks, perRank * copies * _hidden, link, start)
            + Roofline.Collective(experts.Ranks, perRank * copies * _hidden * 2, link, start);
    }

    private double Stages(double own, StepCoefficients fitted)
    {
        var hops = Math.Max(1, _split.Pipeline) - 1;
        return hops * ((own * _hidden * 2 / (_linkBytesPerSecond * fitted[StepCoefficient.LinkBandwidth]))
            + fitted[StepCoefficient.CollectiveSeconds]);
    }
}
