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
