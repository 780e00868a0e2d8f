using System.Collections.Concurrent;
using System.Collections.Immutable;

namespace Plimsoll;

/// <summary>
/// How long variants load that never loaded here: at their declared rate, else as other models of the same engine did, which start from what was
/// published of that engine, or from what the settings assume. Lines are fitted once for each engine and number of devices.
/// </summary>
internal sealed class UnseenLoads(ImmutableArray<LoadSample> seen, PlannerSettings settings)
{
    private static readonly Bytes Gigabyte = new(1_000_000_000);

    // Models are looked at side by side.
    private readonly ConcurrentDictionary<(string Engine, int Devices), (LoadLine Line, bool Published)> _lines = [];

    public LoadEstimate Estimate(VariantSpec variant, Bytes weights)
    {
        if (variant.LoadBandwidth is { } declared) return LoadLine.Declared(declared, settings).Estimate(weights);
        var devices = variant.Needs.Devices;
        var line = _lines.GetOrAdd((variant.Engine, devices), (key, self) => self.Fitted(key.Engine, key.Devices), this);
        return line.Published ? Path(variant.Engine, devices, weights)!.Estimate() : line.Line.Estimate(weights);
    }

    private (LoadLine Line, bool Published) Fitted(string engine, int devices)
    {
        // What journals held before engines were noted counts for all.
        ImmutableArray<LoadSample> own = [.. seen.Where(load => load.Engine is null || load.Engine == engine)];
        if (Path(engine, devices, Bytes.Zero) is not { } nothing) return (LoadLine.Of(own, settings), false);
        var start = nothing.Estimate().Median.TotalSeconds;
        var slope = (Path(engine, devices, Gigabyte)!.Estimate().Median.TotalSeconds - start) / Gigabyte.Value;
        return (LoadLine.Of(own, new LoadLine(start, slope)), own.IsEmpty);
    }

    private static LoadPath? Path(string engine, int devices, Bytes weights) =>
        devices > 0 && ServingEngine.TryParse(engine, out var known) ? LoadPriors.Serving(known.Kind, weights, devices) : null;
}
