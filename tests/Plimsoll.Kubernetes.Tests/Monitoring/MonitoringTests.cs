using System.Diagnostics;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using k8s;
using Plimsoll.Control;
using Plimsoll.Kubernetes.Body;
using Plimsoll.Kubernetes.Bridges;
using Plimsoll.Kubernetes.Operator;
using Plimsoll.Kubernetes.Resources;
using Plimsoll.Kubernetes.Tests.Operator;

namespace Plimsoll.Kubernetes.Tests.Monitoring;

/// <summary>What deploy/monitoring shows and warns of, against what the operator tells.</summary>
public sealed partial class MonitoringTests
{
    private static readonly DateTimeOffset At = new(2026, 11, 26, 9, 0, 0, TimeSpan.Zero);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Every_metric_of_the_alerts_and_the_dashboard_is_one_that_the_operator_tells()
    {
        var told = (await ToldAsync(leads: true)).Split('\n').Where(line => line.StartsWith("# TYPE ", StringComparison.Ordinal))
            .Select(line => line.Split(' ')[2]).ToHashSet(StringComparer.Ordinal);
        foreach (var file in (string[])["monitoring/prometheusrule.yaml", "monitoring/dashboard.json"])
        {
            var asked = Name().Matches(await File.ReadAllTextAsync(ShippedRole.PathOf(file), Cancel)).Select(match => match.Value).ToHashSet(StringComparer.Ordinal);
            Assert.True(asked.Count > 8, $"{file} asks for {string.Join(' ', asked)}");
            Assert.DoesNotContain(asked, name => !told.Contains(name) && !(name.EndsWith("_bucket", StringComparison.Ordinal) && told.Contains(name[..^7])));
        }
    }

    [Fact]
    public async Task A_turn_is_told_in_numbers_and_an_operator_that_stands_by_tells_nothing_of_models()
    {
        var told = await ToldAsync(leads: true);
        foreach (var line in (string[])
        [
            "plimsoll_operator_leads 1",
            "plimsoll_operator_turn_seconds_count 1",
            """plimsoll_steps_started_total{kind="Drain"} 1""",
            """plimsoll_apiserver_requests_total{verb="PATCH",code="200"} 7""",
            """plimsoll_model_replicas{namespace="prod",scaledmodel="llama",state="Ready"} 2""",
            """plimsoll_model_weight_bytes{namespace="prod",scaledmodel="llama"} 1073741824""",
            """plimsoll_model_demand_per_second{namespace="prod",scaledmodel="llama"} 4""",
            """plimsoll_model_load_seconds{namespace="prod",scaledmodel="llama"} 90""",
            """plimsoll_model_slo_attainment_target_ratio{namespace="prod",scaledmodel="llama"} 0.99""",
            """plimsoll_model_condition{namespace="prod",scaledmodel="llama",condition="Fits",reason="UnsafeNode"} 0""",
            """plimsoll_model_requests_completed_total{namespace="prod",scaledmodel="llama"} 10""",
            """plimsoll_model_requests_within_slo_total{namespace="prod",scaledmodel="llama"} 9""",
        ])
            Assert.Contains(line, told.Split('\n'));
        // Nobody forecast anything, and that is no zero.
        Assert.DoesNotContain("plimsoll_model_forecast_per_second{", told, StringComparison.Ordinal);

        told = await ToldAsync(leads: false);
        Assert.Contains("plimsoll_operator_leads 0", told, StringComparison.Ordinal);
        foreach (var gauge in (string[])["replicas", "weight_bytes", "demand_per_second", "load_seconds", "condition"])
            Assert.DoesNotContain($"plimsoll_model_{gauge}{{", told, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_alerts_fire_when_they_should_by_promtool()
    {
        var program = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
            .Select(folder => Path.Combine(folder, "promtool")).FirstOrDefault(File.Exists);
        if (program is null)
        {
            const string missing = "promtool is not installed (Debian: apt-get install prometheus)";
            if (Environment.GetEnvironmentVariable("CI") == "true") Assert.Fail(missing);
            Assert.Skip(missing);
        }

        var folder = Directory.CreateTempSubdirectory("plimsoll-alerts-");
        try
        {
            var rule = KubernetesYaml.Deserialize<Dictionary<string, object>>(await File.ReadAllTextAsync(ShippedRole.PathOf("monitoring/prometheusrule.yaml"), Cancel));
            await File.WriteAllTextAsync(Path.Combine(folder.FullName, "rules.yaml"), KubernetesYaml.Serialize(rule["spec"]), Cancel);
            File.Copy(Path.Combine(AppContext.BaseDirectory, "Monitoring", "alerts.test.yaml"), Path.Combine(folder.FullName, "alerts.test.yaml"));
            using var run = Process.Start(new ProcessStartInfo(program, ["test", "rules", "alerts.test.yaml"])
            {
                WorkingDirectory = folder.FullName,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            })!;
            var (said, wrong) = (run.StandardOutput.ReadToEndAsync(Cancel), run.StandardError.ReadToEndAsync(Cancel));
            await run.WaitForExitAsync(Cancel);
            Assert.True(run.ExitCode == 0, await said + await wrong);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public void The_dashboard_is_one_and_its_panels_lie_beside_each_other()
    {
        var dashboard = JsonNode.Parse(File.ReadAllText(ShippedRole.PathOf("monitoring/dashboard.json")))!;
        var panels = dashboard["panels"]!.AsArray().Select(panel => panel!).ToArray();
        Assert.Equal(panels.Length, panels.Select(panel => (int)panel["id"]!).Distinct().Count());
        var taken = new HashSet<(int X, int Y)>();
        foreach (var place in panels.Select(panel => panel["gridPos"]!))
        {
            for (var x = (int)place["x"]!; x < (int)place["x"]! + (int)place["w"]!; x++)
                for (var y = (int)place["y"]!; y < (int)place["y"]! + (int)place["h"]!; y++) Assert.True(x < 24 && taken.Add((x, y)), place.ToJsonString());
        }
    }

    [GeneratedRegex("plimsoll_[a-z_]+")]
    private static partial Regex Name();

    private static async Task<string> ToldAsync(bool leads)
    {
        var telemetry = new OperatorTelemetry();
        var scales = new DesiredScales(TimeProvider.System);
        scales.Publish([]);
        _ = new OperatorMetrics(scales, TimeProvider.System, telemetry.Registry);
        var model = new ModelId("prod/llama");
        var footprint = Footprint.Declared(Bytes.GiB(1), "weights");
        var needs = EngineProfile.Named("vllm").Needs(footprint, 0, new Cores(1000), cached: false);
        InferenceReplica Replica(string id) => new()
        {
            Id = new ReplicaId(id),
            Model = model,
            Version = "1",
            Variant = new VariantId("cpu"),
            Placement = new Placement(new NodeId("node"), []),
            State = ReplicaState.Ready,
            StateSince = At,
            StartedAt = At,
            Reserved = needs,
        };
        var drain = new Step.Drain(new ReplicaId("a"), model, TimeSpan.FromSeconds(30)) { Reason = new Reason(Rule.HoldUnplaced, []) };
        var spec = new FleetSpec
        {
            Models =
            [
                new ModelSpec
                {
                    Id = model,
                    Source = "stated",
                    Version = "1",
                    Footprint = footprint,
                    Slo = new Slo(TimeSpan.FromSeconds(2), 0.99),
                    MaxReplicas = 3,
                    Variants = [new VariantSpec { Id = new VariantId("cpu"), Engine = "vllm", Needs = needs }],
                },
            ],
        };
        var snapshot = new FleetSnapshot
        {
            At = At,
            Can = Capabilities.None,
            Nodes = [],
            Replicas = [Replica("a"), Replica("b")],
            Traffic = [new ModelTraffic { Model = model, From = At - TimeSpan.FromSeconds(5), To = At, Arrivals = 20, Completed = 10, WithinSlo = 9 }],
        };
        var verdict = new ModelVerdict
        {
            Model = model,
            Wanted = 1,
            Serving = 2,
            DemandPerSecond = Signal.Known(4.0, At),
            ForecastPerSecond = Signal.Missing<double>("nobody counted"),
            LoadTime = TimeSpan.FromSeconds(90),
            Needs = needs,
            Reason = new Reason(Rule.HoldUnplaced, []),
        };
        var plan = new Plan(new InputHashes("", "", ""), [drain], [verdict], Knowledge.Empty);
        telemetry.Turned(
            new Tick(1, spec, snapshot, plan, new ApplyResult([drain.Id], [])),
            [new ModelConditions(new ObjectName("prod", "llama"), Bytes.GiB(1), [new Finding(ConditionTypes.Fits, false, "UnsafeNode", "no")])],
            TimeSpan.FromMilliseconds(40));
        telemetry.Tell(new OperatorHealth(leads, true, null, 1, TimeSpan.Zero), new Dictionary<string, long> { ["PATCH 200"] = 7 }, new Dictionary<(string, string, string), long> { [("PATCH", "scaledmodels/status", "200")] = 7 });
        using var text = new MemoryStream();
        await telemetry.Registry.CollectAndExportAsTextAsync(text, Cancel);
        return Encoding.UTF8.GetString(text.ToArray());
    }
}
