using System.Collections.Immutable;
using Microsoft.Extensions.Logging.Abstractions;
using Plimsoll.Control;
using Plimsoll.Gateway;
using Plimsoll.Local.Processes;

namespace Plimsoll.Local.Tests.Fleets;

/// <summary>
/// A local fleet in a folder of its own, with the gateway's side played by the test: what was published, and how many
/// requests are in each replica. At its end no process of the fleet may be left.
/// </summary>
internal sealed class RunningFleet : IAsyncDisposable
{
    public static readonly ModelId Model = ModelId.Of("m");
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private readonly bool _ownsFolder;

    private RunningFleet(string folder, bool ownsFolder) => (Folder, _ownsFolder) = (folder, ownsFolder);

    public string Folder { get; }

    public LocalFleet Fleet { get; private set; } = null!;

    public RouteTable Routes { get; private set; } = RouteTable.Empty;

    public Dictionary<ReplicaId, int> Outstanding { get; } = [];

    public List<Outcome> Outcomes { get; } = [];

    public FleetSnapshot Last { get; private set; } = null!;

    /// <summary>The small server's executable.</summary>
    public static string Host { get; } = Path.Combine(AppContext.BaseDirectory, "Plimsoll.Local.TestHost");

    public static LaunchSpec Server(params string[] options) =>
        new() { Command = [Host, "serve", "{port}", .. options], MetricsPath = "/metrics" };

    public static LaunchSpec Shell(string script) => new() { Command = ["sh", "-c", script, "{port}"] };

    public static async Task<RunningFleet> OpenAsync(
        LaunchSpec? launch, LocalNodeOptions? node = null, string? folder = null, string name = "fleet",
        Func<LocalFleetParts, LocalFleetParts>? change = null)
    {
        var running = new RunningFleet(folder ?? NewFolder(), folder is null);
        var parts = new LocalFleetParts
        {
            Name = name,
            StateFolder = running.Folder,
            Node = node ?? new LocalNodeOptions { MemoryBudget = Bytes.GiB(2), StopGrace = TimeSpan.FromSeconds(2) },
            Launch = (_, _) => launch is null ? null : launch with { ModelPath = launch.ModelPath ?? running.Folder },
            Spec = () => Spec,
            Routing = new Routing(
                routes => running.Routes = routes, _ => [], id => running.Outstanding.GetValueOrDefault(id),
                end => Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, end)),
            Log = NullLogger.Instance,
        };
        running.Fleet = await LocalFleet.OpenAsync(change?.Invoke(parts) ?? parts, Cancel);
        return running;
    }

    public static string NewFolder() => Directory.CreateTempSubdirectory("plimsoll-test-").FullName;

    public static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public static FleetSpec Spec { get; } = new()
    {
        Models =
        [
            new ModelSpec
            {
                Id = Model,
                Version = "v1",
                Source = "here",
                Footprint = new Footprint
                {
                    Format = ArtifactFormat.Onnx,
                    Source = FootprintSource.Declared,
                    Digest = "d",
                    OnDisk = Bytes.MiB(10),
                    Weights = Bytes.MiB(9),
                },
                Slo = new Slo(TimeSpan.FromSeconds(1), 0.99),
                Variants = [new VariantSpec { Id = VariantId.Of("cpu"), Engine = "any", Needs = Needs, Concurrency = 3 }],
            },
        ],
    };

    public static ReplicaNeeds Needs => new()
    {
        Host = new MemoryNeed(Bytes.MiB(200), Bytes.MiB(100)),
        Cores = Cores.Of(1),
        Disk = Bytes.Zero,
    };

    private static Reason Why => new(Rule.StartForMinimum, []);

    public static ReplicaId Replica(int ordinal) => ReplicaId.Of(Model, ordinal);

    public static Step Start(int ordinal) => new Step.Start(
        Replica(ordinal), Model, "v1", VariantId.Of("cpu"), new Placement(LocalFleet.Node, []), Needs, TimeSpan.FromSeconds(5))
    { Reason = Why };

    public static Step Drain(int ordinal) => new Step.Drain(Replica(ordinal), Model, TimeSpan.FromSeconds(30)) { Reason = Why };

    public static Step Stop(int ordinal) => new Step.Stop(Replica(ordinal), Model) { Reason = Why };

    public static Step Sleep(int ordinal) => new Step.Sleep(Replica(ordinal), Model) { Reason = Why };

    public static Step Wake(int ordinal) => new Step.Wake(Replica(ordinal), Model) { Reason = Why };

    public ValueTask<ApplyResult> ApplyAsync(params Step[] steps) =>
        Fleet.ApplyAsync(new Plan(new InputHashes("", "", ""), [.. steps], [], Knowledge.Empty), Cancel);

    public async Task<FleetSnapshot> ObserveAsync()
    {
        Last = await Fleet.ObserveAsync(Cancel);
        Outcomes.AddRange(Last.Outcomes);
        return Last;
    }

    /// <summary>Observes until something holds; fails with what was seen last when it never does.</summary>
    public async Task<FleetSnapshot> UntilAsync(Func<FleetSnapshot, bool> holds)
    {
        var since = TimeProvider.System.GetTimestamp();
        while (!holds(await ObserveAsync()))
        {
            Assert.True(TimeProvider.System.GetElapsedTime(since) < Patience,
                $"it never came to that; replicas {string.Join(", ", Last.Replicas.Select(one => $"{one.Id} {one.State}"))}; "
                + $"outcomes {string.Join(" | ", Outcomes)}");
            await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, Cancel);
        }

        return Last;
    }

    public Task<FleetSnapshot> UntilStateAsync(int ordinal, ReplicaState state) =>
        UntilAsync(seen => seen.Replicas.Any(one => one.Id == Replica(ordinal) && one.State == state));

    public async Task<T> UntilOutcomeAsync<T>() where T : Outcome
    {
        await UntilAsync(_ => Outcomes.OfType<T>().Any());
        return Outcomes.OfType<T>().First();
    }

    public ReplicaRoute? Route(int ordinal) =>
        Routes.Models.Single().Replicas.SingleOrDefault(route => route.Replica == Replica(ordinal));

    public ReplicaRecord Record(int ordinal) =>
        RecordFolder.OfReplicas(Path.Combine(Folder, "replicas")).ReadAll().Records.Single(one => one.Replica == Replica(ordinal));

    /// <summary>Processes that this fleet started, whatever became of their parents.</summary>
    public static ImmutableArray<int> ProcessesOf(string folder) =>
        [.. ProcessTable.Read().Pids.Where(pid =>
            ProcessIdentity.EnvironmentOf(pid, LocalFleet.FleetVariable)?.EndsWith("@" + folder, StringComparison.Ordinal) == true)];

    public async ValueTask DisposeAsync()
    {
        await Fleet.DisposeAsync();
        if (!_ownsFolder) return;
        var left = ProcessesOf(Folder);
        Directory.Delete(Folder, recursive: true);
        Assert.Empty(left);
    }
}
