using System.CommandLine;
using System.Globalization;
using System.Net;
using k8s;
using Plimsoll.Cli.FleetFiles;
using Plimsoll.Gateway;
using Plimsoll.Kubernetes;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Gateway;
using Plimsoll.Kubernetes.Resources;

namespace Plimsoll.Cli.Commands;

/// <summary>The command <c>plimsoll gateway</c>: one replica of the gateway in a cluster.</summary>
public static class GatewayCommand
{
    public static Command Create(TimeProvider time)
    {
        var kubeconfig = ClusterReach.KubeconfigOption();
        var deployment = ClusterReach.ObjectOption("--deployment", $"The Deployment that runs it, whose pods share the replicas' places; {ClusterGatewayOptions.UsualName} in its own namespace unless given");
        var address = new Option<string>("--address") { Description = "Where it listens", HelpName = "ADDRESS", DefaultValueFactory = _ => "0.0.0.0" };
        address.Validators.Add(result =>
        {
            if (result.Tokens is [{ Value: var text }] && !IPAddress.TryParse(text, out _))
                result.AddError($"--address: found \"{Show.Text(text)}\"; an address such as 0.0.0.0 or :: would do");
        });
        var port = ClusterReach.PortOption("--port", "Where requests come", 8080);
        var admin = ClusterReach.PortOption("--admin-port", "Where probes, Prometheus and the operator ask", ClusterGatewayOptions.UsualAdminPort);
        var wait = Time("--wait", "Longest time a request is held for a model, unless its ScaledModel says otherwise", TimeSpan.FromMinutes(2));
        var end = Time("--end-time", "Longest time that requests held and under way are waited for at the end", TimeSpan.FromMinutes(2));
        var key = new Option<string?>("--api-key-file") { Description = "A file with the key that clients must send as Authorization: Bearer; none is asked for unless given", HelpName = "FILE" };
        var certificate = new Option<string?>("--tls-certificate") { Description = "PEM file; plain HTTP unless given", HelpName = "FILE" };
        var tlsKey = new Option<string?>("--tls-key") { Description = "Its key, a PEM file", HelpName = "FILE" };
        var command = new Command("gateway", "Take requests for a Kubernetes cluster's models, hold them while a model loads, and count them for the operator")
        {
            kubeconfig, deployment, address, port, admin, wait, end, key, certificate, tlsKey,
        };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            ResourceJson.Prepare();
            var (configuration, own) = ClusterReach.Of(parsed.GetValue(kubeconfig));
            var listen = IPAddress.Parse(parsed.GetValue(address)!);
            var options = new ClusterGatewayOptions
            {
                Workload = ObjectName.Parse(parsed.GetValue(deployment) ?? "") ?? new ObjectName(own ?? ClusterReach.NamespaceOutside, ClusterGatewayOptions.UsualName),
                EndTime = DurationOf(parsed.GetValue(end)!),
                Gateway = new GatewayOptions
                {
                    Address = listen,
                    AdminAddress = listen,
                    IsGuarded = true,
                    Port = parsed.GetValue(port) ?? 8080,
                    AdminPort = parsed.GetValue(admin) ?? ClusterGatewayOptions.UsualAdminPort,
                    HoldTime = DurationOf(parsed.GetValue(wait)!),
                    ApiKey = parsed.GetValue(key) is { } file ? KeyOf(file) : null,
                    TlsCertificatePath = parsed.GetValue(certificate),
                    TlsKeyPath = parsed.GetValue(tlsKey),
                },
            };
            return await RunAsync(options, configuration, EnduringWriter.Over(parsed.InvocationConfiguration.Output), time, cancellationToken).ConfigureAwait(false);
        });
        return command;
    }

    private static async Task<int> RunAsync(
        ClusterGatewayOptions options, KubernetesClientConfiguration configuration, TextWriter output, TimeProvider time, CancellationToken cancellationToken)
    {
        var gate = new Lock();
        void Log(string line)
        {
            lock (gate) output.WriteLine($"{time.GetUtcNow().ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture)} {Show.Text(line, 1000)}");
        }

        try
        {
            var gateway = await ClusterGateway.StartAsync(options, configuration, time, Log, null, cancellationToken).ConfigureAwait(false);
            await using (gateway.ConfigureAwait(false))
            {
                Log($"gateway {options.Workload} takes requests at {gateway.Address}, tells of them at {gateway.AdminAddress}, and watches {gateway.Api.Address}");
                await Task.WhenAny(gateway.Ended, Task.Delay(Timeout.InfiniteTimeSpan, time, cancellationToken)).ConfigureAwait(false);
                if (!cancellationToken.IsCancellationRequested) await gateway.Ended.ConfigureAwait(false);
                Log("it ends: no longer ready, and what it holds is served first");
                await gateway.EndAsync(CancellationToken.None).ConfigureAwait(false);
            }

            return ExitCode.Ok;
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            return ExitCode.Ok;
        }
        catch (Exception problem) when (problem is ApiException or GatewayException or IOException)
        {
            throw new CommandException(ExitCode.Failed, problem.Message);
        }
    }

    private static string KeyOf(string file)
    {
        try
        {
            return File.ReadAllText(file).Trim() is { Length: > 0 } key ? key
                : throw new CommandException(ExitCode.BadInput, $"--api-key-file: {file} is empty; a key in it would do");
        }
        catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException)
        {
            throw new CommandException(ExitCode.BadInput, $"--api-key-file: {file} cannot be read: {unreadable.Message}");
        }
    }

    private static TimeSpan DurationOf(string text) => DurationText.TryParse(text, out var time) ? time : TimeSpan.FromMinutes(2);

    private static Option<string> Time(string name, string description, TimeSpan usual)
    {
        var option = new Option<string>(name) { Description = description, HelpName = "TIME", DefaultValueFactory = _ => $"{usual.TotalMinutes:0}min" };
        option.Validators.Add(result =>
        {
            if (result.Tokens is [{ Value: var text }] && !(DurationText.TryParse(text, out var time) && time > TimeSpan.Zero && time <= TimeSpan.FromHours(1)))
                result.AddError($"{name}: found \"{Show.Text(text)}\"; a time such as 90s or 10min, up to 1h, would do");
        });
        return option;
    }
}
