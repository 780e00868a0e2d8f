using System.Globalization;
using static Plimsoll.Local.Tests.Fleets.RunningFleet;

namespace Plimsoll.Local.Tests.Fleets;

/// <summary>The disk tier under a real fleet: fetched by step, used by real processes, evicted by step.</summary>
public sealed class FleetCacheTests : IDisposable
{
    private const int Size = 1_000_000;
    private readonly string _folder = NewFolder();

    private string Source => Path.Combine(_folder, "weights.bin");

    private string Cache => Path.Combine(_folder, "cache");

    public FleetCacheTests() => File.WriteAllBytes(Source, CacheFixture.Content(Size));

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task A_model_is_fetched_served_from_the_cache_and_evicted_only_once_nobody_uses_it()
    {
        await using var fleet = await OpenAsync(bandwidth: new BytesPerSecond(1_000_000));
        Assert.True((await fleet.ObserveAsync()).Can.HasFlag(Capabilities.PrefetchWeights | Capabilities.EvictWeights));
        await fleet.ApplyAsync(Start(1));
        Assert.Equal("m's artefact is not in the model cache yet", (await fleet.UntilOutcomeAsync<Outcome.StepFailed>()).Why);

        var applied = await fleet.ApplyAsync(Prefetch);
        Assert.Equal([Prefetch.Id], applied.Started);
        var seen = await fleet.UntilAsync(one => one.InFlight is [{ Done.Value: > 0, ExpectedEnd: not null }]);
        Assert.Equal((WorkKind.Fetching, Model, Size), (seen.InFlight[0].Kind, seen.InFlight[0].Model!.Value, seen.InFlight[0].Total!.Value.Value));
        Assert.True(seen.Cache is [{ Complete: false, Pinned: true }]);
        Assert.Empty((await fleet.ApplyAsync(Prefetch)).Started);
        var fetched = await fleet.UntilOutcomeAsync<Outcome.Fetched>();
        Assert.Equal((Model, "v1", Size), (fetched.Model, fetched.Version, fetched.Moved.Value));
        Assert.Empty((await fleet.ApplyAsync(Prefetch)).Started);

        await fleet.ApplyAsync(Start(2));
        await fleet.UntilStateAsync(2, ReplicaState.Ready);
        Assert.Contains($"model={Cache}/m@v1/weights.bin", CommandOf(fleet, 2), StringComparison.Ordinal);
        Assert.True(fleet.Last.Cache is [{ Complete: true, Pinned: true, Size.Value: Size }]);
        await fleet.ApplyAsync(Evict);
        await fleet.UntilAsync(_ => fleet.Outcomes.OfType<Outcome.StepFailed>().Any(one => one.Why == "m@v1 is in use by m-2"));
        Assert.True(File.Exists($"{Cache}/m@v1/weights.bin"));

        await fleet.ApplyAsync(Stop(2));
        await fleet.UntilAsync(one => one.Replicas.IsEmpty);
        Assert.False(fleet.Last.Cache.Single().Pinned);
        // A refused eviction is not tried again at once, and another fleet knows nothing of the refusal.
        await fleet.Fleet.DisposeAsync();
        await using var again = await OpenAsync();
        await again.ApplyAsync(Evict);
        await again.UntilAsync(one => one.Cache.IsEmpty && one.InFlight.IsEmpty);
        Assert.False(Directory.Exists($"{Cache}/m@v1"));
    }

    [Fact]
    public async Task A_controller_that_ends_keeps_the_partial_fetch_and_the_next_goes_on()
    {
        await using (var first = await OpenAsync(bandwidth: new BytesPerSecond(500_000)))
        {
            await first.ApplyAsync(Prefetch);
            await first.UntilAsync(one => one.InFlight is [{ Done.Value: > 300_000 }]);
        }

        await using var second = await OpenAsync();
        Assert.InRange(Assert.Single((await second.ObserveAsync()).Cache).Size.Value, 300_000, Size - 1);
        await second.ApplyAsync(Prefetch);
        Assert.InRange((await second.UntilOutcomeAsync<Outcome.Fetched>()).Moved.Value, 1, Size - 300_000);
        Assert.Equal(File.ReadAllBytes(Source), File.ReadAllBytes($"{Cache}/m@v1/weights.bin"));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("v2")]
    public async Task A_model_that_is_removed_or_has_another_version_is_fetched_no_further_and_what_came_is_kept(string? version)
    {
        var cached = Spec.Models[0] with { Cached = true };
        var models = Spec with { Models = [cached] };
        await using var fleet = await OpenAsync(bandwidth: new BytesPerSecond(100_000), spec: () => models);
        await fleet.ApplyAsync(Prefetch);
        await fleet.UntilAsync(one => one.InFlight is [{ Done.Value: > 100_000 }]);

        models = Spec with { Models = version is null ? [] : [cached with { Version = version }] };
        await fleet.UntilAsync(one => one.InFlight.IsEmpty);
        Assert.True(Assert.Single(fleet.Last.Cache) is { Complete: false, Pinned: false, Size.Value: > 100_000 and < Size });
        Assert.Empty(fleet.Outcomes.OfType<Outcome.StepFailed>());

        models = Spec with { Models = [cached] };
        Assert.Equal([Prefetch.Id], (await fleet.ApplyAsync(Prefetch)).Started);
        var seen = await fleet.UntilAsync(one => one.InFlight is [{ Done.Value: > 0 }]);
        Assert.True(seen.InFlight[0].Done > new Bytes(100_000));
    }

    [Fact]
    public async Task An_adopted_replica_keeps_its_copy_even_one_that_looks_damaged()
    {
        var first = await OpenAsync(node => node with { LeaveRunning = true });
        await first.ApplyAsync(Prefetch);
        await first.UntilOutcomeAsync<Outcome.Fetched>();
        await first.ApplyAsync(Start(1));
        await first.UntilStateAsync(1, ReplicaState.Ready);
        await first.Fleet.DisposeAsync();
        File.SetLastWriteTimeUtc($"{Cache}/m@v1/weights.bin", DateTime.UnixEpoch);

        await using var second = await OpenAsync();
        Assert.True((await second.ObserveAsync()).Cache is [{ Pinned: true, Complete: true }]);
        await second.ApplyAsync(Evict);
        await second.UntilAsync(_ => second.Outcomes.OfType<Outcome.StepFailed>().Any());
        Assert.True(File.Exists($"{Cache}/m@v1/weights.bin"));
    }

    [Fact]
    public async Task A_copy_that_somebody_removed_is_noticed_and_fetched_again()
    {
        await using var fleet = await OpenAsync();
        await fleet.ApplyAsync(Prefetch);
        await fleet.UntilOutcomeAsync<Outcome.Fetched>();
        Directory.Delete($"{Cache}/m@v1", recursive: true);

        await fleet.ApplyAsync(Start(1));

        Assert.Contains("it is fetched again", (await fleet.UntilOutcomeAsync<Outcome.StepFailed>()).Why, StringComparison.Ordinal);
        Assert.Empty(fleet.Last.Cache);
        await fleet.ApplyAsync(Prefetch);
        await fleet.UntilAsync(one => one.Cache is [{ Complete: true }]);
    }

    [Fact]
    public async Task A_fetch_that_fails_says_so_once_and_changes_nothing()
    {
        await using var fleet = await OpenAsync();
        File.Delete(Source);

        await fleet.ApplyAsync(Prefetch);

        var failed = await fleet.UntilOutcomeAsync<Outcome.StepFailed>();
        Assert.Equal((Prefetch.Id, Model, $"{Source}: there is no such file or folder"), (failed.Step, failed.Model!.Value, failed.Why));
        Assert.Empty(fleet.Last.InFlight);
    }

    [Fact]
    public async Task A_cache_in_use_stops_a_fleet_that_starts_but_none_that_runs()
    {
        var first = await OpenAsync(node => node with { LeaveRunning = true });
        await first.ApplyAsync(Prefetch);
        await first.UntilOutcomeAsync<Outcome.Fetched>();
        await first.ApplyAsync(Start(1));
        await first.UntilStateAsync(1, ReplicaState.Ready);
        await first.Fleet.DisposeAsync();
        var intruder = new FileStream($"{Cache}/.lock", FileMode.Open, FileAccess.ReadWrite, FileShare.None);

        var refused = await Assert.ThrowsAsync<LocalFleetException>(() => OpenAsync(state: Path.Combine(_folder, "other")));
        Assert.Contains("another controller may use it, give this fleet its own", refused.Message, StringComparison.Ordinal);

        await using var second = await OpenAsync();
        await second.UntilStateAsync(1, ReplicaState.Ready);
        Assert.False(second.Last.Can.HasFlag(Capabilities.PrefetchWeights));
        Assert.Equal(Bytes.MiB(8), second.Last.Nodes[0].CacheBudget);
        await intruder.DisposeAsync();
        await second.UntilAsync(one => one.Can.HasFlag(Capabilities.PrefetchWeights) && one.Cache is [{ Pinned: true }]);
    }

    [Fact]
    public async Task A_full_disk_under_the_cache_stops_nothing_that_runs()
    {
        using var disk = SmallDisk.Mount(Bytes.MiB(4));
        var spec = Spec with { Models = [Spec.Models[0] with { Cached = true }] };
        await using var fleet = await OpenAsync(node => node with { CacheFolder = disk.Folder }, spec: () => spec);
        await fleet.ApplyAsync(Prefetch);
        await fleet.UntilOutcomeAsync<Outcome.Fetched>();
        await fleet.ApplyAsync(Start(1));
        await fleet.UntilStateAsync(1, ReplicaState.Ready);
        SmallDisk.Fill(Path.Combine(disk.Folder, "junk"));

        // The next version is what the model is to have, or its fetch may be ended before it comes to the full disk.
        spec = Spec with { Models = [Spec.Models[0] with { Cached = true, Version = "v2" }] };
        await fleet.ApplyAsync(new Step.Prefetch(Model, "v2", LocalFleet.Node, new Bytes(Size)) { Reason = Prefetch.Reason });

        var failed = await fleet.UntilOutcomeAsync<Outcome.StepFailed>();
        Assert.Contains(disk.Folder, failed.Why, StringComparison.Ordinal);
        Assert.True(fleet.Last.Nodes[0].CacheFileSystemFree.TryGetKnown(out var free));
        Assert.Equal(Bytes.Zero, free);
        await fleet.ApplyAsync(Start(2));
        await fleet.UntilStateAsync(2, ReplicaState.Ready);
        Assert.Equal(2, fleet.Last.Replicas.Count(one => one.State == ReplicaState.Ready));
    }

    private static Step.Prefetch Prefetch { get; } =
        new(Model, "v1", LocalFleet.Node, new Bytes(Size)) { Reason = new Reason(Rule.PrefetchForStart, []) };

    private static Step.Evict Evict { get; } =
        new(Model, "v1", LocalFleet.Node, new Bytes(Size)) { Reason = new Reason(Rule.EvictForRoom, []) };

    private Task<RunningFleet> OpenAsync(
        Func<LocalNodeOptions, LocalNodeOptions>? node = null, BytesPerSecond? bandwidth = null, string? state = null, Func<FleetSpec>? spec = null)
    {
        var options = new LocalNodeOptions
        {
            MemoryBudget = Bytes.GiB(2),
            StopGrace = TimeSpan.FromSeconds(2),
            CacheFolder = Cache,
            CacheBudget = Bytes.MiB(8),
            FetchBandwidth = bandwidth,
        };
        return RunningFleet.OpenAsync(null, node?.Invoke(options) ?? options, state ?? _folder, change: parts => parts with
        {
            Launch = (_, _) => new LaunchSpec { Command = [Host, "serve", "{port}", "model={model}"] },
            Fetch = _ => new FetchSpec { Source = Source },
            Spec = spec ?? (() => Spec with { Models = [Spec.Models[0] with { Cached = true }] }),
        });
    }

    private static string CommandOf(RunningFleet fleet, int ordinal) => File.ReadAllText(string.Create(
        CultureInfo.InvariantCulture, $"/proc/{fleet.Record(ordinal).Process!.Pid}/cmdline"));
}
