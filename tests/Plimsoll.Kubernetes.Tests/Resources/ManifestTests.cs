using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Plimsoll.Kubernetes.Resources;

namespace Plimsoll.Kubernetes.Tests.Resources;

public sealed class ManifestTests
{
    public static TheoryData<Type> Resources => [.. Manifest.Resources];

    [Theory]
    [MemberData(nameof(Resources))]
    public void The_committed_manifest_is_what_the_records_make(Type resource)
    {
        var file = Path.Combine(Repository(), "deploy", "crds", Manifest.FileOf(resource));
        var made = Manifest.Write(resource);
        // PLIMSOLL_WRITE_MANIFESTS=true writes them, after a record has changed.
        if (Environment.GetEnvironmentVariable("PLIMSOLL_WRITE_MANIFESTS") == "true")
        {
            Directory.CreateDirectory(Path.GetDirectoryName(file)!);
            File.WriteAllText(file, made);
        }

        Assert.Equal(made, File.ReadAllText(file));
    }

    [Theory]
    [MemberData(nameof(Resources))]
    public void Every_field_says_what_it_means_and_every_text_and_list_of_a_spec_is_bounded(Type resource)
    {
        var schema = Manifest.Of(resource)["spec"]!["versions"]![0]!["schema"]!["openAPIV3Schema"]!["properties"]!["spec"]!.AsObject();
        foreach (var (path, field) in Fields("spec", schema))
        {
            Assert.True(field["description"] is not null || path.EndsWith("[]", StringComparison.Ordinal), $"{path} has no description");
            var type = field["type"]!.GetValue<string>();
            if (type == "string") Assert.True(field["maxLength"] is not null || field["enum"] is not null, $"{path} has no bound");
            if (type == "array") Assert.True(field["maxItems"] is not null, $"{path} has no bound");
            if (type is "integer" or "number") Assert.True(field["minimum"] is not null && field["maximum"] is not null, $"{path} has no bounds");
            if (field["additionalProperties"] is not null) Assert.True(field["maxProperties"] is not null, $"{path} has no bound");
        }
    }

    [Theory]
    [MemberData(nameof(Resources))]
    public void Patterns_are_in_the_part_of_regular_expressions_that_Go_has_too(Type resource)
    {
        var schema = Manifest.Of(resource)["spec"]!["versions"]![0]!["schema"]!["openAPIV3Schema"]!["properties"]!["spec"]!.AsObject();
        foreach (var (path, field) in Fields("spec", schema))
        {
            if (field["pattern"]?.GetValue<string>() is not { } pattern) continue;
            // No look-around, no back-reference, no \u, no count above a thousand: RE2 refuses all of them.
            Assert.False(Regex.IsMatch(pattern, @"\(\?|\\[1-9u]|\{\d{4,}"), $"{path}: {pattern}");
            Assert.StartsWith("^", pattern, StringComparison.Ordinal);
            Assert.EndsWith("$", pattern, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Kubectl_gets_the_columns_that_a_person_reads() =>
        Assert.Equal(
            ["Model", "Weight", "Replicas", "Desired", "Demand", "Hold", "Mode", "Reason"],
            Manifest.Of(typeof(ScaledModel))["spec"]!["versions"]![0]!["additionalPrinterColumns"]!.AsArray()
                .Where(column => column!["priority"] is null).Select(column => column!["name"]!.GetValue<string>()));

    [Fact]
    public void Names_on_the_wire_are_those_of_the_manifest()
    {
        var model = new ScaledModel
        {
            Metadata = new() { Name = "llama" },
            Spec = new ScaledModelSpec { Target = new TargetReference { Name = "llama" }, MinReplicas = 2, Slo = new ModelSlo { Ttft = "300ms" } },
        };
        Assert.Equal(
            """{"apiVersion":"plimsoll.dev/v1alpha1","kind":"ScaledModel","metadata":{"name":"llama"},"spec":{"target":{"name":"llama"},"slo":{"ttft":"300ms"},"minReplicas":2}}""",
            k8s.KubernetesJson.Serialize(model));
        Assert.Equal(1.5, k8s.KubernetesJson.Deserialize<FleetResource>("""{"spec":{"prices":{"hostMemoryPerGiB":1.5}}}""").Spec!.Prices!.HostMemoryPerGiB);
    }

    [Theory]
    [MemberData(nameof(Resources))]
    public void Every_field_is_on_the_page_about_resources(Type resource)
    {
        var page = File.ReadAllText(Path.Combine(Repository(), "docs", "kubernetes-resources.md"));
        var schema = Manifest.Of(resource)["spec"]!["versions"]![0]!["schema"]!["openAPIV3Schema"]!["properties"]!;
        foreach (var (path, _) in Fields("spec", schema["spec"]!.AsObject()).Concat(Fields("status", schema["status"]!.AsObject())))
        {
            var name = path[(path.LastIndexOf('.') + 1)..].Replace("[]", "", StringComparison.Ordinal);
            if (!path.Contains("conditions", StringComparison.Ordinal)) Assert.True(Regex.IsMatch(page, $@"\b{name}\b"), $"{path} is not on the page");
        }
    }

    internal static string Repository()
    {
        var folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "Plimsoll.slnx"))) folder = Path.GetDirectoryName(folder)!;
        return folder;
    }

    private static IEnumerable<(string Path, JsonObject Field)> Fields(string path, JsonObject schema)
    {
        yield return (path, schema);
        foreach (var (name, field) in schema["properties"]?.AsObject() ?? [])
        {
            foreach (var inner in Fields($"{path}.{name}", field!.AsObject())) yield return inner;
        }

        foreach (var items in new[] { schema["items"], schema["additionalProperties"] })
        {
            if (items is not JsonObject each) continue;
            foreach (var inner in Fields($"{path}[]", each)) yield return inner;
        }
    }
}
