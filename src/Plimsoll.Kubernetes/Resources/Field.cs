using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Reflection;
using System.Text.Json;
using System.Text.RegularExpressions;
using k8s.Models;

namespace Plimsoll.Kubernetes.Resources;

/// <summary>The shape of a field's value.</summary>
internal enum FieldShape
{
    Text,
    Integer,
    Number,
    Flag,
    Group,
    List,
    Map,

    /// <summary>An object of any form: a pod template.</summary>
    Any,

    /// <summary>Kubernetes' own conditions.</summary>
    Conditions,
}

/// <summary>One field of a resource, as its property declares it: the one truth of manifest and check.</summary>
internal sealed record Field
{
    public required PropertyInfo Property { get; init; }

    public required string Name { get; init; }

    public required FieldShape Shape { get; init; }

    /// <summary>The value's type; of a list or map, its elements' type.</summary>
    public required Type Type { get; init; }

    public string Means => Property.GetCustomAttribute<MeansAttribute>()?.Text ?? "";

    public BoundsAttribute? Bounds { get; init; }

    public HoldsAttribute? Holds { get; init; }

    public LooksAttribute? Looks { get; init; }

    public WordsAttribute? Words { get; init; }

    public DurationAttribute? Duration { get; init; }

    public SizeAttribute? Size { get; init; }

    public NeededAttribute? Needed { get; init; }

    public FilledInAttribute? FilledIn { get; init; }

    private static readonly ConcurrentDictionary<Type, ImmutableArray<Field>> Known = new();

    private static readonly ConcurrentDictionary<string, Regex> Patterns = new(StringComparer.Ordinal);

    /// <summary>A group's fields in the order they are declared, what every Kubernetes object has left out.</summary>
    public static ImmutableArray<Field> Of(Type group) => Known.GetOrAdd(group, static type =>
        [.. type.GetProperties(BindingFlags.Public | BindingFlags.Instance | BindingFlags.DeclaredOnly)
            .Where(property => property.GetCustomAttribute<MeansAttribute>() is not null)
            .OrderBy(property => property.MetadataToken).Select(Of)]);

    // Classes of characters, none nested in another's repetition but for names, whose parts can't match the same text
    // twice: linear. The length is compared because '$' would let a last line feed through.
    public bool Matches(string text) =>
        Looks is null || Looks.Pattern.Length == 0
        || (Patterns.GetOrAdd(Looks.Pattern, static pattern => new Regex(pattern, RegexOptions.CultureInvariant | RegexOptions.NonBacktracking))
            .Match(text) is { Success: true } match && match.Length == text.Length);

    private static Field Of(PropertyInfo property)
    {
        var type = Nullable.GetUnderlyingType(property.PropertyType) ?? property.PropertyType;
        var definition = type.IsGenericType ? type.GetGenericTypeDefinition() : null;
        var element = definition == typeof(IReadOnlyList<>) ? type.GetGenericArguments()[0]
            : definition == typeof(IReadOnlyDictionary<,>) ? type.GetGenericArguments()[1]
            : type;
        return new Field
        {
            Property = property,
            Name = char.ToLowerInvariant(property.Name[0]) + property.Name[1..],
            Shape = element == typeof(V1Condition) ? FieldShape.Conditions
                : definition == typeof(IReadOnlyList<>) ? FieldShape.List
                : definition == typeof(IReadOnlyDictionary<,>) ? FieldShape.Map
                : ScalarOf(element) ?? FieldShape.Group,
            Type = element,
            Bounds = property.GetCustomAttribute<BoundsAttribute>(),
            Holds = property.GetCustomAttribute<HoldsAttribute>(),
            Looks = property.GetCustomAttribute<LooksAttribute>(),
            Words = property.GetCustomAttribute<WordsAttribute>(),
            Duration = property.GetCustomAttribute<DurationAttribute>(),
            Size = property.GetCustomAttribute<SizeAttribute>(),
            Needed = property.GetCustomAttribute<NeededAttribute>(),
            FilledIn = property.GetCustomAttribute<FilledInAttribute>(),
        };
    }

    /// <summary>The shape of a scalar type; null for a group's.</summary>
    public static FieldShape? ScalarOf(Type type) =>
        type == typeof(string) ? FieldShape.Text
        : type == typeof(int) || type == typeof(long) ? FieldShape.Integer
        : type == typeof(double) ? FieldShape.Number
        : type == typeof(bool) ? FieldShape.Flag
        : type == typeof(JsonElement) ? FieldShape.Any
        : null;
}
