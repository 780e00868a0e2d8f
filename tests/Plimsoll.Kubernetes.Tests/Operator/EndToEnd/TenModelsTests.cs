using System.Diagnostics;
using System.Globalization;
using k8s;
using Plimsoll.Kubernetes.Resources;
using Plimsoll.Kubernetes.Tests.ControlPlane;
using Plimsoll.Kubernetes.Tests.Operator.Faults;
using Plimsoll.Local;

namespace Plimsoll.Kubernetes.Tests.Operator.EndToEnd;

/// <summary>
/// Ten models of 0.1 to 140 GB on eight nodes of two kinds, users who come and go, and the command <c>plimsoll operator</c> in
/// act mode. The traffic is made by hand: for each model the same hills and valleys, one after the other.
/// </summary>
[Collection(nameof(Alone))]
public sealed class TenModelsTests
{
    private const int AtOnce = 4;
    private const double Objective = 0.85;
    private static readonly TimeSpan Service = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan Latency = TimeSpan.FromSeconds(8);
    private static readonly TimeSpan Length = TimeSpan.FromSeconds(136);

    // From light to heavy. Those on L4 are up to six times three on twenty devices: just enough. With sixteen the one that came last was starved.
    private static readonly (string Name, LlamaShape Shape, int Gpus, bool H100)[] Models =
    [
        ("m0-100m", new(12, 512, 1376, 8, 8, 16_000), 1, false),
        ("m1-300m", new(12, 1024, 2816, 16, 16, 16_000), 1, false),
        ("m2-1b", new(16, 1536, 4096, 16, 16, 32_000), 1, false),
        ("m3-2b", new(22, 2048, 5632, 32, 4, 32_000), 1, false),
        ("m4-6b", new(26, 3200, 8640, 32, 32, 32_000), 1, false),
        ("m5-13b", new(32, 4096, 11_008, 32, 32, 32_000), 1, false),
        ("m6-16b", new(32, 4096, 14_336, 32, 8, 128_256), 1, true),
        ("m7-26b", new(40, 5120, 13_824, 40, 40, 32_000), 1, true),
        ("m8-65b", new(64, 5120, 27_648, 40, 8, 152_064), 2, true),
        ("m9-140b", new(80, 8192, 28_672, 64, 8, 128_256), 4, true),
    ];

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Ten_models_on_eight_nodes_are_served_as_was_asked_and_everything_is_explained_and_can_be_derived_again()
    {
        ControlPlaneBinaries.FolderOrSkip();
        using var audit = new AuditLog();
        await using var hub = await ModelHub.StartAsync(Models.Select(model => (model.Name, model.Shape)));
        Assert.InRange(hub.WeightsOf("m0-100m"), 90_000_000, 130_000_000);
        Assert.InRange(hub.WeightsOf("m9-140b"), 138_000_000_000, 144_000_000_000);
        await using var cluster = await OperatedCluster.StartAsync(
            // Twenty gigabytes a second: seven seconds for the heaviest, next to nothing for the lightest.
            KubeletBehaviour.Loading(TimeSpan.FromMilliseconds(300), pod => hub.WeightsOf(pod.Metadata.Labels["app"]), 20e9),
            _ => Service + TimeSpan.FromSeconds(1), new ControlPlaneOptions { ApiServer = [.. audit.Arguments] });
        cluster.Serve = pod => new QueueingServer(pod.Metadata.Labels["app"], AtOnce, Service).ServeAsync;
        // Users do not stop while a replica drains here, so that it would be waited for until the deadline.
        await cluster.QuickFleetAsync(planner: "\"drainDeadline\":\"1s\",");
        for (var i = 0; i < 4; i++)
        {
            await cluster.Nodes.CreateAsync($"h100-{i}", gpus: 8);
            await cluster.Nodes.CreateAsync($"l4-{i}", gpus: 5, product: "NVIDIA-L4", gpuMemoryMiB: 23_034, memory: "256Gi");
        }

        foreach (var (name, _, gpus, h100) in Models) await ServeAsync(cluster, name, gpus, h100);
        foreach (var (name, _, _, _) in Models) await cluster.ReadyAsync(name, 1);
        var folder = Directory.CreateTempSubdirectory("plimsoll-journal-").FullName;
        using var traffic = new Traffic(cluster.Client, OperatedCluster.Space, Latency);
        try
        {
            await using (var operating = OperatorProcess.Start(cluster.Plane, OperatedCluster.Space, hub.Environment, "--journal", folder))
            {
                foreach (var (name, _, _, _) in Models)
                    await Patience.UntilAsync($"{name} is planned for", async cancel => (await cluster.StatusAsync(name, cancel))?.DesiredReplicas >= 1, yes => yes, _ => operating.LogEnd());
                await traffic.RunAsync(Models.Select(model => model.Name), Rate, Length, Cancel);
                Print(traffic, audit, operating);
                Attained(traffic);
                Assert.DoesNotContain(traffic.Unschedulable, pod => pod.Value > TimeSpan.FromSeconds(3));
                Steadier(audit);
                await ExplainedAsync(cluster, folder);
                await operating.SignalAsync("TERM");
                await Patience.UntilAsync("it ends", _ => Task.FromResult(operating.HasExited));
            }

            await SamePlansAsync(folder);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    // One a second, and four and a half on the hills: twenty seconds of each fifty-four. A model is a second behind the one
    // before it. A valley is longer than a light model looks back (ten seconds) and holds (fourteen), and shorter than a heavy one does.
    private static double Rate(string model, TimeSpan after)
    {
        var phase = after.TotalSeconds - 8 - (model[1] - '0');
        return phase > 0 && phase % 54 < 20 ? 4.5 : 1;
    }

    /// <summary>
    /// All requests together meet the objective as was asked, and no model is left behind. One replica alone carries two a
    /// second: over a hill and a valley 2.3 arrive on the average, so that it would fall further and further behind, and from
    /// the second hill on nothing would be in time.
    /// </summary>
    private static void Attained(Traffic traffic)
    {
        var all = Models.Select(model => traffic.Of(model.Name)).ToArray();
        Assert.True(all.Sum(one => one.Within) >= Objective * all.Sum(one => one.Sent), "fewer than asked were in time");
        Assert.All(all, one => Assert.True(one.Attainment > 0.6, $"{one}"));
        Assert.All(all, one => Assert.Equal(0, one.Failed));
    }

    // The same hills for all: a light model may follow each, a heavy one looks further ahead and holds for longer. Three against three: one
    // of the light may have been late to a hill on a busy machine, and have held through the valley.
    private static void Steadier(AuditLog audit)
    {
        var events = Models.Select(model => audit.Scales().Count(entry => entry.Name == model.Name)).ToArray();
        Assert.True(events[..3].Sum() > events[^3..].Sum() && events[..3].Max() > events[^3..].Max(), $"scale events from light to heavy: {string.Join(", ", events)}");
        Assert.All(events, count => Assert.True(count > 0));
    }

    // What status says is what was last planned, and what a plan said that was carried out.
    private static async Task ExplainedAsync(OperatedCluster cluster, string folder)
    {
        foreach (var (name, _, gpus, _) in Models)
        {
            var status = (await cluster.StatusAsync(name, Cancel))!;
            Assert.Equal("act", status.Mode);
            Assert.Equal("True", OperatedCluster.Condition(status, ConditionTypes.Ready)?.Status);
            Assert.Equal("True", OperatedCluster.Condition(status, ConditionTypes.Fits)?.Status);
            Assert.Equal("True", OperatedCluster.Condition(status, ConditionTypes.MetricsSeen)?.Status);
            Assert.Equal(gpus.ToString(CultureInfo.InvariantCulture), status.RecommendedRequests!["nvidia.com/gpu"]);
            using var journal = JournalReader.Open(Journal.PathIn(folder));
            var (first, last) = journal.Range()!.Value;
            Assert.Contains(journal.Ticks(first, last), tick => tick.Plan.Models.Any(verdict =>
                verdict.Model.Value.EndsWith("/" + name, StringComparison.Ordinal) && verdict.Reason.ToString() == status.Reason));
        }
    }

    private static async Task SamePlansAsync(string folder)
    {
        using var replay = Process.Start(new ProcessStartInfo(OperatorProcess.Program, ["replay", "--state", folder]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var (said, wrong) = (replay.StandardOutput.ReadToEndAsync(Cancel), replay.StandardError.ReadToEndAsync(Cancel));
        await replay.WaitForExitAsync(Cancel);
        TestContext.Current.TestOutputHelper?.WriteLine(await said);
        Assert.True(replay.ExitCode == 0, await said + await wrong);
        Assert.Contains("all the same, byte for byte", await said, StringComparison.Ordinal);
    }

    private static async Task ServeAsync(OperatedCluster cluster, string name, int gpus, bool h100)
    {
        var deployment = Workloads.Deployment(
            name, 1, gpus, h100 ? "64Gi" : "24Gi", "--model", $"org/{name}", "--tensor-parallel-size", gpus.ToString(CultureInfo.InvariantCulture),
            "--max-num-seqs", AtOnce.ToString(CultureInfo.InvariantCulture), "--max-model-len", "2048");
        var pod = deployment.Spec.Template.Spec;
        pod.Containers[0].Image = "vllm/vllm-openai:v0.19.0";
        pod.NodeSelector = new Dictionary<string, string> { ["nvidia.com/gpu.product"] = h100 ? "NVIDIA-H100-80GB-HBM3" : "NVIDIA-L4" };
        await cluster.Client.AppsV1.CreateNamespacedDeploymentAsync(deployment, OperatedCluster.Space, cancellationToken: Cancel);
        await cluster.ModelAsync(name, string.Create(CultureInfo.InvariantCulture,
            $"\"mode\":\"act\",\"maxReplicas\":3,\"slo\":{{\"latency\":\"{Latency.TotalSeconds}s\",\"attainment\":{Objective}}}"));
    }

    private static void Print(Traffic traffic, AuditLog audit, ServerChild operating)
    {
        var output = TestContext.Current.TestOutputHelper;
        foreach (var (name, _, _, _) in Models)
        {
            var fared = traffic.Of(name);
            output?.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{name,-8} {fared.Sent,4} sent, {fared.Attainment:0.000} in time, {fared.Failed} failed; replicas 1 {string.Join(' ', audit.Scales().Where(entry => entry.Name == name).Select(entry => entry.Replicas))}"));
        }

        foreach (var (pod, waited) in traffic.Unschedulable) output?.WriteLine($"{pod} found no place for {waited}");
        output?.WriteLine(operating.LogEnd(60));
    }
}
