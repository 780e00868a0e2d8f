using k8s.Models;
using Plimsoll.Cli.Kubectl;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Resources;

namespace Plimsoll.Cli.Tests.Kubectl;

/// <summary>What kubectl plimsoll prints, by its own words.</summary>
public sealed class TopTableTests
{
    private static readonly DateTimeOffset Now = new(2026, 11, 26, 9, 0, 0, TimeSpan.Zero);

    [Fact]
    public void What_takes_most_memory_comes_first_and_no_line_is_longer_than_the_terminal()
    {
        var lines = TopTable.Lines(
        [
            Model("encoder", 10L << 30, 3, "grow: 4.2/s against 3.9/s of three"),
            Model("llama-70b-instruct-with-a-name-that-nobody-can-remember", 140L << 30, 1, "hold: idle for 3min of 42min"),
            Model("new", null, null, null),
        ], "prod", 80).ToArray();

        Assert.All(lines, line => Assert.InRange(line.Length, 1, 80));
        Assert.StartsWith("MODEL", lines[0], StringComparison.Ordinal);
        Assert.StartsWith("llama-", lines[1], StringComparison.Ordinal);
        Assert.Matches("^encoder +10.0 GiB +3 +3 +4.25/s +41s +12m5s  act: ", lines[2]);
        Assert.Matches("^new +- +- +- +- +- +-  -: no ", lines[3]);
        // 140 GiB once and 10 GiB three times.
        Assert.Equal("3 models, 4 replicas ready, 170 GiB of weights in memory", lines[4]);
    }

    [Fact]
    public void Of_all_namespaces_each_model_says_its_own_and_of_none_it_says_where_to_look()
    {
        Assert.StartsWith("prod/encoder ", TopTable.Lines([Model("encoder", 1, 1, "x")], null, 80).ElementAt(1), StringComparison.Ordinal);
        Assert.Equal("no ScaledModels in the namespace empty; -A would look in all", Assert.Single(TopTable.Lines([], "empty", 80)));
    }

    [Fact]
    public void An_explanation_has_the_reason_the_conditions_and_the_newest_events_in_eighty_columns()
    {
        var lines = string.Join('\n', ModelExplanation.Lines(
            Model("llama", 16L << 30, 1, "hold: a node is unsafe"),
            [new ObjectEvent(Now - TimeSpan.FromMinutes(3), "Normal", "ScaledUp", "from 1 to 2\u001b[31m", 4)], Now, 80)).Split('\n');

        Assert.All(lines, line => Assert.InRange(line.Length, 0, 80));
        Assert.Equal("prod/llama, act: hold: a node is unsafe", lines[0]);
        Assert.Contains(lines, line => line.StartsWith("  target     Deployment llama", StringComparison.Ordinal));
        Assert.Contains(lines, line => line.StartsWith("  weight     16.0 GiB (hf://org/llama)", StringComparison.Ordinal));
        Assert.Contains(lines, line => line.StartsWith("  replicas   1 ready of 1, 1 wanted", StringComparison.Ordinal));
        Assert.Contains(lines, line => line.StartsWith("  Fits         False    ", StringComparison.Ordinal));
        Assert.Contains(lines, line => line.StartsWith("  3 min ago     ScaledUp (4 times): from 1 to 2", StringComparison.Ordinal));
        Assert.DoesNotContain(lines, line => line.Contains('\u001b', StringComparison.Ordinal));
        Assert.Contains("(of generation 3; what is asked for now is generation 4)", lines[1], StringComparison.Ordinal);
    }

    [Fact]
    public void One_that_no_operator_looked_at_says_so()
    {
        var model = Model("llama", null, null, null) with { Status = null };
        Assert.Contains("no operator looked at it yet", string.Join(' ', ModelExplanation.Lines(model, [], Now, 80)), StringComparison.Ordinal);
    }

    [Fact]
    public void Training_jobs_stand_in_a_table_of_their_own_those_that_run_first()
    {
        Assert.Empty(TopTable.Jobs([], "prod", 80));
        var lines = TopTable.Jobs([Job("a-new-one", null), Job("tune-the-model-that-everybody-waits-for-and-more", "Suspended"), Job("pretrain", "Running")], "prod", 80).ToArray();
        Assert.All(lines, line => Assert.InRange(line.Length, 0, 80));
        Assert.Matches("^TRAINING JOB +STATE +PODS +PRIORITY  WHY$", lines[1]);
        Assert.Matches("^pretrain +Running +8 +-1  act: it gave way", lines[2]);
        Assert.Matches("^tune-the-.* Suspended +8 +-1  act: ", lines[3]);
        Assert.Matches("^a-new-one +- +- +-1  -: no operator", lines[4]);
        Assert.Matches("^prod/pretrain +Running ", TopTable.Jobs([Job("pretrain", "Running")], null, 80).Last());
    }

    [Fact]
    public void An_explanation_of_a_job_has_what_it_is_what_it_saves_and_why_it_stands_so()
    {
        var lines = string.Join('\n', JobExplanation.Lines(Job("pretrain", "Suspended"), [new ObjectEvent(Now - TimeSpan.FromMinutes(3), "Normal", "Suspended", "it gave way", 1)], Now, 80)).Split('\n');
        Assert.All(lines, line => Assert.InRange(line.Length, 0, 80));
        Assert.Equal("prod/pretrain, act: it gave way to a model", lines[0]);
        Assert.Contains("  target     JobSet pretrain", lines);
        Assert.Contains("  state      Suspended, 8 pods, all or none", lines);
        Assert.Contains("  launched   2 h ago", lines);
        Assert.Contains("  saves      140GB when its pods are told to end", lines);
        Assert.Contains(lines, line => line.StartsWith("  GraceCoversCheckpoint False    ", StringComparison.Ordinal));
        Assert.Contains(lines, line => line.StartsWith("  3 min ago     Suspended: it gave way", StringComparison.Ordinal));
        Assert.Contains("no operator looked at it yet", string.Join(' ', JobExplanation.Lines(Job("new", null), [], Now, 80)), StringComparison.Ordinal);
    }

    private static PlannedJob Job(string name, string? state) => new()
    {
        Metadata = new V1ObjectMeta { Name = name, NamespaceProperty = "prod" },
        Spec = new PlannedJobSpec { TargetRef = new JobReference { Kind = "JobSet", Name = name }, Checkpoint = new JobCheckpoint { Size = "140GB" } },
        Status = state is null ? null : new PlannedJobStatus
        {
            State = state,
            Members = 8,
            Mode = "act",
            LaunchedAt = "2026-11-26T07:00:00Z",
            Reason = "it gave way to a model",
            Conditions = [new V1Condition { Type = "GraceCoversCheckpoint", Status = "False", Reason = "TooShort", Message = "it takes 70 s to save, and its pods have 30 s; terminationGracePeriodSeconds: 90 would do" }],
        },
    };

    private static ScaledModel Model(string name, long? weight, int? replicas, string? reason) => new()
    {
        Metadata = new V1ObjectMeta { Name = name, NamespaceProperty = "prod", Generation = 4 },
        Spec = new ScaledModelSpec { Target = new TargetReference { Name = name } },
        Status = weight is null ? null : new ScaledModelStatus
        {
            ObservedGeneration = 3,
            Mode = "act",
            Reason = reason,
            Model = $"hf://org/{name}",
            Weight = new Bytes(weight.Value).ToString(),
            WeightBytes = weight,
            Replicas = replicas,
            ReadyReplicas = replicas,
            DesiredReplicas = replicas,
            DemandPerSecond = 4.25,
            LoadTime = "41 s",
            Hold = "12 min 5 s",
            Conditions = [new V1Condition { Type = "Fits", Status = "False", Reason = "UnsafeNode", Message = "node-a: 20 GiB of memory against 3 GiB; a memory request of 20 GiB would do" }],
        },
    };
}
