using System.Reflection;
using System.Text.Json.Nodes;

namespace Plimsoll.Kubernetes.Resources;

/// <summary>The structural schemas of our records: what apiextensions.k8s.io/v1 takes of OpenAPI 3.</summary>
internal static class ManifestSchema
{
    // In the part of regular expressions that Go's RE2 has; lengths are bounded beside them.
    private const string NumberPattern = @"^ *[0-9]+(\.[0-9]+)? *";
    private const string DurationPattern = NumberPattern + "(ms|s|min|m|h|d) *$";
    private const string BytesPattern = NumberPattern + "([KkMmGgTt][Ii]?)?[Bb]? *$";
    private const string BandwidthPattern = NumberPattern + "([KkMmGgTt][Ii]?)?[Bb]?(/[Ss])? *$";

    public static JsonObject Group(Type type)
    {
        var fields = Field.Of(type);
        var schema = new JsonObject { ["type"] = "object" };
        if (type.GetCustomAttribute<MeansAttribute>()?.Text is { } means) schema["description"] = means;
        var needed = fields.Where(field => field.Needed is not null).Select(field => (JsonNode)field.Name).ToArray();
        if (needed.Length > 0) schema["required"] = new JsonArray(needed);
        schema["properties"] = new JsonObject(fields.Select(field => KeyValuePair.Create(field.Name, (JsonNode?)Of(field))));
        // Servers of every age have oneOf; those with rules say it in a sentence too.
        if (type.GetCustomAttribute<OneOfAttribute>() is { } one)
            schema["oneOf"] = new JsonArray([.. one.Fields.Select(field => (JsonNode)new JsonObject { ["required"] = new JsonArray(field) })]);
        var rules = type.GetCustomAttributes<RuleAttribute>().Select(rule => (JsonNode)new JsonObject { ["rule"] = rule.Expression, ["message"] = rule.Message }).ToArray();
        if (rules.Length > 0) schema["x-kubernetes-validations"] = new JsonArray(rules);
        return schema;
    }

    private static JsonObject Of(Field field)
    {
        var schema = field.Shape switch
        {
            FieldShape.Group => Group(field.Type),
            FieldShape.List => List(field),
            FieldShape.Map => Map(field),
            FieldShape.Conditions => Conditions(field),
            FieldShape.Any => new JsonObject { ["type"] = "object", ["x-kubernetes-preserve-unknown-fields"] = true },
            _ => Scalar(field, field.Shape),
        };
        if (field.Shape == FieldShape.Group && field.Holds?.Whole == true) schema["x-kubernetes-map-type"] = "atomic";
        schema["description"] = field.Means;
        if (field.FilledIn is { } filled) schema["default"] = filled.Value switch
        {
            string word => JsonValue.Create(word),
            int whole => JsonValue.Create(whole),
            double number => JsonValue.Create(number),
            bool flag => JsonValue.Create(flag),
            _ => throw new InvalidOperationException($"{field.Property} is filled in with a type that has no schema"),
        };
        return schema;
    }

    private static JsonObject Scalar(Field field, FieldShape shape)
    {
        var schema = new JsonObject();
        switch (shape)
        {
            case FieldShape.Integer:
                schema["type"] = "integer";
                schema["format"] = field.Type == typeof(long) ? "int64" : "int32";
                break;
            case FieldShape.Number:
                schema["type"] = "number";
                break;
            case FieldShape.Flag:
                schema["type"] = "boolean";
                break;
            default:
                schema["type"] = "string";
                break;
        }

        if (field.Bounds is { } bounds && shape != FieldShape.Text)
        {
            schema["minimum"] = Plain(bounds.Least);
            schema["maximum"] = Plain(bounds.Most);
        }

        if (shape == FieldShape.Text) Text(field, schema);
        return schema;
    }

    private static void Text(Field field, JsonObject schema)
    {
        if (field.Words is { } words) schema["enum"] = new JsonArray([.. words.Words.Select(word => (JsonNode)word)]);
        else if (field.Duration is not null) Pattern(schema, DurationPattern, 32);
        else if (field.Size is { } size) Pattern(schema, size.PerSecond ? BandwidthPattern : BytesPattern, 32);
        else if (field.Looks is { } looks)
        {
            Pattern(schema, looks.Pattern, looks.Longest);
            schema["minLength"] = 1;
        }
    }

    private static void Pattern(JsonObject schema, string pattern, int longest)
    {
        schema["pattern"] = pattern;
        schema["maxLength"] = longest;
    }

    private static JsonObject List(Field field)
    {
        var schema = new JsonObject { ["type"] = "array", ["items"] = Group(field.Type) };
        Counts(field, schema, "minItems", "maxItems");
        if (field.Holds?.Key is { } key)
        {
            schema["x-kubernetes-list-type"] = "map";
            schema["x-kubernetes-list-map-keys"] = new JsonArray(key);
        }

        return schema;
    }

    private static JsonObject Map(Field field)
    {
        var value = Scalar(field, Field.ScalarOf(field.Type)!.Value);
        if (field.Type == typeof(string)) value["maxLength"] = FieldCheck.LongestEntry;
        var schema = new JsonObject { ["type"] = "object", ["additionalProperties"] = value };
        Counts(field, schema, "minProperties", "maxProperties");
        if (field.Holds?.Whole == true) schema["x-kubernetes-map-type"] = "atomic";
        return schema;
    }

    private static void Counts(Field field, JsonObject schema, string least, string most)
    {
        if (field.Holds is not { } holds) return;
        if (holds.Least > 0) schema[least] = holds.Least;
        schema[most] = holds.Most;
    }

    /// <summary>The conditions that every kind of Kubernetes has, as the API conventions ask.</summary>
    private static JsonObject Conditions(Field field)
    {
        var schema = new JsonObject
        {
            ["type"] = "array",
            ["items"] = new JsonObject
            {
                ["type"] = "object",
                ["required"] = new JsonArray("type", "status", "lastTransitionTime", "reason", "message"),
                ["properties"] = new JsonObject
                {
                    ["type"] = new JsonObject { ["type"] = "string", ["maxLength"] = 316 },
                    ["status"] = new JsonObject { ["type"] = "string", ["enum"] = new JsonArray("True", "False", "Unknown") },
                    ["observedGeneration"] = new JsonObject { ["type"] = "integer", ["format"] = "int64", ["minimum"] = 0 },
                    ["lastTransitionTime"] = new JsonObject { ["type"] = "string", ["format"] = "date-time" },
                    ["reason"] = new JsonObject { ["type"] = "string", ["minLength"] = 1, ["maxLength"] = 1024 },
                    ["message"] = new JsonObject { ["type"] = "string", ["maxLength"] = 32_768 },
                },
            },
            ["x-kubernetes-list-type"] = "map",
            ["x-kubernetes-list-map-keys"] = new JsonArray("type"),
        };
        Counts(field, schema, "minItems", "maxItems");
        return schema;
    }

    // 100000 and not 1E+05: both are one number, and one of them a person reads.
    private static JsonValue Plain(double number) => number == Math.Floor(number) && Math.Abs(number) < 1e15 ? JsonValue.Create((long)number) : JsonValue.Create(number);
}
