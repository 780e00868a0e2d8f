using System.Collections;
using System.Collections.Immutable;
using System.Globalization;
using Plimsoll.Cli.FleetFiles.Yaml;

namespace Plimsoll.Cli.FleetFiles;

/// <summary>
/// Turns a YAML tree into the records of <see cref="FleetDocument"/>, and goes on after every problem, so that a
/// person repairs a file once. Types, bounds and looks come from the records; there is no second list of fields.
/// </summary>
internal sealed class Binder(Problems problems)
{
    public const int ModelsMax = 10_000;

    /// <summary>The group bound as far as it could be; what had a problem is left out.</summary>
    public object Group(YamlItem item, Type type, string path)
    {
        var group = Activator.CreateInstance(type)!;
        problems.Locate(path, item.At);
        if (item is not YamlItem.Map map)
        {
            problems.Add(item.At, path, $"found {Found(item)}; {Names(type)} would do");
            return group;
        }

        var fields = Field.Of(type);
        foreach (var entry in map.Entries)
        {
            var at = Join(path, entry.Name);
            var field = fields.FirstOrDefault(field => field.Name == entry.Name);
            if (field is null) problems.Add(entry.At, Show.Text(at), Unknown(entry.Name, type));
            else if (Value(entry.Value, field, at) is { } value) field.Property.SetValue(group, value);
        }

        foreach (var missing in fields.Where(field => field.Needed is not null && map.Entries.All(entry => entry.Name != field.Name)))
            problems.Add(item.At, Join(path, missing.Name), $"missing; {missing.Needed!.WouldDo} would do");
        return group;
    }

    private object? Value(YamlItem item, Field field, string path)
    {
        problems.Locate(path, item.At);
        return field.Shape switch
        {
            FieldShape.Scalar => Scalar(item, field, path),
            FieldShape.Group when item is YamlItem.Scalar { IsNothing: true } => Nothing(item, path, $"{Names(field.Type)} would do"),
            FieldShape.Group => Group(item, field.Type, path),
            FieldShape.List => List(item, field, path),
            _ => Map(item, field, path),
        };
    }

    private object? Scalar(YamlItem item, Field field, string path)
    {
        var kind = ScalarKind.Of(field.Type)!;
        var wouldDo = $"{field.Looks?.WouldDo ?? field.Needed?.WouldDo ?? kind.WouldDo} would do";
        if (item is not YamlItem.Scalar scalar || scalar.IsNothing) return Nothing(item, path, wouldDo);
        if (kind.Read(scalar.Text) is not { } read || !field.Matches(scalar.Text)) return Nothing(item, path, wouldDo);
        if (field.Shape != FieldShape.List && field.Bounds is { } bounds && (read.Number < bounds.Least || read.Number > bounds.Most))
            return Nothing(item, path, $"it must be from {kind.Show(bounds.Least)} to {kind.Show(bounds.Most)}");
        return read.Value;
    }

    private object? List(YamlItem item, Field field, string path)
    {
        var isGroup = ScalarKind.Of(field.Type) is null;
        if (item is not YamlItem.List list)
            return Nothing(item, path, isGroup ? "a list, each element starting with \"- \", would do" : "a list such as [a, b] would do");
        var most = field.Bounds?.Most ?? ModelsMax;
        if (list.Items.Length == 0 && field.Needed is not null) return Nothing(item, path, $"{field.Needed.WouldDo} would do");
        if (list.Items.Length > most)
            return Nothing(item, path, string.Create(CultureInfo.InvariantCulture, $"it holds {list.Items.Length} and may hold {most}"));
        var values = (IList)Activator.CreateInstance(typeof(List<>).MakeGenericType(field.Type))!;
        for (var i = 0; i < list.Items.Length; i++)
        {
            var at = string.Create(CultureInfo.InvariantCulture, $"{path}[{i}]");
            var value = isGroup ? Group(list.Items[i], field.Type, at) : Scalar(list.Items[i], field, at);
            if (value is not null) values.Add(value);
        }

        return Immutable(nameof(ImmutableArray), nameof(ImmutableArray.ToImmutableArray), field.Type, values);
    }

    private object? Map(YamlItem item, Field field, string path)
    {
        if (item is not YamlItem.Map map) return Nothing(item, path, "a map such as {NAME: value} would do");
        if (field.Type == typeof(string)) return Map<string>(map, field, path);
        return Map<UsdPerHour>(map, field, path);
    }

    private ImmutableSortedDictionary<string, T> Map<T>(YamlItem.Map map, Field field, string path)
    {
        var values = ImmutableSortedDictionary.CreateBuilder<string, T>(StringComparer.Ordinal);
        foreach (var entry in map.Entries)
        {
            var at = Join(path, Show.Text(entry.Name));
            // "A:" with nothing behind it is how an empty variable is written.
            if (typeof(T) == typeof(string) && entry.Value is YamlItem.Scalar { IsNothing: true }) values[entry.Name] = (T)(object)"";
            else if (Scalar(entry.Value, typeof(T) == typeof(string) ? field with { Bounds = null } : field, at) is T value) values[entry.Name] = value;
        }

        return values.ToImmutable();
    }

    private object? Nothing(YamlItem item, string path, string wouldDo)
    {
        problems.Add(item.At, path, $"found {Found(item)}; {wouldDo}");
        return null;
    }

    private static object Immutable(string _, string method, Type element, IList values) =>
        typeof(ImmutableArray).GetMethods()
            .First(one => one.Name == method && one.GetParameters() is [{ ParameterType: { IsGenericType: true } type }]
                && type.GetGenericTypeDefinition() == typeof(IEnumerable<>))
            .MakeGenericMethod(element).Invoke(null, [values])!;

    private static string Found(YamlItem item) => item switch
    {
        YamlItem.List { Items.Length: 0 } => "an empty list",
        YamlItem.List => "a list",
        YamlItem.Map => "a map",
        YamlItem.Scalar { IsNothing: true } => "nothing",
        YamlItem.Scalar scalar => $"\"{Show.Text(scalar.Text)}\"",
        _ => "something else",
    };

    private static string Unknown(string name, Type type)
    {
        var names = Field.Of(type).Select(field => field.Name).ToList();
        return NearMiss.Of(name, names, 1).FirstOrDefault() is { } near
            ? $"there is no such field; did you mean \"{near}\"?"
            : $"there is no such field; {Names(type)} would do";
    }

    private static string Names(Type type)
    {
        var names = Field.Of(type).Select(field => field.Name).ToList();
        return names.Count == 1 ? names[0] : string.Join(", ", names.SkipLast(1)) + " or " + names[^1];
    }

    private static string Join(string path, string name) => path.Length == 0 ? name : $"{path}.{name}";
}
