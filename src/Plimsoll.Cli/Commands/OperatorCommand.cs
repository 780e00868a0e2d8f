using System.CommandLine;
using System.Globalization;
using k8s;
using k8s.Exceptions;
using Plimsoll.Artifacts;
using Plimsoll.Cli.FleetFiles;
using Plimsoll.Control;
using Plimsoll.Kubernetes.Bridges;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Metrics;
using Plimsoll.Kubernetes.Operator;
using Plimsoll.Kubernetes.Resources;
using Plimsoll.Kubernetes.Webhook;

namespace Plimsoll.Cli.Commands;

/// <summary>The command <c>plimsoll operator</c>: plans for a cluster's ScaledModels, in it or from outside.</summary>
public static class OperatorCommand
{
    private const string NamespaceFile = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";
    private const string NamespaceOutside = "plimsoll-system";

    public static Command Create(TimeProvider time)
    {
        var kubeconfig = new Option<string?>("--kubeconfig") { Description = "How to reach the cluster from outside; inside, the pod's own account is used", HelpName = "FILE" };
        var space = new Option<string?>("--namespace") { Description = "Where its lease and what it learned are kept; in a cluster its own", HelpName = "NAME" };
        var fleet = new Option<string>("--fleet") { Description = "The Fleet that is read", HelpName = "NAME", DefaultValueFactory = _ => "default" };
        var health = Port("--health-port", "Where probes ask (/healthz, /readyz)", 8081);
        var metrics = Port("--metrics-port", "Where Prometheus asks (/metrics)", 8080);
        var prometheus = new Option<Uri?>("--prometheus") { Description = "A Prometheus server that scrapes the pods already; asked instead of them", HelpName = "URL" };
        prometheus.Validators.Add(result =>
        {
            if (result.Tokens is [{ Value: var text }] && !(Uri.TryCreate(text, UriKind.Absolute, out var url) && url.Scheme is "http" or "https"))
                result.AddError($"--prometheus: found \"{Show.Text(text)}\"; an address such as http://prometheus.monitoring:9090 would do");
        });
        var token = new Option<string?>("--prometheus-token-file") { Description = "Its bearer token, read anew for each look", HelpName = "FILE" };
        var keda = Port("--keda-port", "Where KEDA asks (external scaler, gRPC); not served unless given", null);
        var external = Port("--external-metrics-port", "Where the API server asks (external.metrics.k8s.io); not served unless given", null);
        var certificate = new Option<string?>("--tls-certificate") { Description = "PEM file for the external metrics API", HelpName = "FILE" };
        var key = new Option<string?>("--tls-key") { Description = "Its key, a PEM file", HelpName = "FILE" };
        var webhook = Port("--webhook-port", "Where the API server asks of new pods (deploy/webhook); not served unless given", null);
        var webhookCertificate = new Option<string?>("--webhook-certificate") { Description = "PEM file for the webhook; without one the operator makes its own", HelpName = "FILE" };
        var webhookKey = new Option<string?>("--webhook-key") { Description = "Its key, a PEM file", HelpName = "FILE" };
        var command = new Command("operator", "Plan for the ScaledModels of a Kubernetes cluster; changes nothing unless their mode is act")
        {
            kubeconfig, space, fleet, prometheus, token, health, metrics, keda, external, certificate, key,
            webhook, webhookCertificate, webhookKey,
        };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            ResourceJson.Prepare();
            var (configuration, own) = Reach(parsed.GetValue(kubeconfig));
            var options = new OperatorOptions
            {
                Namespace = parsed.GetValue(space) ?? own ?? NamespaceOutside,
                Identity = $"{Environment.MachineName}_{Convert.ToHexStringLower(System.Security.Cryptography.RandomNumberGenerator.GetBytes(8))}",
                Fleet = parsed.GetValue(fleet)!,
                Pod = own is null ? null : Environment.GetEnvironmentVariable("POD_NAME"),
                HealthPort = parsed.GetValue(health),
                Prometheus = parsed.GetValue(prometheus) is { } server
                    ? new PrometheusSettings { Server = server, BearerTokenFile = parsed.GetValue(token) } : null,
                Webhook = parsed.GetValue(webhook) is { } port
                    ? new WebhookOptions { Port = port, CertificatePath = parsed.GetValue(webhookCertificate), CertificateKeyPath = parsed.GetValue(webhookKey) } : null,
            };
            var bridges = new BridgesOptions
            {
                OperatorMetricsPort = parsed.GetValue(metrics),
                KedaPort = parsed.GetValue(keda),
                ExternalMetricsPort = parsed.GetValue(external),
                CertificatePath = parsed.GetValue(certificate),
                CertificateKeyPath = parsed.GetValue(key),
            };
            var output = parsed.InvocationConfiguration.Output;
            return await RunAsync(options, bridges, configuration, output, time, cancellationToken).ConfigureAwait(false);
        });
        return command;
    }

    private static async Task<int> RunAsync(
        OperatorOptions options, BridgesOptions bridges, KubernetesClientConfiguration configuration, TextWriter output, TimeProvider time,
        CancellationToken cancellationToken)
    {
        var gate = new Lock();
        void Log(string line)
        {
            lock (gate) output.WriteLine($"{time.GetUtcNow().ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture)} {Show.Text(line, 1000)}");
        }

        try
        {
            var host = await OperatorHost.StartAsync(
                options, configuration, SourceSettings.OfProcess, time, Log, tick => LogSteps(tick, Log), cancellationToken).ConfigureAwait(false);
            await using (host.ConfigureAwait(false))
            {
                using var client = new k8s.Kubernetes(configuration);
                var bridge = await BridgesHost.StartAsync(bridges, host.Desired, client, time, null, cancellationToken, host.Telemetry.Registry).ConfigureAwait(false);
                await using (bridge.ConfigureAwait(false))
                {
                    Log($"operator {options.Identity} watches {host.Api.Address}; lease {options.Namespace}/{options.LeaseName}");
                    await Task.WhenAny(host.Ended, Task.Delay(Timeout.InfiniteTimeSpan, time, cancellationToken)).ConfigureAwait(false);
                    if (!cancellationToken.IsCancellationRequested) await host.Ended.ConfigureAwait(false);
                }
            }

            return ExitCode.Ok;
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            return ExitCode.Ok;
        }
        catch (Exception problem) when (problem is ApiException or BridgesException or IOException)
        {
            throw new CommandException(ExitCode.Failed, problem.Message);
        }
    }

    // A plan that changes nothing is not worth a line; status says what it thinks.
    private static void LogSteps(Tick tick, Action<string> log)
    {
        foreach (var step in tick.Plan.Steps.Where(step => tick.Applied.Started.Contains(step.Id))) log($"{step.Id}: {step.Reason}");
    }

    private static (KubernetesClientConfiguration Configuration, string? Namespace) Reach(string? kubeconfig)
    {
        try
        {
            if (kubeconfig is null && KubernetesClientConfiguration.IsInCluster())
                return (KubernetesClientConfiguration.InClusterConfig(), File.Exists(NamespaceFile) ? File.ReadAllText(NamespaceFile).Trim() : null);
            return (KubernetesClientConfiguration.BuildConfigFromConfigFile(kubeconfig), null);
        }
        catch (Exception unusable) when (unusable is KubeConfigException or IOException or UnauthorizedAccessException or YamlDotNet.Core.YamlException)
        {
            throw new CommandException(ExitCode.BadInput, $"no cluster can be reached: {unusable.Message}; --kubeconfig with a file would do");
        }
    }

    private static Option<int?> Port(string name, string description, int? usual)
    {
        var option = new Option<int?>(name) { Description = description, HelpName = "PORT", DefaultValueFactory = _ => usual };
        option.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int?>() is < 0 or > 65_535) result.AddError($"{name}: a port from 1 to 65535, or 0 for a free one, would do");
        });
        return option;
    }
}
