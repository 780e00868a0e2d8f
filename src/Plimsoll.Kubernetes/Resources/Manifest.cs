using System.Reflection;
using System.Text.Json.Nodes;
using k8s.Models;

namespace Plimsoll.Kubernetes.Resources;

/// <summary>The CustomResourceDefinitions of our kinds, made from the records that they are read into.</summary>
public static class Manifest
{
    /// <summary>The name that a manifest's file has in deploy/crds.</summary>
    public static string FileOf(Type resource) => $"{NamesOf(resource).Plural}.yaml";

    /// <summary>All of them.</summary>
    public static IReadOnlyList<Type> Resources { get; } = [typeof(ScaledModel), typeof(FleetResource), typeof(NodeModelCache), typeof(PlannedJob)];

    /// <summary>One manifest in YAML.</summary>
    public static string Write(Type resource) =>
        "# Made from the records in src/Plimsoll.Kubernetes/Resources: change those, then PLIMSOLL_WRITE_MANIFESTS=true ./test Kubernetes writes this.\n" + YamlText.Write(Of(resource));

    /// <summary>One manifest, apiextensions.k8s.io/v1.</summary>
    public static JsonObject Of(Type resource)
    {
        ArgumentNullException.ThrowIfNull(resource);
        var names = NamesOf(resource);
        var kind = resource.GetCustomAttribute<KubernetesEntityAttribute>()!.Kind;
        return new JsonObject
        {
            ["apiVersion"] = "apiextensions.k8s.io/v1",
            ["kind"] = "CustomResourceDefinition",
            ["metadata"] = new JsonObject { ["name"] = $"{names.Plural}.{ResourceGroup.Group}" },
            ["spec"] = new JsonObject
            {
                ["group"] = ResourceGroup.Group,
                ["scope"] = names.Namespaced ? "Namespaced" : "Cluster",
                ["names"] = new JsonObject
                {
                    ["kind"] = kind,
                    ["listKind"] = kind + "List",
                    ["plural"] = names.Plural,
                    ["singular"] = names.Singular,
                    ["shortNames"] = new JsonArray(names.ShortName),
                    ["categories"] = new JsonArray("plimsoll"),
                },
                ["versions"] = new JsonArray(new JsonObject
                {
                    ["name"] = ResourceGroup.Version,
                    ["served"] = true,
                    ["storage"] = true,
                    ["schema"] = new JsonObject { ["openAPIV3Schema"] = Root(resource) },
                    ["subresources"] = new JsonObject { ["status"] = new JsonObject() },
                    ["additionalPrinterColumns"] = new JsonArray([.. resource.GetCustomAttributes<ColumnAttribute>().Select(Column)]),
                }),
            },
        };
    }

    private static NamesAttribute NamesOf(Type resource) => resource.GetCustomAttribute<NamesAttribute>()!;

    private static JsonNode Column(ColumnAttribute column)
    {
        var written = new JsonObject
        {
            ["name"] = column.Name,
            ["type"] = column.Type,
            ["jsonPath"] = column.Path,
            ["description"] = column.Means,
        };
        if (column.Wide) written["priority"] = 1;
        return written;
    }

    private static JsonObject Root(Type resource)
    {
        var schema = ManifestSchema.Group(resource);
        var properties = schema["properties"]!.AsObject();
        properties.Insert(0, "apiVersion", new JsonObject { ["type"] = "string" });
        properties.Insert(1, "kind", new JsonObject { ["type"] = "string" });
        properties.Insert(2, "metadata", new JsonObject { ["type"] = "object" });
        return schema;
    }
}
