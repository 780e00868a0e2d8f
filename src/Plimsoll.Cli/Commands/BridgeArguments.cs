using System.CommandLine;
using Plimsoll.Kubernetes.Bridges;

namespace Plimsoll.Cli.Commands;

/// <summary>Which bridges to KEDA, the HPA and Prometheus an operator serves, and how.</summary>
internal sealed class BridgeArguments
{
    private readonly Option<int?> _metrics = ClusterReach.PortOption("--metrics-port", "Where Prometheus asks (/metrics)", 8080);
    private readonly Option<int?> _keda = ClusterReach.PortOption("--keda-port", "Where KEDA asks (external scaler, gRPC); not served unless given", null);
    private readonly Option<bool> _kedaTls = new("--keda-tls") { Description = "KEDA's port speaks TLS, with --tls-certificate" };
    private readonly Option<string?> _kedaAuthority = new("--keda-client-authority")
    {
        Description = "PEM file of authorities, one of which must have issued KEDA's certificate; needs --keda-tls",
        HelpName = "FILE",
    };

    private readonly Option<int?> _external = ClusterReach.PortOption(
        "--external-metrics-port", "Where the API server asks (external.metrics.k8s.io); not served unless given", null);

    private readonly Option<string?> _certificate = new("--tls-certificate")
    {
        Description = "PEM file for the external metrics API, and for KEDA with --keda-tls",
        HelpName = "FILE",
    };

    private readonly Option<string?> _key = new("--tls-key") { Description = "Its key, a PEM file", HelpName = "FILE" };

    public void AddTo(Command command)
    {
        foreach (var option in (Option[])[_metrics, _keda, _kedaTls, _kedaAuthority, _external, _certificate, _key]) command.Add(option);
    }

    public BridgesOptions Of(ParseResult parsed) => new()
    {
        OperatorMetricsPort = parsed.GetValue(_metrics),
        KedaPort = parsed.GetValue(_keda),
        KedaTls = parsed.GetValue(_kedaTls),
        KedaClientAuthorityPath = parsed.GetValue(_kedaAuthority),
        ExternalMetricsPort = parsed.GetValue(_external),
        CertificatePath = parsed.GetValue(_certificate),
        CertificateKeyPath = parsed.GetValue(_key),
    };
}
