using System.Text.Json;
using Microsoft.Extensions.Time.Testing;
using Plimsoll.Artifacts;
using Plimsoll.Caching;
using Plimsoll.Kubernetes.NodeCache;

namespace Plimsoll.Kubernetes.Tests.NodeCache;

/// <summary>What is read of pods and statuses, without a server.</summary>
public sealed class CacheReadingTests
{
    private const string Commit = ModelHub.Commit;

    [Theory]
    [InlineData("hf://org/name@" + Commit, "hub/models--org--name/snapshots/" + Commit)]
    [InlineData("s3://bucket/encoder/v3", "by-source/s3%2Fbucket%2Fencoder%2Fv3")]
    [InlineData("https://models.example.org/a/../b c.onnx", "by-source/https%2Fmodels.example.org%2Fb%2520c.onnx")]
    [InlineData("hf://org/name/gguf/m.gguf", "by-source/hf%2Forg%2Fname%2Fgguf%2Fm.gguf")]
    public void An_artefact_lies_where_its_address_says(string source, string path) => Assert.Equal(path, CachePaths.Of(SourceAddress.Parse(source), "v1"));

    [Fact]
    public void A_branch_is_a_snapshot_of_a_name_of_its_own_for_each_version_and_a_reference_that_names_it()
    {
        var branch = SourceAddress.Parse("hf://org/name");
        var reference = CachePaths.RefOf(branch, "v1")!.Value;

        Assert.Equal("hub/models--org--name/refs/main", reference.Path);
        Assert.Equal($"hub/models--org--name/snapshots/{reference.Commit}", CachePaths.Of(branch, "v1"));
        Assert.Matches("^[0-9a-f]{40}$", reference.Commit);
        Assert.NotEqual(reference.Commit, CachePaths.RefOf(branch, "v2")!.Value.Commit);
        Assert.Null(CachePaths.RefOf(SourceAddress.Parse($"hf://org/name@{Commit}"), "v1"));
    }

    [Theory]
    [InlineData("/var/lib/plimsoll/models", "", "--model /m/hub/a/snapshots/1", "hub/a/snapshots/1")]
    [InlineData("/var/lib/plimsoll/models/", "", "sh -c \"exec vllm --model='/m/hub/a' --x=/m/by-source/b;\"", "by-source/b|hub/a")]
    [InlineData("/var/lib/plimsoll/models/hub/a", "", "--model x", "hub/a")]
    [InlineData("/var/lib/plimsoll/models", "hub/a", "--model /m", "hub/a")]
    [InlineData("/var/lib/plimsoll/models", "", "--model org/name", "")]
    [InlineData("/var/lib/plimsoll/models", "", "--model /m/hub/../../x", "")]
    [InlineData("/var/lib/plimsoll", "", "--model /m/models/hub/a", null)]
    [InlineData("/", "", "--model /m/var/lib/plimsoll/models/hub/a", null)]
    [InlineData("/var/lib/plimsoll/models-of-others", "", "--model /m/hub/a", null)]
    public void A_pod_uses_what_it_names_and_all_when_it_names_nothing(string host, string sub, string argument, string? used)
    {
        using var pod = JsonDocument.Parse(JsonSerializer.Serialize(new
        {
            volumes = new[] { new { name = "v", hostPath = new { path = host } } },
            containers = new[] { new { args = new[] { argument }, volumeMounts = new[] { new { name = "v", mountPath = "/m/", subPath = sub } } } },
        }));

        Assert.Equal(used, CacheUse.Of(pod.RootElement, CachePaths.DefaultFolder) is { } use ? string.Join('|', use.Paths) : null);
    }

    [Fact]
    public void A_named_artefact_is_used_whoever_it_is_of_and_a_folder_of_many_means_the_own_ones()
    {
        Assert.True(new CacheUse(["hub/a/snapshots/1/config.json"]).Uses("hub/a/snapshots/1", own: false));
        Assert.False(new CacheUse(["hub/a/snapshots/1"]).Uses("hub/a/snapshots/10", own: true));
        Assert.True(new CacheUse(["hub"]).Uses("hub/a/snapshots/1", own: true));
        Assert.False(new CacheUse(["hub"]).Uses("hub/a/snapshots/1", own: false));
        Assert.True(new CacheUse([""]).Uses("by-source/b", own: true));
    }

    [Fact]
    public void A_reference_that_is_the_folder_of_another_costs_the_older_one_alone_and_the_rest_is_linked()
    {
        var root = Directory.CreateTempSubdirectory("plimsoll-cache-links-");
        try
        {
            CachedFolder Copy(string model, string source, int minute)
            {
                var folder = root.CreateSubdirectory($"artifacts/{model}");
                File.WriteAllText(Path.Combine(folder.FullName, "config.json"), model);
                return new CachedFolder(new ModelId($"prod/{model}"), "v1", source, folder.FullName, new DateTimeOffset(2026, 1, 1, 12, minute, 0, TimeSpan.Zero));
            }

            var (older, newer, other) = (Copy("older", "hf://org/name@release", 1), Copy("newer", "hf://org/name@release%2F1.2", 2), Copy("other", "s3://bucket/encoder", 0));
            var links = new CacheLinks(root.FullName);
            string At(CachedFolder copy) => Path.Combine(root.FullName, CacheLinks.PathOf(copy.Source, copy.Version, out _)!, "config.json");
            string Refs(string name) => Path.Combine(root.FullName, "hub/models--org--name/refs", name);

            Assert.Equal((null, 0), (links.Follow([older, other]).Problem, links.Follow([older, other]).Lost.Count));
            Assert.True(File.Exists(Refs("release")));
            var (problem, lost) = links.Follow([older, newer, other]);

            Assert.Null(problem);
            Assert.Equal(
                ("prod/older", "its reference hub/models--org--name/refs/release cannot be beside the newer hub/models--org--name/refs/release/1.2: one would be the folder of the other"),
                (Assert.Single(lost).Key.Model, lost.Values.Single()));
            Assert.True(File.Exists(Refs("release/1.2")));
            Assert.All([older, newer, other], copy => Assert.Equal(copy.Model.Value, $"prod/{File.ReadAllText(At(copy))}"));

            // And back, once the newer one has gone.
            Assert.Empty(links.Follow([older, other]).Lost);
            Assert.True(File.Exists(Refs("release")));

            // What somebody else put where a link should be keeps that one out.
            Directory.Delete(Path.GetDirectoryName(At(other))!);
            Directory.CreateDirectory(Path.Combine(Path.GetDirectoryName(At(other))!, "foreign"));
            File.WriteAllText(Path.Combine(Path.GetDirectoryName(At(other))!, "foreign", "file"), "");
            (problem, lost) = links.Follow([other, newer]);
            Assert.Null(problem);
            Assert.StartsWith("pods cannot find it: ", Assert.Single(lost, one => one.Key.Model == "prod/other").Value, StringComparison.Ordinal);
            Assert.True(File.Exists(Refs("release/1.2")));
        }
        finally
        {
            root.Delete(recursive: true);
        }
    }

    [Fact]
    public void A_silent_agent_is_unknown_by_our_clock_and_known_again_when_it_speaks()
    {
        var time = new FakeTimeProvider(new DateTimeOffset(2026, 1, 1, 12, 0, 0, TimeSpan.Zero));
        var liveness = new NodeCacheLiveness(time);
        // Its clock is an hour behind: nobody has seen it change, so it is not believed at first.
        Assert.Contains("last heard of", liveness.Unknown(View("2026-01-01T11:00:00Z")), StringComparison.Ordinal);
        Assert.Null(liveness.Unknown(View("2026-01-01T11:00:10Z")));
        time.Advance(TimeSpan.FromSeconds(49));
        Assert.Null(liveness.Unknown(View("2026-01-01T11:00:10Z")));
        time.Advance(TimeSpan.FromSeconds(2));
        Assert.Contains("last heard of at 2026-01-01T11:00:10Z", liveness.Unknown(View("2026-01-01T11:00:10Z")), StringComparison.Ordinal);
        Assert.Null(liveness.Unknown(View("2026-01-01T11:00:20Z")));
        Assert.Equal("/cache cannot be used", liveness.Unknown(View("2026-01-01T11:00:30Z", "False")));
    }

    [Theory]
    [InlineData("\"heartbeatSeconds\":-1", "heartbeatSeconds")]
    [InlineData("\"artifacts\":[{\"model\":\"a/b\",\"version\":\"v\",\"sizeBytes\":2e15}]", "it cannot be read")]
    [InlineData("\"artifacts\":[{\"model\":\"a/b\",\"version\":\"v\",\"sizeBytes\":2000000000000000}]", "sizeBytes")]
    [InlineData("\"artifacts\":[{\"model\":\"a/b\",\"version\":\"v\"}]", "sizeBytes")]
    [InlineData("\"artifacts\":7", "it cannot be read")]
    [InlineData("\"heartbeat\":\"\\u001b[2J\"", "heartbeat")]
    public void What_a_server_without_our_schema_lets_through_is_not_believed(string status, string said)
    {
        using var json = JsonDocument.Parse($"{{\"metadata\":{{\"name\":\"n\",\"uid\":\"u\"}},\"status\":{{{status}}}}}");
        var view = NodeCacheView.Of(json.RootElement)!;

        Assert.Null(view.Status);
        Assert.Contains(said, view.Problem, StringComparison.Ordinal);
    }

    private static NodeCacheView View(string heartbeat, string ready = "True")
    {
        using var json = JsonDocument.Parse($$$"""
            {"metadata":{"name":"n","uid":"u"},"status":{"heartbeat":"{{{heartbeat}}}","heartbeatSeconds":10,
             "conditions":[{"type":"Ready","status":"{{{ready}}}","reason":"x","message":"/cache cannot be used","lastTransitionTime":"2026-01-01T00:00:00Z"}]}}
            """);
        return NodeCacheView.Of(json.RootElement)!;
    }
}
