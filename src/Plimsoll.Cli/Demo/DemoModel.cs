using System.Collections.Immutable;

namespace Plimsoll.Cli.Demo;

/// <summary>One of the demo's models: what it weighs, what is asked of it, and which stream it gets.</summary>
/// <param name="Id">Its name.</param>
/// <param name="WeightBytes">Size of its weights.</param>
/// <param name="Slo">From arrival at the gateway to the answer's last byte.</param>
/// <param name="Stream">The fitted stream, and the Azure trace, it gets: "code" or "conv".</param>
/// <param name="Cores">Cores one replica is given.</param>
public sealed record DemoModel(ModelId Id, long WeightBytes, Slo Slo, string Stream, Cores Cores)
{
    /// <summary>
    /// A tool used in bursts goes to the large model, two steady services to the others, as the Azure traces are split
    /// into code and conversation. Latencies are what a core of this machine can do, not what a GPU can.
    /// </summary>
    public static ImmutableArray<DemoModel> All { get; } =
    [
        Of("large", 1_500_000_000, TimeSpan.FromSeconds(3), "code"),
        Of("medium", 250_000_000, TimeSpan.FromSeconds(1), "conv"),
        Of("small", 25_000_000, TimeSpan.FromMilliseconds(300), "conv"),
    ];

    private static DemoModel Of(string name, long bytes, TimeSpan latency, string stream) => new(
        ModelId.Of(name), bytes, new Slo(latency, 0.99), stream, EngineProfile.CoresFor(new Bytes(bytes), 0));
}
