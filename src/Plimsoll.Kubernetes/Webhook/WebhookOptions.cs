using System.Net;

namespace Plimsoll.Kubernetes.Webhook;

/// <summary>How the webhook for pods is served, and by what objects of the cluster it is known.</summary>
public sealed record WebhookOptions
{
    /// <summary>The path that the API server asks.</summary>
    public const string Path = "/mutate-pods";

    public IPAddress Address { get; init; } = IPAddress.Any;

    /// <summary>0 takes a free one.</summary>
    public required int Port { get; init; }

    /// <summary>PEM; with a key somebody else makes and renews the certificate. Null: the operator makes its own.</summary>
    public string? CertificatePath { get; init; }

    public string? CertificateKeyPath { get; init; }

    /// <summary>The Service before it, in the operator's namespace; its DNS name is the certificate's.</summary>
    public string Service { get; init; } = "plimsoll-webhook";

    /// <summary>The Service's port.</summary>
    public int ServicePort { get; init; } = 443;

    /// <summary>The MutatingWebhookConfiguration that the leader keeps up; it must be there.</summary>
    public string Configuration { get; init; } = "plimsoll";

    /// <summary>The Secret in which the operator's own certificate is kept; it must be there, empty at first.</summary>
    public string Secret { get; init; } = "plimsoll-webhook-tls";

    internal bool MakesItsOwn => CertificatePath is null;

    /// <summary>What does not go together; null when all does.</summary>
    public string? Problem => (CertificatePath is null) != (CertificateKeyPath is null)
        ? "the webhook's certificate and its key are given together or not at all" : null;
}
