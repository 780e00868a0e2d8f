using System.Collections.Immutable;

namespace Plimsoll;

/// <summary>
/// Arrivals of one model in buckets of equal width, newest last. A bucket nobody counted is -1, which no rule may
/// read as silence. The Predict issue puts forecasters in its place.
/// </summary>
/// <param name="End">End of the newest bucket; null when nothing was counted yet.</param>
/// <param name="Arrivals">Arrivals per bucket, -1 where not observed; at most the settings' number of buckets.</param>
public sealed record DemandHistory(DateTimeOffset? End, ImmutableArray<double> Arrivals)
{
    public static readonly DemandHistory None = new(null, []);
}
