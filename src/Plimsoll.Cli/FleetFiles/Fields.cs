using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Reflection;
using System.Text.RegularExpressions;

namespace Plimsoll.Cli.FleetFiles;

/// <summary>The shape of a field's value.</summary>
internal enum FieldShape { Scalar, Group, List, Map }

/// <summary>One field of a fleet file, as its property declares it: the one truth of binder and schema.</summary>
internal sealed record Field
{
    public required PropertyInfo Property { get; init; }

    public required string Name { get; init; }

    public required FieldShape Shape { get; init; }

    /// <summary>The scalar's or group's type; of a list or map, its elements' type.</summary>
    public required Type Type { get; init; }

    public string Means => Property.GetCustomAttribute<MeansAttribute>()?.Text ?? "";

    public BoundsAttribute? Bounds { get; init; }

    public LooksAttribute? Looks { get; init; }

    public NeededAttribute? Needed { get; init; }

    private static readonly ConcurrentDictionary<Type, ImmutableArray<Field>> Known = new();

    private static readonly ConcurrentDictionary<string, Regex> Patterns = new(StringComparer.Ordinal);

    /// <summary>A group's fields in the order they are declared, then those that it shares with others.</summary>
    public static ImmutableArray<Field> Of(Type group) => Known.GetOrAdd(group, static type =>
        [.. type.GetProperties(BindingFlags.Public | BindingFlags.Instance).Where(property => property.CanWrite)
            .OrderBy(property => property.DeclaringType != type).ThenBy(property => property.MetadataToken).Select(Of)]);

    // One class of characters with a bound each: linear without the automaton, which refuses bounds in the thousands.
    // The length is compared because '$' would let a last line feed through.
    public bool Matches(string text) =>
        Looks is null || Patterns.GetOrAdd(Looks.Pattern, static pattern => new Regex(pattern, RegexOptions.CultureInvariant))
            .Match(text) is { Success: true } match && match.Length == text.Length;

    private static Field Of(PropertyInfo property)
    {
        var type = property.PropertyType;
        type = Nullable.GetUnderlyingType(type) ?? type;
        var definition = type.IsGenericType ? type.GetGenericTypeDefinition() : null;
        var (shape, element) = definition == typeof(ImmutableArray<>) ? (FieldShape.List, type.GetGenericArguments()[0])
            : definition == typeof(ImmutableSortedDictionary<,>) ? (FieldShape.Map, type.GetGenericArguments()[1])
            : ScalarKind.Of(type) is not null ? (FieldShape.Scalar, type)
            : (FieldShape.Group, type);
        return new Field
        {
            Property = property,
            Name = char.ToLowerInvariant(property.Name[0]) + property.Name[1..],
            Shape = shape,
            Type = element,
            Bounds = property.GetCustomAttribute<BoundsAttribute>(),
            Looks = property.GetCustomAttribute<LooksAttribute>(),
            Needed = property.GetCustomAttribute<NeededAttribute>(),
        };
    }
}
