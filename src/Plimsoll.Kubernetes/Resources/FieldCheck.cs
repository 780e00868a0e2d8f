using System.Collections;
using System.Collections.Immutable;
using System.Globalization;
using System.Reflection;

namespace Plimsoll.Kubernetes.Resources;

/// <summary>One thing wrong with an object.</summary>
/// <param name="Field">Its path ("spec.variants[2].name").</param>
/// <param name="Message">What was found and what would do.</param>
public sealed record FieldProblem(string Field, string Message)
{
    public override string ToString() => $"{Field}: {Message}";
}

/// <summary>
/// Checks an object's fields by what their properties declare, whatever the API server let through: one without our
/// schema, or with an older one, lets everything through.
/// </summary>
internal sealed class FieldCheck
{
    /// <summary>More than a person repairs in one go, and than a condition's message should hold.</summary>
    public const int ProblemsMax = 20;

    /// <summary>A label's name with its prefix, the longest of what maps hold.</summary>
    public const int LongestEntry = 317;

    private readonly List<FieldProblem> _problems = [];

    public ImmutableArray<FieldProblem> Problems => [.. _problems];

    public bool Any => _problems.Count > 0;

    public void Add(string field, string message)
    {
        if (_problems.Count < ProblemsMax) _problems.Add(new FieldProblem(field, message));
    }

    /// <summary>All fields of a group and of the groups in it.</summary>
    public void Group(object group, string path)
    {
        foreach (var field in Field.Of(group.GetType()))
        {
            var at = $"{path}.{field.Name}";
            if (field.Property.GetValue(group) is { } value) Value(value, field, at);
            else if (field.Needed is not null) Add(at, $"missing; {field.Needed.WouldDo} would do");
        }

        if (group.GetType().GetCustomAttribute<OneOfAttribute>() is { } one) ExactlyOne(group, one, path);
    }

    private void Value(object value, Field field, string path)
    {
        switch (field.Shape)
        {
            case FieldShape.Text:
                Text((string)value, field, path);
                break;
            case FieldShape.Integer or FieldShape.Number:
                Number(Convert.ToDouble(value, CultureInfo.InvariantCulture), field, path);
                break;
            case FieldShape.Group:
                Group(value, path);
                break;
            case FieldShape.List:
                List((IEnumerable)value, field, path);
                break;
            case FieldShape.Map:
                Map((IEnumerable)value, field, path);
                break;
            default:
                break;
        }
    }

    private void Text(string text, Field field, string path)
    {
        var found = $"found \"{Shown.Text(text)}\"";
        if (field.Words is { } words)
        {
            if (!words.Words.Contains(text, StringComparer.Ordinal)) Add(path, $"{found}; {Either(words.Words)} would do");
        }
        else if (field.Duration is { } duration)
        {
            if (!DurationText.TryParse(text, out var time)) Add(path, $"{found}; {DurationText.WouldDo} would do");
            else if (time.TotalSeconds < duration.LeastSeconds || time.TotalSeconds > duration.MostSeconds)
                Add(path, $"{found}; it must be from {Durations.Show(duration.LeastSeconds)} to {Durations.Show(duration.MostSeconds)}");
        }
        else if (field.Size is { } size) Size(text, size, found, path);
        else if (field.Looks is { } looks && (text.Length == 0 || Runes(text, looks.Longest) > looks.Longest || !field.Matches(text)))
            Add(path, $"{found}; {looks.WouldDo} would do, of at most {looks.Longest} characters");
    }

    private void Size(string text, SizeAttribute size, string found, string path)
    {
        var (read, value) = size.PerSecond
            ? (BytesPerSecond.TryParse(text, out var rate), rate.Value)
            : (Bytes.TryParse(text, out var bytes), bytes.Value);
        var (unit, example) = size.PerSecond ? ("/s", "a bandwidth such as 200MB/s") : ("", "a size such as 250MB or 6GiB");
        if (!read) Add(path, $"{found}; {example} would do");
        else if (value < size.Least || value > size.Most)
            Add(path, $"{found}; it must be from {new Bytes(size.Least)}{unit} to {new Bytes(size.Most)}{unit}");
    }

    private void Number(double number, Field field, string path)
    {
        if (field.Bounds is { } bounds && !(number >= bounds.Least && number <= bounds.Most))
            Add(path, $"found {Shown.Number(number)}; it must be from {Shown.Number(bounds.Least)} to {Shown.Number(bounds.Most)}");
    }

    private void List(IEnumerable list, Field field, string path)
    {
        var most = field.Holds?.Most ?? int.MaxValue;
        var key = field.Holds?.Key is { } name ? Field.Of(field.Type).First(one => one.Name == name) : null;
        var first = new Dictionary<string, int>(StringComparer.Ordinal);
        var count = 0;
        foreach (var item in list)
        {
            var at = string.Create(CultureInfo.InvariantCulture, $"{path}[{count}]");
            if (++count > most)
            {
                Add(path, $"it holds more than {most}; {most} would do");
                return;
            }

            if (item is null)
            {
                Add(at, "found nothing; an entry with its fields would do");
                continue;
            }

            Group(item, at);
            if (key?.Property.GetValue(item) is string text && !first.TryAdd(text, count - 1))
                Add($"{at}.{key.Name}", $"found \"{Shown.Text(text)}\" a second time, first in [{first[text]}]; names must differ");
        }

        if (count < (field.Holds?.Least ?? 0)) Add(path, $"it is empty; a list with at least {field.Holds!.Least} would do");
    }

    private void Map(IEnumerable map, Field field, string path)
    {
        var most = field.Holds?.Most ?? int.MaxValue;
        var count = 0;
        foreach (var entry in map)
        {
            if (++count > most)
            {
                Add(path, $"it holds more than {most}; {most} would do");
                return;
            }

            var (key, value) = entry switch
            {
                KeyValuePair<string, string> text => (text.Key, (object?)text.Value),
                KeyValuePair<string, double> number => (number.Key, number.Value),
                KeyValuePair<string, int> whole => (whole.Key, whole.Value),
                _ => throw new InvalidOperationException($"{field.Property} maps to a type that is not checked"),
            };
            var at = $"{path}[{Shown.Text(key)}]";
            if (key.Length is 0 or > LongestEntry || key.Any(char.IsControl)) Add(at, $"a name of 1 to {LongestEntry} characters would do");
            if (value is null or string { Length: > LongestEntry }) Add(at, $"a text of at most {LongestEntry} characters would do");
            else if (value is not string) Number(Convert.ToDouble(value, CultureInfo.InvariantCulture), field, at);
        }
    }

    private void ExactlyOne(object group, OneOfAttribute one, string path)
    {
        var given = Field.Of(group.GetType()).Where(field => one.Fields.Contains(field.Name) && field.Property.GetValue(group) is not null)
            .Select(field => field.Name).ToList();
        if (given.Count != 1)
            Add(path, $"found {(given.Count == 0 ? "none" : string.Join(" and ", given))}; exactly one of {Either(one.Fields).Replace(" or ", " and ", StringComparison.Ordinal)} would do");
    }

    private static string Either(IReadOnlyList<string> words) => string.Join(", ", words.SkipLast(1)) + " or " + words[^1];

    // A text of half a megabyte is not counted to its end.
    private static int Runes(string text, int enough) => text.EnumerateRunes().Take(enough + 1).Count();
}
