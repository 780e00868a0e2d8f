using System.Net;

namespace Plimsoll.Kubernetes.Bridges;

/// <summary>Which bridges are served, and where. A port of 0 takes a free one; null leaves that bridge out.</summary>
public sealed record BridgesOptions
{
    public IPAddress Address { get; init; } = IPAddress.Any;

    /// <summary>KEDA's external scaler, gRPC.</summary>
    public int? KedaPort { get; init; }

    /// <summary>Whether KEDA's port speaks TLS, with the certificate below.</summary>
    public bool KedaTls { get; init; }

    /// <summary>A PEM file of authorities; with it KEDA must show a certificate that one of them issued. Needs TLS.</summary>
    public string? KedaClientAuthorityPath { get; init; }

    /// <summary>The external metrics API, always TLS.</summary>
    public int? ExternalMetricsPort { get; init; }

    /// <summary>Prometheus' /metrics, plain HTTP.</summary>
    public int? OperatorMetricsPort { get; init; }

    /// <summary>PEM: the server's certificate, intermediates after it. Renewed files are taken up within ten seconds.</summary>
    public string? CertificatePath { get; init; }

    /// <summary>PEM: the certificate's private key.</summary>
    public string? CertificateKeyPath { get; init; }

    /// <summary>How long open calls may go on when the host is told to stop.</summary>
    public TimeSpan ShutdownTime { get; init; } = TimeSpan.FromSeconds(5);

    internal IEnumerable<string> Problems()
    {
        if ((CertificatePath is null) != (CertificateKeyPath is null)) yield return "a certificate and its key are given together or not at all";
        if (CertificatePath is null && ExternalMetricsPort is not null)
            yield return "the external metrics API needs a certificate and its key: the API server talks to it by TLS only";
        if (CertificatePath is null && KedaTls) yield return "TLS for KEDA needs a certificate and its key";
        if (KedaClientAuthorityPath is not null && !KedaTls) yield return "certificates of KEDA's are judged on a TLS port only";
    }
}

/// <summary>The bridges could not be started; the message is one sentence for the person who started them.</summary>
public sealed class BridgesException(string message, Exception? inner = null) : Exception(message, inner);
