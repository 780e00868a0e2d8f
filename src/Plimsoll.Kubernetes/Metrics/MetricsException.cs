namespace Plimsoll.Kubernetes.Metrics;

/// <summary>What a server said cannot be used; the message is one sentence, without its subject's address.</summary>
public sealed class MetricsException : Exception
{
    public MetricsException(string message)
        : base(message)
    {
    }

    public MetricsException(string message, Exception inner)
        : base(message, inner)
    {
    }

    public MetricsException()
    {
    }
}
