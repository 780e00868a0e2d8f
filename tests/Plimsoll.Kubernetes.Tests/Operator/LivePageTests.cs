using System.Text.Json;
using System.Text.RegularExpressions;
using Plimsoll.Kubernetes.Operator;
using Plimsoll.Kubernetes.Tests.ControlPlane;
using Plimsoll.Kubernetes.Tests.Operator.Faults;

namespace Plimsoll.Kubernetes.Tests.Operator;

/// <summary>The operator's page, of the command as a process of its own.</summary>
public sealed partial class LivePageTests : OperatorTest
{
    [Fact]
    public async Task The_leader_shows_the_cluster_on_its_metrics_port_and_one_that_stands_by_says_that_it_does()
    {
        await Cluster.ServeAsync("llama", 1, 2, "24Gi");
        await Cluster.ModelAsync("llama", "\"weights\":\"16GiB\",\"mode\":\"act\",\"minReplicas\":2,\"maxReplicas\":3");
        await using var leader = OperatorProcess.Start(Cluster.Plane, OperatedCluster.Space);
        using var http = new HttpClient();
        var page = await PageAsync(leader);
        Assert.Contains("<title>plimsoll</title>", await http.GetStringAsync(page, Cancel), StringComparison.Ordinal);
        Assert.Contains("plimsoll_operator_leads", await http.GetStringAsync(new Uri(page, "/metrics"), Cancel), StringComparison.Ordinal);
        var state = await Patience.UntilAsync(
            "both replicas are shown", async cancel => JsonDocument.Parse(await http.GetStringAsync(new Uri(page, "/fleet"), cancel)).RootElement,
            state => state.TryGetProperty("totals", out var totals) && totals.GetProperty("ready").GetInt32() == 2, state => $"{state}\n{leader.LogEnd()}");
        Assert.False(state.TryGetProperty("trouble", out _));
        var row = state.GetProperty("models").GetProperty("rows")[0];
        Assert.Equal(("models/llama", "device", 16L << 30), (row.GetProperty("model").GetString(), row.GetProperty("tier").GetString(), row.GetProperty("weightBytes").GetInt64()));
        var memory = state.GetProperty("memory").EnumerateArray().Single(kind => kind.GetProperty("kind").GetString() != "host memory");
        Assert.Equal(8, memory.GetProperty("count").GetInt32());
        // Nobody measures devices here: each of the four is charged.
        Assert.Equal(4, memory.GetProperty("charged").GetInt32());
        Assert.InRange(memory.GetProperty("usedBytes").GetInt64(), 32L << 30, 4 * (80L << 30));
        Assert.Contains(state.GetProperty("decisions").EnumerateArray(), decision =>
            decision.GetProperty("model").GetString() == "models/llama" && decision.GetProperty("what").GetString()!.StartsWith("start ", StringComparison.Ordinal)
            && decision.GetProperty("why").GetString()!.Contains("at least 2 wanted", StringComparison.Ordinal));

        await using var next = OperatorProcess.Start(Cluster.Plane, OperatedCluster.Space, null, "--fleet", "default");
        using var standing = JsonDocument.Parse(await http.GetStringAsync(new Uri(await PageAsync(next), "/fleet"), Cancel));
        Assert.Equal("this operator stands by: another leads, and that one's page shows the fleet", standing.RootElement.GetProperty("trouble").GetString());
        Assert.False(standing.RootElement.TryGetProperty("tick", out _));

        await using var without = OperatorProcess.Start(Cluster.Plane, OperatedCluster.Space, null, "--no-page");
        await Patience.UntilAsync("it has started", _ => Task.FromResult(without.Wrote("watches")), yes => yes, _ => without.LogEnd());
        Assert.False(without.Wrote("in a browser"));
    }

    [Fact]
    public void An_operator_says_what_it_cannot_do()
    {
        Assert.Null(new OperatorHealth(true, true, null, 1, TimeSpan.Zero).Trouble);
        Assert.Equal("nothing is decided: the API server does not answer", new OperatorHealth(true, false, "the API server does not answer", 1, TimeSpan.Zero).Trouble);
    }

    private static async Task<Uri> PageAsync(ServerChild process)
    {
        await Patience.UntilAsync("it says where its page is", _ => Task.FromResult(process.Wrote("in a browser: http")), yes => yes, _ => process.LogEnd());
        var address = new Uri(Address().Match(process.LogEnd(200)).Groups[1].Value);
        return new UriBuilder(address) { Host = "127.0.0.1" }.Uri;
    }

    [GeneratedRegex(@"in a browser: (http\S+)")]
    private static partial Regex Address();
}
