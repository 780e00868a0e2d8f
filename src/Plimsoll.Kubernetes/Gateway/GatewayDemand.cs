using System.Collections.Immutable;
using Plimsoll.Kubernetes.Metrics;

namespace Plimsoll.Kubernetes.Gateway;

/// <summary>
/// Puts together what the gateway and the pods tell of a model. Where requests come through the gateway it alone says what
/// arrived, so that nothing counts twice; how fast pods work is told by the pods.
/// </summary>
internal static class GatewayDemand
{
    // Pods and gateways are looked at some moments apart, so that a few more prove nothing.
    private const long FewMore = 5;

    /// <summary>One row or one sentence for each model, never both.</summary>
    /// <param name="pods">What the pods told of all models.</param>
    /// <param name="gateway">What came through the gateway, for the models that have one.</param>
    public static (ImmutableArray<ModelTraffic> Traffic, ImmutableSortedDictionary<ModelId, string> Unobserved) Merge(
        TrafficReading pods, GatewayTraffic gateway)
    {
        var told = pods.Traffic.ToDictionary(row => row.Model);
        var through = gateway.Rows.Keys.Concat(gateway.Missing.Keys).ToHashSet();
        return (
            [
                .. pods.Traffic.Where(row => !through.Contains(row.Model))
                    .Concat(gateway.Rows.Values.Select(row => Both(row, told.GetValueOrDefault(row.Model)))).OrderBy(row => row.Model),
            ],
            pods.Unobserved.RemoveRange(through).AddRange(gateway.Missing));
    }

    private static ModelTraffic Both(ModelTraffic gateway, ModelTraffic? pods) => pods is null ? gateway : gateway with
    {
        Service = pods.Service ?? gateway.Service,

        // More ended in the pods than came through: somebody goes past the gateway, and then its count is a lower bound.
        Censored = gateway.Censored || pods.Completed > gateway.Completed + Math.Max(FewMore, gateway.Completed / 10),
    };
}
