using System.CommandLine;
using System.Text.Json;
using k8s.Exceptions;
using Plimsoll.Cli.Commands;
using Plimsoll.Cli.FleetFiles;
using Plimsoll.Kubernetes;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Resources;

namespace Plimsoll.Cli.Kubectl;

/// <summary>
/// The command <c>plimsoll kubectl</c>, which deploy/kubectl/kubectl-plimsoll makes a plugin of: what the operator thinks, read
/// from the cluster with the rights of whoever asks.
/// </summary>
public static class KubectlCommand
{
    private static readonly JsonSerializerOptions Indented = new(ResourceJson.Options) { WriteIndented = true };

    public static Command Create(TimeProvider time)
    {
        var reach = new ReachOptions();
        var command = new Command("kubectl", "Look at a cluster's ScaledModels; also as kubectl plimsoll")
        {
            Top(reach, time), Explain(reach, time), Fit(reach, time),
        };
        return command;
    }

    private static Command Top(ReachOptions reach, TimeProvider time)
    {
        var all = new Option<bool>("--all-namespaces", "-A") { Description = "Those of all namespaces" };
        var json = StatusCommand.JsonOption();
        var command = new Command("top", "List ScaledModels, what takes most memory first") { all, json };
        reach.AddTo(command);
        command.SetAction((parsed, cancellationToken) => reach.WithAsync(parsed, time, async (reader, space) =>
        {
            var models = await reader.ModelsAsync(parsed.GetValue(all) ? null : space, cancellationToken).ConfigureAwait(false);
            var output = parsed.InvocationConfiguration.Output;
            if (parsed.GetValue(json)) output.WriteLine(JsonSerializer.Serialize(models.Select(ModelListing.Of).ToArray(), Indented));
            else foreach (var line in TopTable.Lines(models, parsed.GetValue(all) ? null : space, StatusCommand.Width())) output.WriteLine(line);
            return ExitCode.Ok;
        }));
        return command;
    }

    private static Command Explain(ReachOptions reach, TimeProvider time)
    {
        var (name, json) = (NameArgument(), StatusCommand.JsonOption());
        var command = new Command("explain", "Say why a ScaledModel has the replicas it has, and what is wrong with it") { name, json };
        reach.AddTo(command);
        command.SetAction((parsed, cancellationToken) => reach.WithAsync(parsed, time, async (reader, space) =>
        {
            var model = await FindAsync(reader, new ObjectName(space, parsed.GetValue(name)!), cancellationToken).ConfigureAwait(false);
            var events = await EventsAsync(reader, ClusterReader.NameOf(model), cancellationToken).ConfigureAwait(false);
            var output = parsed.InvocationConfiguration.Output;
            if (parsed.GetValue(json)) output.WriteLine(JsonSerializer.Serialize(ModelListing.Of(model), Indented));
            else foreach (var line in ModelExplanation.Lines(model, events, reader.Time.GetUtcNow(), StatusCommand.Width())) output.WriteLine(line);
            return ExitCode.Ok;
        }));
        return command;
    }

    private static Command Fit(ReachOptions reach, TimeProvider time)
    {
        var name = NameArgument();
        var command = new Command("fit", "Say on which of the cluster's kinds of device a replica fits") { name };
        reach.AddTo(command);
        command.SetAction((parsed, cancellationToken) => reach.WithAsync(parsed, time, async (reader, space) =>
        {
            var model = await FindAsync(reader, new ObjectName(space, parsed.GetValue(name)!), cancellationToken).ConfigureAwait(false);
            var fit = await ModelFit.OfAsync(model, reader, time, cancellationToken).ConfigureAwait(false);
            foreach (var line in fit.Lines()) parsed.InvocationConfiguration.Output.WriteLine(line);
            return fit.Fits ? ExitCode.Ok : ExitCode.Refused;
        }));
        return command;
    }

    private static Argument<string> NameArgument() => new("NAME") { Description = "The ScaledModel's name" };

    private static async Task<ScaledModel> FindAsync(ClusterReader reader, ObjectName name, CancellationToken cancellationToken)
    {
        if (await reader.ModelAsync(name, cancellationToken).ConfigureAwait(false) is { } model) return model;
        var others = await reader.ModelsAsync(name.Namespace, cancellationToken).ConfigureAwait(false);
        var near = NearMiss.Of(name.Name, [.. others.Select(other => ClusterReader.NameOf(other).Name)], 1).FirstOrDefault();
        throw new CommandException(ExitCode.Failed, $"the namespace {Show.Text(name.Namespace)} has no ScaledModel {Show.Text(name.Name)}; "
            + (near is not null ? $"did you mean {near}?" : others.IsEmpty ? "it has none at all, and -n names another" : $"it has {string.Join(", ", others.Take(10).Select(other => ClusterReader.NameOf(other).Name))}"));
    }

    // Who may read models may not be allowed to read events; all else is shown then.
    private static async Task<IReadOnlyList<ObjectEvent>> EventsAsync(ClusterReader reader, ObjectName name, CancellationToken cancellationToken)
    {
        try
        {
            return await reader.EventsAsync(name, cancellationToken).ConfigureAwait(false);
        }
        catch (ApiException refused)
        {
            return [new ObjectEvent(null, "Warning", "Events", refused.Message, 1)];
        }
    }

    /// <summary>How the cluster is reached: as kubectl is told.</summary>
    private sealed class ReachOptions
    {
        private readonly Option<string?> _kubeconfig = new("--kubeconfig") { Description = "How to reach the cluster; default: as kubectl does", HelpName = "FILE" };
        private readonly Option<string?> _context = new("--context") { Description = "The kubeconfig's context", HelpName = "NAME" };
        private readonly Option<string?> _space = new("--namespace", "-n") { Description = "The namespace; default: the context's", HelpName = "NAME" };

        public void AddTo(Command command)
        {
            command.Add(_kubeconfig);
            command.Add(_context);
            command.Add(_space);
        }

        public async Task<int> WithAsync(ParseResult parsed, TimeProvider time, Func<ClusterReader, string, Task<int>> work)
        {
            ResourceJson.Prepare();
            try
            {
                var configuration = ClusterReach.FromFiles(
                    parsed.GetValue(_kubeconfig), parsed.GetValue(_context), Environment.GetEnvironmentVariable(ClusterReach.KubeconfigVariable));
                using var api = new KubernetesApi(configuration, time);
                return await work(new ClusterReader(api), parsed.GetValue(_space) ?? configuration.Namespace ?? "default").ConfigureAwait(false);
            }
            catch (ApiException refused)
            {
                throw new CommandException(ExitCode.Failed, refused.Message);
            }
            catch (Exception unusable) when (unusable is KubeConfigException or IOException or UnauthorizedAccessException or YamlDotNet.Core.YamlException)
            {
                throw new CommandException(ExitCode.BadInput, $"no cluster can be reached: {unusable.Message}; --kubeconfig with a file would do");
            }
        }
    }
}

/// <summary>What is printed of a ScaledModel with --json.</summary>
public sealed record ModelListing(string Namespace, string Name, ScaledModelStatus? Status)
{
    public static ModelListing Of(ScaledModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        var name = ClusterReader.NameOf(model);
        return new(name.Namespace, name.Name, model.Status);
    }
}
