using System.Text.Json.Nodes;
using Plimsoll.Cli.FleetFiles;

namespace Plimsoll.Cli.Tests.FleetFiles;

public sealed class FleetSchemaTests
{
    [Fact]
    public void The_committed_schema_is_the_one_that_the_types_give() =>
        Assert.Equal(FleetSchema.Write(), File.ReadAllText(Path.Combine(Repository(), "docs", "fleet.schema.json")));

    [Fact]
    public void Every_field_says_what_it_means()
    {
        var missing = new List<string>();
        Walk(JsonNode.Parse(FleetSchema.Write())!, "");
        Assert.Equal([], missing);

        void Walk(JsonNode node, string path)
        {
            if (node["properties"] is JsonObject properties)
            {
                foreach (var (name, property) in properties)
                {
                    if (property!["description"]?.GetValue<string>() is not { Length: > 5 }) missing.Add($"{path}.{name}");
                    Walk(property, $"{path}.{name}");
                }
            }

            if (node["items"] is JsonObject items) Walk(items, path + "[]");
        }
    }

    internal static string Repository()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Plimsoll.slnx"))) folder = folder.Parent;
        return folder?.FullName ?? throw new InvalidOperationException("the tests run outside the repository");
    }
}
