using System.Text.Json;
using Plimsoll.Kubernetes.Resources;
using Plimsoll.Kubernetes.Resources.Import;

namespace Plimsoll.Kubernetes.Tests.Resources;

/// <summary>Objects as a person writes them.</summary>
internal static class Written
{
    public static ScaledModel Model(string spec, string name = "llama", string space = "prod") =>
        Read<ScaledModel>($"apiVersion: plimsoll.dev/v1alpha1\nkind: ScaledModel\nmetadata: {{name: {name}, namespace: {space}}}\nspec:\n  {Indented(spec)}\n");

    public static FleetResource Fleet(string spec) =>
        Read<FleetResource>($"apiVersion: plimsoll.dev/v1alpha1\nkind: Fleet\nmetadata: {{name: default}}\nspec:\n  {Indented(spec)}\n");

    public static T Read<T>(string yaml) => Assert.Single(YamlDocuments.Read(yaml)).Deserialize<T>(ResourceJson.Options)!;

    private static string Indented(string text) => text.ReplaceLineEndings("\n").Replace("\n", "\n  ", StringComparison.Ordinal);
}
