namespace Plimsoll.Kubernetes.Resources;

// The one truth about a field: the manifests of the custom resources are written from these, and objects checked by them.

/// <summary>What a field means: shown by <c>kubectl explain</c>.</summary>
[AttributeUsage(AttributeTargets.Property | AttributeTargets.Class)]
internal sealed class MeansAttribute(string text) : Attribute
{
    public string Text { get; } = text;
}

/// <summary>Least and most of a number; of a list or map, of each value in it.</summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class BoundsAttribute(double least, double most) : Attribute
{
    public double Least { get; } = least;

    public double Most { get; } = most;
}

/// <summary>Most entries of a list or map.</summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class HoldsAttribute(int most) : Attribute
{
    public int Most { get; } = most;

    public int Least { get; init; }

    /// <summary>The field by which entries of a list are told apart; null for a list that is replaced as a whole.</summary>
    public string? Key { get; init; }

    /// <summary>
    /// A map or group that is replaced as a whole. Of one that is applied key by key and then left out an older server makes null, and
    /// refuses the object for it.
    /// </summary>
    public bool Whole { get; init; }
}

/// <summary>What a text must look like.</summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class LooksAttribute(string pattern, int longest, string wouldDo) : Attribute
{
    /// <summary>A regular expression over the whole text, in the part that .NET and Go share; empty for any text.</summary>
    public string Pattern { get; } = pattern;

    /// <summary>In Unicode code points, as the API server counts.</summary>
    public int Longest { get; } = longest;

    /// <summary>Completes "found X; ... would do".</summary>
    public string WouldDo { get; } = wouldDo;
}

/// <summary>A duration, "200ms" to "1d", with its bounds in seconds.</summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class DurationAttribute(double leastSeconds, double mostSeconds) : Attribute
{
    public double LeastSeconds { get; } = leastSeconds;

    public double MostSeconds { get; } = mostSeconds;
}

/// <summary>A size, "250MB" or "6Gi", or with <see cref="PerSecond"/> a bandwidth, with its bounds in bytes.</summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class SizeAttribute(long least, long most) : Attribute
{
    public long Least { get; } = least;

    public long Most { get; } = most;

    public bool PerSecond { get; init; }
}

/// <summary>The words that a text may be.</summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class WordsAttribute(params string[] words) : Attribute
{
    public string[] Words { get; } = words;
}

/// <summary>The field must be there.</summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class NeededAttribute(string wouldDo) : Attribute
{
    /// <summary>Completes "missing; ... would do".</summary>
    public string WouldDo { get; } = wouldDo;
}

/// <summary>What the API server fills in where the field is left out.</summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class FilledInAttribute(object value) : Attribute
{
    public object Value { get; } = value;
}

/// <summary>A rule over several fields in the Common Expression Language, for API servers that have it (1.25 and later).</summary>
[AttributeUsage(AttributeTargets.Class, AllowMultiple = true)]
internal sealed class RuleAttribute(string expression, string message) : Attribute
{
    public string Expression { get; } = expression;

    public string Message { get; } = message;
}

/// <summary>Exactly one of these fields must be there.</summary>
[AttributeUsage(AttributeTargets.Class)]
internal sealed class OneOfAttribute(params string[] fields) : Attribute
{
    public string[] Fields { get; } = fields;
}

/// <summary>A column of <c>kubectl get</c>.</summary>
[AttributeUsage(AttributeTargets.Class, AllowMultiple = true)]
internal sealed class ColumnAttribute(string name, string type, string path, string means) : Attribute
{
    public string Name { get; } = name;

    public string Type { get; } = type;

    public string Path { get; } = path;

    public string Means { get; } = means;

    /// <summary>Shown with <c>-o wide</c> alone.</summary>
    public bool Wide { get; init; }
}

/// <summary>The resource's names beside its kind.</summary>
[AttributeUsage(AttributeTargets.Class)]
internal sealed class NamesAttribute(string plural, string singular, string shortName) : Attribute
{
    public string Plural { get; } = plural;

    public string Singular { get; } = singular;

    public string ShortName { get; } = shortName;

    public bool Namespaced { get; init; } = true;
}
