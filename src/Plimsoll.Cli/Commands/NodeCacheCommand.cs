using System.CommandLine;
using System.Globalization;
using k8s;
using Plimsoll.Cli.FleetFiles;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.NodeCache;
using Plimsoll.Kubernetes.Resources;

namespace Plimsoll.Cli.Commands;

/// <summary>The command <c>plimsoll node-cache</c>: keeps the model cache of the node it runs on, as the operator asks.</summary>
public static class NodeCacheCommand
{
    private const string NodeVariable = "NODE_NAME";

    public static Command Create(TimeProvider time)
    {
        var kubeconfig = new Option<string?>("--kubeconfig") { Description = "How to reach the cluster from outside; inside, the pod's own account is used", HelpName = "FILE" };
        var node = new Option<string?>("--node") { Description = $"The node it runs on; else {NodeVariable} says", HelpName = "NAME" };
        var folder = new Option<string>("--folder") { Description = "Where the cache is", HelpName = "PATH", DefaultValueFactory = _ => CachePaths.DefaultFolder };
        var host = new Option<string?>("--host-folder") { Description = "The same folder as the node sees it, where that is another", HelpName = "PATH" };
        var budget = new Option<Bytes?>("--budget")
        {
            Description = "What it may hold at the most; else all that is free at the start but for --keep-free",
            HelpName = "SIZE",
            CustomParser = result => Bytes.TryParse(result.Tokens[0].Value, out var bytes) && bytes > Bytes.Zero ? bytes : Wrong<Bytes?>(result, "a size such as 500GiB"),
        };
        var free = new Option<Func<Bytes, Bytes>?>("--keep-free")
        {
            Description = "What is to stay free of its disk, for images and so that the kubelet ends no pods; else 20%",
            HelpName = "SIZE|PERCENT%",
            CustomParser = result => KeepFree(result.Tokens[0].Value) ?? Wrong<Func<Bytes, Bytes>?>(result, "a size such as 100GiB, or a part such as 20%"),
        };
        var bandwidth = new Option<BytesPerSecond?>("--bandwidth")
        {
            Description = "Of all fetches together; else no limit",
            HelpName = "RATE",
            CustomParser = result => BytesPerSecond.TryParse(result.Tokens[0].Value, out var rate) && rate.Value > 0 ? rate : Wrong<BytesPerSecond?>(result, "a bandwidth such as 200MB/s"),
        };
        var heartbeat = new Option<TimeSpan?>("--heartbeat")
        {
            Description = "The longest it is silent; else 2min",
            HelpName = "TIME",
            CustomParser = result => DurationText.TryParse(result.Tokens[0].Value, out var span) && span >= TimeSpan.FromSeconds(5) && span <= TimeSpan.FromHours(1)
                ? span : Wrong<TimeSpan?>(result, "a time from 5s to 1h"),
        };
        var command = new Command("node-cache", "Keep a node's model cache, for a DaemonSet") { kubeconfig, node, folder, host, budget, free, bandwidth, heartbeat };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            ResourceJson.Prepare();
            if ((parsed.GetValue(node) ?? Environment.GetEnvironmentVariable(NodeVariable)) is not { Length: > 0 and <= 253 } name)
                throw new CommandException(ExitCode.BadInput, $"the node is not named; --node with its name, or {NodeVariable} from the downward API, would do");
            var defaults = new NodeCacheAgentOptions { Node = name, Folder = parsed.GetValue(folder)! };
            var options = defaults with
            {
                HostFolder = parsed.GetValue(host) ?? defaults.Folder,
                Budget = parsed.GetValue(budget),
                KeepFree = parsed.GetValue(free) ?? defaults.KeepFree,
                Bandwidth = parsed.GetValue(bandwidth),
                Heartbeat = parsed.GetValue(heartbeat) ?? defaults.Heartbeat,
            };
            return await RunAsync(options, ClusterReach.Of(parsed.GetValue(kubeconfig)).Configuration, EnduringWriter.Over(parsed.InvocationConfiguration.Output), time, cancellationToken)
                .ConfigureAwait(false);
        });
        return command;
    }

    private static async Task<int> RunAsync(
        NodeCacheAgentOptions options, KubernetesClientConfiguration configuration, TextWriter output, TimeProvider time, CancellationToken cancellationToken)
    {
        time = new ClusterTime(time);
        var gate = new Lock();
        void Log(string line)
        {
            lock (gate) output.WriteLine($"{time.GetUtcNow().ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture)} {Show.Text(line, 1000)}");
        }

        try
        {
            using var api = new KubernetesApi(configuration, time);
            Log($"the model cache of {options.Node} is kept in {options.Folder}");
            await new NodeCacheAgent(options, api, time, Log).RunAsync(cancellationToken).ConfigureAwait(false);
            return ExitCode.Ok;
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            return ExitCode.Ok;
        }
        catch (Exception problem) when (problem is ApiException or NodeCacheGoneException)
        {
            throw new CommandException(ExitCode.Failed, NodeCacheAgent.Own(problem.Message));
        }
    }

    private static Func<Bytes, Bytes>? KeepFree(string text)
    {
        if (text.EndsWith('%'))
            return int.TryParse(text[..^1], NumberStyles.None, CultureInfo.InvariantCulture, out var percent) && percent is >= 1 and <= 99 ? size => new Bytes(size.Value / 100 * percent) : null;
        return Bytes.TryParse(text, out var bytes) ? _ => bytes : null;
    }

    private static T? Wrong<T>(System.CommandLine.Parsing.ArgumentResult result, string wouldDo)
    {
        result.AddError($"{result.Argument.Name}: found \"{Show.Text(result.Tokens[0].Value)}\"; {wouldDo} would do");
        return default;
    }
}
