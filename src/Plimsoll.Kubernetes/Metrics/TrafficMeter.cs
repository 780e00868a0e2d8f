namespace Plimsoll.Kubernetes.Metrics;

/// <summary>Turns what pods count into what arrived. Not safe for use by two threads at once.</summary>
public sealed class TrafficMeter
{
    /// <summary>The traffic since the call before.</summary>
    public TrafficReading Advance(
        IReadOnlyList<MeteredModel> models, IReadOnlyList<PodReading> readings, DateTimeOffset at) =>
        throw new NotImplementedException($"{models} {readings} {at}");
}
