using System.Collections.Immutable;
using System.Globalization;
using Plimsoll.Cli.Load;
using Plimsoll.Cli.Load.Sending;

namespace Plimsoll.Cli.Demo;

/// <summary>Memory of all replicas together, as sampled so far.</summary>
/// <param name="Samples">Looks taken.</param>
/// <param name="Largest">The most at any look.</param>
/// <param name="ByteSeconds">Per model, memory held over time.</param>
public sealed record MemorySoFar(long Samples, Bytes Largest, ImmutableSortedDictionary<ModelId, double> ByteSeconds);

/// <summary>What the demo needs of the fleet it drives.</summary>
/// <param name="Gateway">Where requests go.</param>
/// <param name="Budget">The memory budget the fleet was given.</param>
/// <param name="Kept">What one replica of each model holds once it serves.</param>
/// <param name="Memory">Asked at the start and at the end of the run.</param>
/// <param name="Timeline">Fed by the fleet's ticks.</param>
public sealed record DemoFleet(
    Uri Gateway, Bytes Budget, ImmutableSortedDictionary<ModelId, Bytes> Kept, Func<MemorySoFar> Memory, FleetTimeline Timeline);

/// <summary>Drives a running fleet with the demo's traffic and draws up the verdict.</summary>
public sealed class DemoDrive(DemoArguments arguments, ImmutableArray<DemoModel> models, DemoFleet fleet, TimeProvider time)
{
    private const double GiB = 1024.0 * 1024 * 1024;

    private static readonly TimeSpan ProgressPeriod = TimeSpan.FromSeconds(10);

    /// <param name="traffic">What is sent.</param>
    /// <param name="setting">Sentences that describe the setting; part of the report.</param>
    /// <param name="progress">Called with a line every ten seconds; null for silence.</param>
    /// <param name="cancellationToken">Stops sending; the report is then of what was sent.</param>
    public async Task<DemoReport> RunAsync(
        DemoTraffic traffic, ImmutableArray<string> setting, Action<string>? progress, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(traffic);
        var slo = models.ToImmutableDictionary(model => model.Id, model => model.Slo.Latency);
        var recorder = new LoadRecorder(model => slo[model]);
        var options = new SendingOptions { Gateway = fleet.Gateway, Seed = arguments.Seed, Timeout = TimeSpan.FromMinutes(2) };
        using var generator = new LoadGenerator(options, models.ToDictionary(model => model.Id, _ => ModelInputs.TokenIds), time);
        var before = fleet.Memory();
        var start = time.GetTimestamp();
        fleet.Timeline.Begin(time.GetUtcNow());
        using var done = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var telling = TellAsync(progress, recorder, start, done.Token);
        var took = await generator.RunAsync(traffic.Schedule, recorder.Record, cancellationToken).ConfigureAwait(false);
        // The last request may be long before the end of the time asked for; memory is held until then.
        var rest = arguments.Duration - time.GetElapsedTime(start);
        if (rest > TimeSpan.Zero && !cancellationToken.IsCancellationRequested)
            await Task.Delay(rest, time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await done.CancelAsync().ConfigureAwait(false);
        await telling.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        var load = recorder.Report(fleet.Gateway.ToString(), arguments.Seed, took, null, []);
        return Report(load, setting, before, fleet.Memory(), time.GetElapsedTime(start));
    }

    private DemoReport Report(
        LoadReport load, ImmutableArray<string> setting, MemorySoFar before, MemorySoFar after, TimeSpan took) => new()
        {
            Policy = arguments.Policy,
            Seed = arguments.Seed,
            Setting = setting,
            Seconds = Math.Round(took.TotalSeconds, 1),
            BudgetBytes = fleet.Budget.Value,
            AllLoadedBytes = fleet.Kept.Values.Sum(bytes => bytes.Value),
            LargestBytes = after.Largest.Value,
            MemorySamples = after.Samples,
            Models = [.. models.Select(model => Result(model, load, before, after, took))],
            All = load.All,
            GeneratorLagMs = load.GeneratorLagMs,
        };

    private DemoModelResult Result(DemoModel model, LoadReport load, MemorySoFar before, MemorySoFar after, TimeSpan took)
    {
        var (loads, releases, cycles, crashes) = fleet.Timeline.Counts(model.Id);
        var held = after.ByteSeconds.GetValueOrDefault(model.Id) - before.ByteSeconds.GetValueOrDefault(model.Id);
        return new DemoModelResult
        {
            Model = model.Id.Value,
            WeightBytes = model.WeightBytes,
            SloMs = model.Slo.Latency.TotalMilliseconds,
            Load = load.Models.FirstOrDefault(one => one.Model == model.Id.Value) ?? ModelLoad.Nothing(model.Id.Value),
            ColdStarts = loads,
            Releases = releases,
            Cycles = cycles,
            Crashes = crashes,
            Replicas = Sparkline.Of(fleet.Timeline.Of(model.Id), took, DemoTable.SparklineWidth),
            ReplicaSeconds = Math.Round(fleet.Timeline.ReplicaTime(model.Id, arguments.Duration).TotalSeconds, 1),
            GibSeconds = Math.Round(held / GiB, 1),
            KeptGibSeconds = Math.Round(fleet.Kept.GetValueOrDefault(model.Id).Value / GiB * took.TotalSeconds, 1),
        };
    }

    private async Task TellAsync(Action<string>? progress, LoadRecorder recorder, long start, CancellationToken cancellationToken)
    {
        if (progress is null) return;
        using var timer = new PeriodicTimer(ProgressPeriod, time);
        while (await timer.WaitForNextTickAsync(cancellationToken).ConfigureAwait(false))
        {
            var at = time.GetElapsedTime(start);
            var states = models.Select(model => $"{model.Id} {State(fleet.Timeline.Of(model.Id))}");
            progress(string.Create(CultureInfo.InvariantCulture,
                $"{(int)at.TotalMinutes}:{at.Seconds:00}  {string.Join(", ", states)}; {recorder.Ended} requests ended"));
        }
    }

    private static string State(ImmutableArray<ReplicasAt> ticks) => ticks.IsEmpty ? "?" : ticks[^1] switch
    {
        { Ready: > 1 } last => last.Ready.ToString(CultureInfo.InvariantCulture) + " serve",
        { Ready: 1 } => "serves",
        { Loading: > 0 } => "loads",
        _ => "gone",
    };
}
