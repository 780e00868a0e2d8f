namespace Plimsoll.Prediction.Steps;

/// <summary>Memory that one data-parallel rank has left for keys and values, and what requests take of it.</summary>
/// <param name="Bytes">On one device.</param>
/// <param name="PerToken">Of layers without a window, on one device.</param>
/// <param name="PerRequest">State, and what windows hold once they are full.</param>
/// <param name="Ranks">Data-parallel ranks.</param>
/// <param name="ReservesAnswer">Room for the whole answer is kept from the start; else a request takes what it has so far.</param>
internal sealed record CacheRoom(double Bytes, double PerToken, double PerRequest, int Ranks, bool ReservesAnswer)
{
    /// <summary>Engines leave a tenth of the memory alone; activations, graphs and communication take some more.</summary>
    private const double Usable = 0.9, OverheadBytes = 3e9;

    public static CacheRoom Of(ModelShape shape, Accelerator device, StepSplit split, double kvElementBytes, bool reservesAnswer)
    {
        double weights = 0, perToken = 0, perRequest = 0;
        foreach (var layer in StepLayers.Of(shape, device, split, kvElementBytes))
        {
            weights += layer.Count * layer.Matrices.Sum(one => one.WeightBytes);
            if (layer.Experts is { } experts) weights += layer.Count * experts.WeightBytes * experts.Experts / experts.Ranks;
            if (layer.Attention is not { } attention) continue;
            perRequest += layer.Count * ((attention.StateBytes / 2) + (attention.DecodeBytes * (attention.Window ?? 0)));
            if (attention.Window is null) perToken += layer.Count * attention.DecodeBytes;
        }

        var stages = Math.Max(1, split.Pipeline);
        weights += shape.Before.Concat(shape.After).Sum(group => group.Weights.Value) / (double)Math.Max(1, split.Tensor);
        var left = (device.Memory.Value * Usable) - OverheadBytes - (weights / stages);
        return new CacheRoom(left, perToken / stages, perRequest / stages, Math.Max(1, split.Data), reservesAnswer);
    }

    /// <summary>Requests that are under way at once, at least one a rank: the others wait for room.</summary>
    public double Requests(double prompt, double answer)
    {
        var each = (PerToken * (prompt + (ReservesAnswer ? answer : answer / 2))) + PerRequest;
        return each <= 0 ? double.MaxValue : Ranks * Math.Max(1, Bytes / each);
    }
}
