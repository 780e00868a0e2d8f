using System.Runtime.CompilerServices;
using k8s;
using Plimsoll.Kubernetes.Resources;

namespace Plimsoll.Kubernetes.Tests.Resources;

public sealed class ResourceJsonTests
{
    // Before any test uses the client, as the operator does before anything else.
    [ModuleInitializer]
    internal static void Prepare() => ResourceJson.Prepare();

    [Fact]
    public void One_model_as_deep_as_a_well_does_not_hide_the_others_of_its_list()
    {
        var well = string.Concat(Enumerable.Repeat("{\"a\":", 9000)) + "1" + new string('}', 9000);
        var list = KubernetesJson.Deserialize<Models>($$$$"""{"items":[{"metadata":{"name":"well"},"spec":{"template":{"podTemplate":{{{{well}}}}}}},{"metadata":{"name":"llama"},"spec":{"target":{"name":"llama"}}}]}""");
        Assert.Equal("llama", list.Items[1].Spec!.Target!.Name);
        Assert.Contains(ScaledModelCheck.Of(list.Items[0]), problem => problem.Message.StartsWith("it is nested more than 24 deep", StringComparison.Ordinal));
        Assert.Equal("well", System.Text.Json.JsonSerializer.Deserialize<Models>(System.Text.Json.JsonSerializer.Serialize(list, ResourceJson.Options), ResourceJson.Options)!.Items[0].Metadata.Name);
    }

    private sealed record Models
    {
        public List<ScaledModel> Items { get; init; } = [];
    }
}
