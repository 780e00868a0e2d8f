namespace Plimsoll.Artifacts;

/// <summary>A model file cannot be used. The message is one sentence naming the file and what is wrong with it,
/// fit to be shown to a person as it is.</summary>
public sealed class ArtifactException : Exception
{
    public ArtifactException() { }

    public ArtifactException(string message) : base(message) { }

    public ArtifactException(string message, Exception innerException) : base(message, innerException) { }

    /// <summary>True when nobody answered, or only that it cannot at the moment: the file may well be as it was.</summary>
    public bool Unreachable { get; init; }

    /// <summary>True when the place answered that there is no such file.</summary>
    public bool Missing { get; init; }

    /// <summary>True when the place would not let us in.</summary>
    internal bool Forbidden { get; init; }
}
