namespace Plimsoll;

/// <summary>A catalogue file cannot be used. The message is one sentence naming the file, the field and what would do.</summary>
public sealed class CatalogueException : Exception
{
    public CatalogueException() { }

    public CatalogueException(string message) : base(message) { }

    public CatalogueException(string message, Exception innerException) : base(message, innerException) { }
}
