using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using k8s;
using k8s.Autorest;
using Plimsoll.Kubernetes.Resources;
using Plimsoll.Kubernetes.Tests.ControlPlane;

namespace Plimsoll.Kubernetes.Tests.Resources;

/// <summary>The committed manifests on a real API server.</summary>
public sealed class OnTheServerTests(SharedControlPlane shared) : ClusterTest(shared)
{
    /// <summary>Whether the server has x-kubernetes-validations: from 1.25 on without asking for it.</summary>
    private bool HasRules { get; set; }

    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        var version = (await Client.Version.GetCodeAsync(Cancel)).GitVersion.TrimStart('v').Split('-', '+')[0];
        HasRules = Version.Parse(version) >= new Version(1, 25);
        foreach (var resource in Manifest.Resources)
            await CustomResources.InstallAsync(Client, await File.ReadAllTextAsync(Path.Combine(ManifestTests.Repository(), "deploy", "crds", Manifest.FileOf(resource)), Cancel));
    }

    [Fact]
    public async Task The_server_takes_the_schemas_as_structural()
    {
        foreach (var resource in Manifest.Resources)
        {
            var name = Manifest.Of(resource)["metadata"]!["name"]!.GetValue<string>();
            var definition = await Client.ApiextensionsV1.ReadCustomResourceDefinitionAsync(name, cancellationToken: Cancel);
            Assert.DoesNotContain(definition.Status.Conditions, condition => condition.Type == "NonStructuralSchema" && condition.Status == "True");
            Assert.Contains(definition.Status.Conditions, condition => condition.Type == "NamesAccepted" && condition.Status == "True");
        }
    }

    [Fact]
    public async Task Five_lines_are_filled_in_with_the_defaults()
    {
        var made = await CreateAsync("target: {name: llama}");
        Assert.Equal(
            """{"actuation":"scale","apply":"nothing","mode":"recommend","priority":0,"target":{"kind":"Deployment","name":"llama"}}""",
            Sorted(made.GetProperty("spec")));
        var model = made.Deserialize<ScaledModel>(ResourceJson.Options)!;
        Assert.Empty(ScaledModelCheck.Of(model));
    }

    [Theory]
    [InlineData("priority: 1", "exactly|one and only one schema")]
    [InlineData("target: {name: a}\ntemplate: {podTemplate: {}, variants: [{name: a}]}", "exactly|one and only one schema")]
    [InlineData("target: {name: Llama}", "spec.target.name")]
    [InlineData("target: {}", "spec.target.name: Required value")]
    [InlineData("target: {name: a}\nmode: fast", "Unsupported value: \"fast\"")]
    [InlineData("target: {name: a}\nminReplicas: -1", "spec.minReplicas")]
    [InlineData("target: {name: a}\nmaxReplicas: 1001", "spec.maxReplicas")]
    [InlineData("target: {name: a}\nidleLimit: five", "spec.idleLimit")]
    [InlineData("target: {name: a}\nweights: heavy", "spec.weights")]
    [InlineData("target: {name: a}\nslo: {attainment: 1}", "spec.slo.attainment")]
    [InlineData("target: {name: a}\nmetrics: {port: 70000}", "spec.metrics.port")]
    [InlineData("target: {name: a}\nsource: \"hf://a\\u0007b\"", "spec.source")]
    [InlineData("variants: []", "spec.variants")]
    [InlineData("variants: [{name: a, target: {name: a}}, {name: a, target: {name: b}}]", "Duplicate value")]
    public async Task What_is_wrong_is_refused(string spec, string part)
    {
        var refused = await Assert.ThrowsAsync<HttpOperationException>(() => CreateAsync(spec));
        Assert.Equal(HttpStatusCode.UnprocessableEntity, refused.Response.StatusCode);
        Assert.Contains(part.Split('|'), one => refused.Response.Content.Replace("\\\"", "\"", StringComparison.Ordinal).Contains(one, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("target: {name: a}\nidleLimit: 5min\nweights: 6Gi\nrevision: refs/pr/1\nsource: hf://org/name")]
    [InlineData("target: {apiVersion: leaderworkerset.x-k8s.io/v1, kind: LeaderWorkerSet, name: a.b}")]
    [InlineData("gateway: {}\ntarget: {name: a}")]
    public async Task What_is_right_is_taken(string spec) => Assert.Empty(ScaledModelCheck.Of((await CreateAsync(spec)).Deserialize<ScaledModel>(ResourceJson.Options)!));

    [Fact]
    public async Task Status_is_written_apart_and_kubectl_shows_it_in_columns()
    {
        await CreateAsync("target: {name: llama}\nmode: act", "llama");
        var read = await ApplyStatusAsync("llama", new ScaledModelStatus
        {
            ObservedGeneration = 1,
            Model = "hf://org/name",
            Weight = "14.9 GiB",
            WeightBytes = 16_000_000_000,
            Replicas = 2,
            ReadyReplicas = 1,
            DesiredReplicas = 3,
            DemandPerSecond = 4.25,
            Hold = "12 min",
            LoadTime = "2 min 5 s",
            Mode = "act",
            Reason = "demand of 4.25/s needs 3",
            RecommendedRequests = new Dictionary<string, string> { ["memory"] = "24Gi", ["nvidia.com/gpu"] = "1" },
        });
        Assert.Equal("act", read.Spec!.Mode);
        Assert.Equal(3, read.Status!.DesiredReplicas);
        Assert.Equal("1", read.Status.RecommendedRequests!["nvidia.com/gpu"]);

        var shown = await Kubectl.RunUntilAsync(ControlPlane, "llama", "get", "smo", "-n", Namespace.Name);
        Assert.Equal(["NAME", "MODEL", "WEIGHT", "REPLICAS", "DESIRED", "DEMAND", "HOLD", "MODE", "REASON"], shown.Split('\n')[0].Split(' ', StringSplitOptions.RemoveEmptyEntries));
        Assert.Equal("llama hf://org/name 14.9 GiB 2 3 4.25 12 min act demand of 4.25/s needs 3", string.Join(' ', shown.Split('\n')[1].Split(' ', StringSplitOptions.RemoveEmptyEntries)));
    }

    [Fact]
    public async Task Kubectl_applies_the_manifests_as_they_are()
    {
        foreach (var resource in Manifest.Resources)
        {
            var file = Path.Combine(ManifestTests.Repository(), "deploy", "crds", Manifest.FileOf(resource));
            await Kubectl.RunAsync(ControlPlane, ["apply", "-f", file, .. HasRules ? Array.Empty<string>() : ["--validate=false"]]);
            var name = Manifest.Of(resource)["metadata"]!["name"]!.GetValue<string>();
            var served = await Kubectl.RunAsync(ControlPlane, "get", "crd", name, "-o", "json");
            // What an old server knows not it drops; oneOf it keeps.
            var rules = JsonDocument.Parse(served).RootElement.GetProperty("spec").GetRawText().Contains("x-kubernetes-validations", StringComparison.Ordinal);
            Assert.Equal(HasRules, rules);
            if (resource == typeof(ScaledModel)) Assert.Contains("oneOf", served, StringComparison.Ordinal);
        }

        await Kubectl.RunUntilAsync(ControlPlane, "observe: learn and show what is", "explain", "scaledmodel.spec.mode");
    }

    [Fact]
    public async Task A_model_as_deep_as_the_server_takes_hides_no_other()
    {
        var well = string.Concat(Enumerable.Repeat("{\"a\":", 2000)) + "1" + new string('}', 2000);
        using var http = new StringContent(
            $$$$"""{"apiVersion":"plimsoll.dev/v1alpha1","kind":"ScaledModel","metadata":{"name":"well"},"spec":{"template":{"podTemplate":{{{{well}}}},"variants":[{"name":"a"}]}}}""", System.Text.Encoding.UTF8, "application/json");
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(Client.BaseUri, $"apis/plimsoll.dev/v1alpha1/namespaces/{Namespace.Name}/scaledmodels")) { Content = http };
        await Client.Credentials.ProcessHttpRequestAsync(request, Cancel);
        using var answer = await Client.HttpClient.SendAsync(request, Cancel);
        TestContext.Current.TestOutputHelper?.WriteLine($"a pod template 2,000 deep: {(int)answer.StatusCode}");
        await CreateAsync("target: {name: llama}", "llama");
        using var generic = new GenericClient(Client, ResourceGroup.Group, ResourceGroup.Version, ScaledModel.KubePluralName, disposeClient: false);
        var list = await generic.ListNamespacedAsync<CustomList>(Namespace.Name, cancel: Cancel);
        Assert.Contains(list.Items, model => model.Metadata.Name == "llama");
        if (answer.IsSuccessStatusCode) Assert.NotEmpty(ScaledModelCheck.Of(list.Items.Single(model => model.Metadata.Name == "well")));
    }

    [Fact]
    public async Task A_status_with_empty_texts_is_taken_once_it_is_made_writable()
    {
        await CreateAsync("target: {name: llama}", "llama");
        var status = new ScaledModelStatus
        {
            Hold = "",
            Reason = "\u001b[2J",
            Replicas = 0,
            DemandPerSecond = 0.1 + 0.2,
            Conditions = [new() { Type = ConditionTypes.Weighed, Status = "False", Reason = "Missing", Message = "", LastTransitionTime = new DateTime(2026, 11, 26, 0, 0, 0, DateTimeKind.Utc) }],
        };
        var read = await ApplyStatusAsync("llama", status.Writable());
        Assert.Equal((0, 0.3, null), (read.Status!.Replicas, read.Status.DemandPerSecond, read.Status.Hold));
        Assert.Equal("Missing", Assert.Single(read.Status.Conditions!).Message);
    }

    [Fact]
    public async Task A_fleet_is_the_clusters_and_its_bounds_are_checked()
    {
        var fleet = Written.Fleet("mode: recommend\nprices: {devices: {h100-80gb: 4}}\nquotas: {devices: {h100-80gb: 16}}\nnodePools: [{name: l4, device: l4-24gb, devices: 2, memory: 96Gi}]") with
        {
            Metadata = new() { Name = Namespace.Name },
        };
        using var generic = new GenericClient(Client, ResourceGroup.Group, ResourceGroup.Version, FleetResource.KubePluralName, disposeClient: false);
        var made = await generic.CreateAsync(fleet, Cancel);
        try
        {
            Assert.Empty(FleetSettings.Check(made));
            Assert.Equal([new DeviceQuota("h100-80gb", 16)], FleetSettings.Of(made).DeviceQuotas);
            var cheap = fleet with { Metadata = new() { Name = Namespace.Name + "-b" }, Spec = fleet.Spec! with { Prices = new FleetPrices { Devices = new Dictionary<string, double> { ["h100-80gb"] = -1 } } } };
            var refused = await Assert.ThrowsAsync<HttpOperationException>(() => generic.CreateAsync(cheap, Cancel));
            Assert.Equal(HttpStatusCode.UnprocessableEntity, refused.Response.StatusCode);
        }
        finally
        {
            // The answer to a deletion is a Status.
            await Client.CustomObjects.DeleteClusterCustomObjectAsync<JsonElement>(ResourceGroup.Group, ResourceGroup.Version, FleetResource.KubePluralName, Namespace.Name, cancellationToken: CancellationToken.None);
        }
    }

    private async Task<JsonElement> CreateAsync(string spec, string name = "m")
    {
        var model = Written.Model(spec, name, Namespace.Name);
        var body = JsonNode.Parse(KubernetesJson.Serialize(model));
        return (JsonElement)await Client.CustomObjects.CreateNamespacedCustomObjectAsync(
            body, ResourceGroup.Group, ResourceGroup.Version, Namespace.Name, ScaledModel.KubePluralName, cancellationToken: Cancel);
    }

    private async Task<ScaledModel> ApplyStatusAsync(string name, ScaledModelStatus status)
    {
        var model = new ScaledModel { Metadata = new() { Name = name }, Status = status };
        await Client.CustomObjects.PatchNamespacedCustomObjectStatusAsync<JsonElement>(
            new k8s.Models.V1Patch(KubernetesJson.Serialize(model), k8s.Models.V1Patch.PatchType.ApplyPatch),
            ResourceGroup.Group, ResourceGroup.Version, Namespace.Name, ScaledModel.KubePluralName, name, fieldManager: "plimsoll", force: true, cancellationToken: Cancel);
        return await ReadAsync(name);
    }

    private async Task<ScaledModel> ReadAsync(string name) =>
        ((JsonElement)await Client.CustomObjects.GetNamespacedCustomObjectAsync(ResourceGroup.Group, ResourceGroup.Version, Namespace.Name, ScaledModel.KubePluralName, name, Cancel)).Deserialize<ScaledModel>(ResourceJson.Options)!;

    private static string Sorted(JsonElement value) => value.ValueKind == JsonValueKind.Object
        ? "{" + string.Join(',', value.EnumerateObject().OrderBy(one => one.Name, StringComparer.Ordinal).Select(one => $"\"{one.Name}\":{Sorted(one.Value)}")) + "}"
        : value.GetRawText();

    private sealed record CustomList : IKubernetesObject<k8s.Models.V1ListMeta>
    {
        public string ApiVersion { get; set; } = "";

        public string Kind { get; set; } = "";

        public k8s.Models.V1ListMeta Metadata { get; set; } = new();

        public List<ScaledModel> Items { get; init; } = [];
    }
}
