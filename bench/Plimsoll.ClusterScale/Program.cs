using System.Collections.Concurrent;
using System.Globalization;
using System.Runtime.InteropServices;
using k8s;
using Plimsoll.ClusterScale;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Resources;
using Plimsoll.Kubernetes.Tests.ControlPlane;

// A real API server with thousands of nodes, models and pods, and the operator as a process before it:
//   Plimsoll.ClusterScale --operator artifacts/bin/Plimsoll.Cli/release/Plimsoll.Cli [--nodes N] [--models N] [--pods N] [--seconds N] [--operator-cores LIST]
// With --operator-cores 1, and the whole under taskset -c 0, the operator has a core and the rest another, as it would beside a control plane elsewhere.
ResourceJson.Prepare();
var time = TimeProvider.System;
var (nodes, models, pods, seconds) = (Value("--nodes", 5000), Value("--models", 2000), Value("--pods", 20_000), Value("--seconds", 90));
var program = Array.IndexOf(args, "--operator") is var at and >= 0 ? args[at + 1] : "artifacts/bin/Plimsoll.Cli/release/Plimsoll.Cli";
using var end = new CancellationTokenSource();
var cancel = end.Token;
const int Port = 9464;

await using var plane = await KubernetesControlPlane.StartAsync(new ControlPlaneOptions
{
    Controllers = false,
    CustomResources = false,
    ApiServer = ["--max-requests-inflight=2000", "--max-mutating-requests-inflight=1000"],
});
foreach (var resource in Manifest.Resources) await CustomResources.InstallAsync(plane.Client, Manifest.Write(resource));
await plane.Client.CoreV1.CreateNamespaceAsync(new() { Metadata = new() { Name = "plimsoll-system" } }, cancellationToken: cancel);
await using var servers = new BulkServers(Port);
await using var cluster = new BulkCluster(plane, servers, Port);
var start = time.GetTimestamp();
await cluster.CreateAsync(nodes, models, pods, "act", cancel);
Say($"{RuntimeInformation.FrameworkDescription}; {nodes} nodes, {models} models, {pods} pods written in {time.GetElapsedTime(start).TotalSeconds:0} s; {servers.Addresses} addresses answer for the pods");

// Deployments change by the operator alone; whoever wrote them is followed here as a controller would.
var workloads = new WatchedList<WorkloadView>(cluster.Api, "apis/apps/v1/deployments", item => WorkloadView.Of(item, "apps/v1", "Deployment"), () => { }, time);
var watching = Task.Run(() => workloads.RunAsync(cancel));
var following = Task.Run(FollowAsync);

start = time.GetTimestamp();
using var watched = await OperatorProcess.StartAsync(program, plane.Kubeconfig, Array.IndexOf(args, "--operator-cores") is var cores and >= 0 ? args[cores + 1] : null, cancel);
Say($"operator ready after {time.GetElapsedTime(start).TotalSeconds:0.0} s");
start = time.GetTimestamp();
var listed = await watched.ReadAsync(cancel);
await watched.UntilAsync(reading => reading.Writes >= models, cancel);
Say($"{models} statuses written after {time.GetElapsedTime(start).TotalSeconds:0} s more");
await PhaseAsync("just started", TimeSpan.FromSeconds(20), null);
start = time.GetTimestamp();
await watched.SettledAsync(cancel);
Say($"no status or pod written in 10 s after {time.GetElapsedTime(start).TotalSeconds:0} s more");
await PhaseAsync("at rest", TimeSpan.FromSeconds(seconds), null);
var rate = new ConcurrentDictionary<string, double>(StringComparer.Ordinal);
servers.Rate = path => rate.GetValueOrDefault(path);
var random = new Random(1);
// A pod that lives five hours and a half, of twenty thousand, is one a second; the rush is ten times that.
foreach (var (name, times) in new[] { ("ordinary change", 1), ("a rush", 10) })
{
    await PhaseAsync(name, TimeSpan.FromSeconds(seconds), async () =>
    {
        // One model in five hundred gets or loses demand, and one pod ends and comes back, each second; so many times over.
        for (var i = 0; i < Math.Max(1, models * times / 500); i++) rate[BulkCluster.Path(random.Next(models))] = random.Next(3) == 0 ? 0 : 0.5 + random.NextDouble();
        var ended = Enumerable.Range(0, times).Select(_ => random.Next(models)).ToArray();
        await Parallel.ForEachAsync(ended, cancel, async (model, _) => await cluster.ReplaceAsync(model, cancel));
    });
}

var last = await watched.ReadAsync(cancel);
Say($"memory of the operator: {last.Resident >> 20} MiB now, {last.ResidentMost >> 20} MiB at the most");
Say($"turns: {last.Turns}, longest {last.LongestSeconds:0.00} s; scrapes answered {servers.Answers}, at most {servers.OpenMax} connections at a time");
Say("lists after the start: " + string.Join(", ", last.Since(listed).Where(one => one.Key.StartsWith("LIST", StringComparison.Ordinal) && one.Value > 0).Select(one => $"{one.Key} {one.Value}").DefaultIfEmpty("none")));
await end.CancelAsync();
await Task.WhenAll(watching, following).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
return 0;

async Task PhaseAsync(string name, TimeSpan length, Func<Task>? churn)
{
    var before = await watched.ReadAsync(cancel);
    var began = time.GetTimestamp();
    while (time.GetElapsedTime(began) < length)
    {
        if (churn is not null) await churn();
        await Task.Delay(TimeSpan.FromSeconds(1), time, cancel);
    }

    var after = await watched.ReadAsync(cancel);
    var turns = after.Turns - before.Turns;
    Say($"{name}, {length.TotalSeconds:0} s: {turns} turns, p50 {after.Quantile(before, 0.5)}, p99 {after.Quantile(before, 0.99)}, {(after.Writes - before.Writes) / (double)Math.Max(1, turns):0.0} writes a turn");
    foreach (var (what, count) in after.Since(before).Where(one => one.Value > 0).OrderByDescending(one => one.Value))
        Say($"    {what,-40} {count,7}  {count / length.TotalSeconds,8:0.00} a second");
}

async Task FollowAsync()
{
    while (!cancel.IsCancellationRequested)
    {
        var changed = workloads.Items.Values.Select(one => (Model: int.Parse(one.Name.Name[1..], CultureInfo.InvariantCulture), one.Replicas))
            .Where(one => cluster.Pods(one.Model) != one.Replicas).Take(200).ToArray();
        await Parallel.ForEachAsync(changed, cancel, async (one, token) => await cluster.ScaleAsync(one.Model, one.Replicas, token));
        await Task.Delay(TimeSpan.FromMilliseconds(500), time, cancel);
    }
}

int Value(string name, int otherwise) => Array.IndexOf(args, name) is var here and >= 0 ? int.Parse(args[here + 1], CultureInfo.InvariantCulture) : otherwise;

static void Say(string line) => Console.WriteLine(line);
