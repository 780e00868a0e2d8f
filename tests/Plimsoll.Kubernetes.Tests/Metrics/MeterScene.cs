using Plimsoll.Kubernetes.Metrics;

namespace Plimsoll.Kubernetes.Tests.Metrics;

/// <summary>A meter, its model "m" with an SLO of one second, and readings in few words; times are seconds after noon.</summary>
internal sealed class MeterScene
{
    public static readonly ModelId Model = new("prod/m");

    private readonly TrafficMeter _meter = new();

    public Signal<FrontSample>? Front { get; set; }

    public static DateTimeOffset At(double seconds) => ServerMetricsTests.Noon.AddSeconds(seconds);

    public static PodEndpoint Pod(string name, double? readySince = -3600, int? concurrency = null) => new()
    {
        Pod = new ObjectName("prod", name),
        Uid = $"uid-{name}",
        Model = Model,
        Metrics = new Uri($"http://{name}.invalid/metrics"),
        ReadySince = readySince is { } ready ? At(ready) : null,
        Concurrency = concurrency,
    };

    public static ServerSample Sample(double at, double completed = 0, double running = 0, double waiting = 0) => new()
    {
        Server = ServerKind.Vllm,
        At = At(at),
        Completed = completed,
        Running = running,
        Waiting = waiting,
    };

    public static PodReading Read(string pod, ServerSample sample) => Read(Pod(pod), sample);

    public static PodReading Read(PodEndpoint pod, ServerSample sample) => new(pod, Signal.Known(sample, sample.At));

    public static PodReading Lost(string pod, ServerSample? last = null, double? readySince = -3600) => new(
        Pod(pod, readySince), last is null ? Signal.Missing<ServerSample>($"{pod} hangs") : Signal.Stale(last, last.At, $"{pod} hangs"));

    public TrafficReading Look(double at, params PodReading[] readings) => Look(At(at), readings);

    public TrafficReading Look(DateTimeOffset at, params PodReading[] readings) => _meter.Advance(
        [new MeteredModel { Model = Model, Slo = new Slo(TimeSpan.FromSeconds(1), 0.99), Front = Front }], readings, at);

    public ModelTraffic Row(double at, params PodReading[] readings) => Assert.Single(Look(at, readings).Traffic);

    public string Why(double at, params PodReading[] readings)
    {
        var look = Look(at, readings);
        Assert.Empty(look.Traffic);
        return look.Unobserved[Model];
    }

    public static HistogramSample Times(double count, double sum, params (double Bound, double Cumulative)[] buckets) =>
        new(count, sum, [.. buckets.Select(bucket => new HistogramBucket(bucket.Bound, bucket.Cumulative))]);
}
