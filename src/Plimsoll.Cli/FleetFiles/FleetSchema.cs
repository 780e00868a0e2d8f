using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Plimsoll.Cli.FleetFiles;

/// <summary>The JSON Schema of fleet files, for editors; made from the same records that files are bound to.</summary>
public static class FleetSchema
{
    private static readonly JsonSerializerOptions Indented = new()
    {
        WriteIndented = true,
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        NewLine = "\n",
    };

    /// <summary>Draft 2020-12, indented, with a line feed at its end.</summary>
    public static string Write()
    {
        var schema = new JsonObject
        {
            ["$schema"] = "https://json-schema.org/draft/2020-12/schema",
            ["title"] = "Plimsoll fleet",
        };
        foreach (var (name, value) in Group(typeof(FleetDocument)).ToList())
        {
            value?.Parent?.AsObject().Remove(name);
            schema[name] = value;
        }

        return schema.ToJsonString(Indented) + "\n";
    }

    private static JsonObject Group(Type type)
    {
        var fields = Field.Of(type);
        var schema = new JsonObject
        {
            ["description"] = type.GetCustomAttribute<MeansAttribute>()?.Text,
            ["type"] = "object",
            ["additionalProperties"] = false,
            ["properties"] = new JsonObject(fields.Select(field => KeyValuePair.Create(field.Name, (JsonNode?)Of(field)))),
        };
        var needed = fields.Where(field => field.Needed is not null).Select(field => (JsonNode)field.Name).ToArray();
        if (needed.Length > 0) schema["required"] = new JsonArray(needed);
        return schema;
    }

    private static JsonObject Of(Field field)
    {
        var schema = field.Shape switch
        {
            FieldShape.Group => Group(field.Type),
            FieldShape.Scalar => Scalar(field),
            FieldShape.List => List(field),
            _ => new JsonObject { ["type"] = "object", ["additionalProperties"] = MapValue(field) },
        };
        schema["description"] = field.Means;
        return schema;
    }

    // A variable may be written 8 or true; YAML hands a text over all the same.
    private static JsonObject MapValue(Field field) => field.Type == typeof(string)
        ? new JsonObject { ["type"] = new JsonArray("string", "number", "boolean", "null") }
        : Scalar(field);

    private static JsonObject List(Field field)
    {
        var schema = new JsonObject
        {
            ["type"] = "array",
            ["items"] = ScalarKind.Of(field.Type) is { } kind ? kind.Schema() : Group(field.Type),
            ["maxItems"] = (int)(field.Bounds?.Most ?? Binder.ModelsMax),
        };
        if (field.Needed is not null) schema["minItems"] = 1;
        return schema;
    }

    private static JsonObject Scalar(Field field)
    {
        var schema = ScalarKind.Of(field.Type)!.Schema();
        if (field.Looks is { } looks) schema["pattern"] = looks.Pattern;
        // Where a text with a unit will do as well, the bound holds for the plain number only; JSON Schema does the same.
        if (field.Bounds is { } bounds && schema["type"] is { } type && type.ToJsonString() is var kinds
            && (kinds.Contains("number", StringComparison.Ordinal) || kinds.Contains("integer", StringComparison.Ordinal)))
        {
            schema["minimum"] = bounds.Least;
            schema["maximum"] = bounds.Most;
        }

        return schema;
    }
}
