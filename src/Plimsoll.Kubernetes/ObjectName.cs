namespace Plimsoll.Kubernetes;

/// <summary>The name of a namespaced object; ordered by its ordinal characters. As a model's id it reads "namespace/name".</summary>
public readonly record struct ObjectName(string Namespace, string Name) : IComparable<ObjectName>
{
    public ModelId ModelId => new(ToString());

    /// <summary>Reads "namespace/name"; null when it has another shape.</summary>
    public static ObjectName? Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return text.Split('/') is [{ Length: > 0 } space, { Length: > 0 } name] ? new(space, name) : null;
    }

    public int CompareTo(ObjectName other) =>
        string.CompareOrdinal(Namespace, other.Namespace) is var first and not 0 ? first : string.CompareOrdinal(Name, other.Name);

    public override string ToString() => $"{Namespace}/{Name}";
}
