using System.CommandLine;
using System.Globalization;
using k8s;
using Plimsoll.Artifacts;
using Plimsoll.Cli.FleetFiles;
using Plimsoll.Cli.Fleets;
using Plimsoll.Control;
using Plimsoll.Gateway;
using Plimsoll.Kubernetes;
using Plimsoll.Kubernetes.Bridges;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Gateway;
using Plimsoll.Kubernetes.Metrics;
using Plimsoll.Kubernetes.NodeCache;
using Plimsoll.Kubernetes.Operator;
using Plimsoll.Kubernetes.Resources;
using Plimsoll.Kubernetes.Webhook;
using Plimsoll.Pages.Live;

namespace Plimsoll.Cli.Commands;

/// <summary>The command <c>plimsoll operator</c>: plans for a cluster's ScaledModels, in it or from outside.</summary>
public static class OperatorCommand
{
    public static Command Create(TimeProvider time)
    {
        var kubeconfig = ClusterReach.KubeconfigOption();
        var space = new Option<string?>("--namespace") { Description = "Where its lease and what it learned are kept; in a cluster its own", HelpName = "NAME" };
        var fleet = new Option<string>("--fleet") { Description = "The Fleet that is read", HelpName = "NAME", DefaultValueFactory = _ => "default" };
        var health = ClusterReach.PortOption("--health-port", "Where probes ask (/healthz, /readyz)", 8081);
        var prometheus = new Option<Uri?>("--prometheus") { Description = "A Prometheus server that scrapes the pods already; asked instead of them", HelpName = "URL" };
        prometheus.Validators.Add(result =>
        {
            if (result.Tokens is [{ Value: var text }] && !(Uri.TryCreate(text, UriKind.Absolute, out var url) && url.Scheme is "http" or "https"))
                result.AddError($"--prometheus: found \"{Show.Text(text)}\"; an address such as http://prometheus.monitoring:9090 would do");
        });
        var token = new Option<string?>("--prometheus-token-file") { Description = "Its bearer token, read anew for each look", HelpName = "FILE" };
        var gateway = ClusterReach.ObjectOption("--gateway", $"The Deployment of the gateway that is asked for demand; {ClusterGatewayOptions.UsualName} in its own namespace unless given");
        var gatewayPort = ClusterReach.PortOption("--gateway-port", "The admin port of the gateway's pods", ClusterGatewayOptions.UsualAdminPort);
        var journal = new Option<string?>("--journal") { Description = "Write each snapshot and plan into the journal of this folder, for plimsoll replay and history; 256 MiB or seven days at most", HelpName = "FOLDER" };
        var cache = new Option<string>("--cache-folder") { Description = "The folder of the model cache on each node, as pods mount it", HelpName = "PATH", DefaultValueFactory = _ => CachePaths.DefaultFolder };
        var page = new Option<bool>("--no-page") { Description = "Serve no live page; by default it is on the metrics port, at /" };
        var webhook = ClusterReach.PortOption("--webhook-port", "Where the API server asks of new pods (deploy/webhook); not served unless given", null);
        var webhookCertificate = new Option<string?>("--webhook-certificate") { Description = "PEM file for the webhook; without one the operator makes its own", HelpName = "FILE" };
        var webhookKey = new Option<string?>("--webhook-key") { Description = "Its key, a PEM file", HelpName = "FILE" };
        var command = new Command("operator", "Plan for the ScaledModels of a Kubernetes cluster; changes nothing unless their mode is act")
        {
            kubeconfig, space, fleet, prometheus, token, gateway, gatewayPort, cache, health,
            webhook, webhookCertificate, webhookKey, journal, page,
        };
        var bridge = new BridgeArguments();
        bridge.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            ResourceJson.Prepare();
            var (configuration, own) = ClusterReach.Of(parsed.GetValue(kubeconfig));
            var home = parsed.GetValue(space) ?? own ?? ClusterReach.NamespaceOutside;
            var options = new OperatorOptions
            {
                Namespace = home,
                Identity = $"{Environment.MachineName}_{Convert.ToHexStringLower(System.Security.Cryptography.RandomNumberGenerator.GetBytes(8))}",
                Fleet = parsed.GetValue(fleet)!,
                Pod = own is null ? null : Environment.GetEnvironmentVariable("POD_NAME"),
                CacheFolder = parsed.GetValue(cache)!.TrimEnd('/'),
                HealthPort = parsed.GetValue(health),
                Prometheus = parsed.GetValue(prometheus) is { } server
                    ? new PrometheusSettings { Server = server, BearerTokenFile = parsed.GetValue(token) } : null,
                Gateway = new GatewaySettings
                {
                    Workload = ObjectName.Parse(parsed.GetValue(gateway) ?? "") ?? new ObjectName(home, ClusterGatewayOptions.UsualName),
                    Port = parsed.GetValue(gatewayPort) ?? ClusterGatewayOptions.UsualAdminPort,
                },
                Webhook = parsed.GetValue(webhook) is { } port
                    ? new WebhookOptions { Port = port, CertificatePath = parsed.GetValue(webhookCertificate), CertificateKeyPath = parsed.GetValue(webhookKey) } : null,
            };
            var bridges = bridge.Of(parsed);
            var output = EnduringWriter.Over(parsed.InvocationConfiguration.Output);
            return await RunAsync(options, bridges, configuration, parsed.GetValue(journal), !parsed.GetValue(page), output, time, cancellationToken).ConfigureAwait(false);
        });
        return command;
    }

    private static async Task<int> RunAsync(
        OperatorOptions options, BridgesOptions bridges, KubernetesClientConfiguration configuration, string? folder, bool page, TextWriter output,
        TimeProvider time, CancellationToken cancellationToken)
    {
        // What it logs, keeps and answers is dated as its plans are.
        time = new ClusterTime(time);
        var gate = new Lock();
        void Log(string line)
        {
            lock (gate) output.WriteLine($"{time.GetUtcNow().ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture)} {Show.Text(line, 1000)}");
        }

        try
        {
            var journal = folder is null ? null
                : await new OperatorJournal(folder, options.Allocator.Name, time, new LineLog(Log), Log).OpenAsync().ConfigureAwait(false);
            OperatorHost? running = null;
            var live = page ? new LiveFleet(options.Fleet, time, () => running?.Run.Health.Trouble) : null;
            var host = await OperatorHost.StartAsync(
                options, configuration, SourceSettings.OfProcess, time, Log,
                tick =>
                {
                    LogSteps(tick, Log);
                    live?.Show(tick);
                },
                cancellationToken, journal).ConfigureAwait(false);
            running = host;
            await using (host.ConfigureAwait(false))
            {
                using var client = new k8s.Kubernetes(configuration);
                var bridge = await BridgesHost.StartAsync(
                    bridges, host.Desired, client, time, null, cancellationToken, host.Telemetry.Registry,
                    live is null ? null : new LiveEndpoint(live, time)).ConfigureAwait(false);
                await using (bridge.ConfigureAwait(false))
                {
                    Log($"operator {options.Identity} watches {host.Api.Address}; lease {options.Namespace}/{options.LeaseName}");
                    if (live is not null && bridge.OperatorMetrics is { } metrics) Log($"what it does, in a browser: {metrics}");
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
}
