namespace Plimsoll.Cli.FleetFiles;

/// <summary>What a field means: shown by editors, and part of the schema.</summary>
[AttributeUsage(AttributeTargets.Property | AttributeTargets.Class)]
public sealed class MeansAttribute(string text) : Attribute
{
    public string Text { get; } = text;
}

/// <summary>Least and most of a number, in the field's base unit: bytes, bytes per second, seconds, cores, dollars.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class BoundsAttribute(double least, double most) : Attribute
{
    public double Least { get; } = least;

    public double Most { get; } = most;
}

/// <summary>What a text must look like.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class LooksAttribute(string pattern, string wouldDo) : Attribute
{
    /// <summary>A regular expression over the whole text, in the part that .NET and JSON Schema share.</summary>
    public string Pattern { get; } = pattern;

    /// <summary>Completes "found X; ... would do".</summary>
    public string WouldDo { get; } = wouldDo;
}

/// <summary>The field must be there.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class NeededAttribute(string wouldDo) : Attribute
{
    /// <summary>Completes "missing; ... would do".</summary>
    public string WouldDo { get; } = wouldDo;
}

/// <summary>A share, written as 0.99 or 99%.</summary>
public readonly record struct Fraction(double Value);
