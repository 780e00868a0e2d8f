using System.Collections.Immutable;
using System.CommandLine;
using System.Net;
using System.Text.Json;
using k8s;
using k8s.Exceptions;
using k8s.Models;
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
        var command = new Command("kubectl", "Look at a cluster's ScaledModels and PlannedJobs; also as kubectl plimsoll")
        {
            Top(reach, time), Explain(reach, time), Fit(reach, time),
        };
        return command;
    }

    private static Command Top(ReachOptions reach, TimeProvider time)
    {
        var all = new Option<bool>("--all-namespaces", "-A") { Description = "Those of all namespaces" };
        var json = StatusCommand.JsonOption();
        var command = new Command("top", "List ScaledModels, what takes most memory first, and PlannedJobs") { all, json };
        reach.AddTo(command);
        command.SetAction((parsed, cancellationToken) => reach.WithAsync(parsed, time, async (reader, space) =>
        {
            var (output, of) = (parsed.InvocationConfiguration.Output, parsed.GetValue(all) ? null : space);
            var models = await reader.ModelsAsync(of, cancellationToken).ConfigureAwait(false);
            var (jobs, refused) = await JobsAsync(reader, of, cancellationToken).ConfigureAwait(false);
            if (parsed.GetValue(json)) output.WriteLine(JsonSerializer.Serialize(models.Select(ObjectListing.Of).Concat(jobs.Select(ObjectListing.Of)).ToArray(), Indented));
            else foreach (var line in TopTable.Lines(models, of, StatusCommand.Width()).Concat(TopTable.Jobs(jobs, of, StatusCommand.Width()))) output.WriteLine(line);
            if (refused is not null) parsed.InvocationConfiguration.Error.WriteLine($"plimsoll: PlannedJobs are not shown: {refused}");
            return ExitCode.Ok;
        }));
        return command;
    }

    private static Command Explain(ReachOptions reach, TimeProvider time)
    {
        var (name, json) = (NameArgument("The ScaledModel's name, or the PlannedJob's, or ppj/NAME"), StatusCommand.JsonOption());
        var command = new Command("explain", "Say why a ScaledModel has the replicas it has, or what becomes of a PlannedJob, and what is wrong with it") { name, json };
        reach.AddTo(command);
        command.SetAction((parsed, cancellationToken) => reach.WithAsync(parsed, time, async (reader, space) =>
        {
            var (output, asked) = (parsed.InvocationConfiguration.Output, new ObjectName(space, parsed.GetValue(name)!));
            if (await FindJobAsync(reader, asked, cancellationToken).ConfigureAwait(false) is { } job)
            {
                var told = await EventsAsync(reader, ClusterReader.NameOf(job), cancellationToken, PlannedJob.KubeKind).ConfigureAwait(false);
                if (parsed.GetValue(json)) output.WriteLine(JsonSerializer.Serialize(ObjectListing.Of(job), Indented));
                else foreach (var line in JobExplanation.Lines(job, told, reader.Time.GetUtcNow(), StatusCommand.Width())) output.WriteLine(line);
                return ExitCode.Ok;
            }

            var model = await FindAsync(reader, asked, cancellationToken).ConfigureAwait(false);
            var events = await EventsAsync(reader, ClusterReader.NameOf(model), cancellationToken).ConfigureAwait(false);
            if (parsed.GetValue(json)) output.WriteLine(JsonSerializer.Serialize(ObjectListing.Of(model), Indented));
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

    private static Argument<string> NameArgument(string of = "The ScaledModel's name") => new("NAME") { Description = of };

    // Of the two kinds the models go first where both have one of the name; ppj/NAME says which is meant.
    private static async Task<PlannedJob?> FindJobAsync(ClusterReader reader, ObjectName name, CancellationToken cancellationToken)
    {
        if (name.Name.Split('/', 2) is [var kind, var job])
        {
            if (kind is not ("ppj" or "plannedjob" or "plannedjobs")) throw new CommandException(ExitCode.BadInput, $"{Show.Text(kind)} is no kind of Plimsoll's; ppj/NAME or a ScaledModel's name would do");
            return await reader.JobAsync(name with { Name = job }, cancellationToken).ConfigureAwait(false)
                ?? throw new CommandException(ExitCode.Failed, $"the namespace {Show.Text(name.Namespace)} has no PlannedJob {Show.Text(job)}");
        }

        try
        {
            return await reader.ModelAsync(name, cancellationToken).ConfigureAwait(false) is null ? await reader.JobAsync(name, cancellationToken).ConfigureAwait(false) : null;
        }
        catch (ApiException refused) when (refused.Status == HttpStatusCode.Forbidden)
        {
            // Who may read models alone is told of those.
            return null;
        }
    }

    // Who may not read jobs is shown the models.
    private static async Task<(ImmutableArray<PlannedJob> Jobs, string? Refused)> JobsAsync(ClusterReader reader, string? space, CancellationToken cancellationToken)
    {
        try
        {
            return (await reader.JobsAsync(space, cancellationToken).ConfigureAwait(false), null);
        }
        catch (ApiException refused) when (refused.Status == HttpStatusCode.Forbidden)
        {
            return ([], refused.Message);
        }
    }

    private static async Task<ScaledModel> FindAsync(ClusterReader reader, ObjectName name, CancellationToken cancellationToken)
    {
        if (await reader.ModelAsync(name, cancellationToken).ConfigureAwait(false) is { } model) return model;
        var others = await reader.ModelsAsync(name.Namespace, cancellationToken).ConfigureAwait(false);
        var near = NearMiss.Of(name.Name, [.. others.Select(other => ClusterReader.NameOf(other).Name)], 1).FirstOrDefault();
        throw new CommandException(ExitCode.Failed, $"the namespace {Show.Text(name.Namespace)} has no ScaledModel {Show.Text(name.Name)}; "
            + (near is not null ? $"did you mean {near}?" : others.IsEmpty ? "it has none at all, and -n names another" : $"it has {string.Join(", ", others.Take(10).Select(other => ClusterReader.NameOf(other).Name))}"));
    }

    // Who may read models may not be allowed to read events; all else is shown then.
    private static async Task<IReadOnlyList<ObjectEvent>> EventsAsync(
        ClusterReader reader, ObjectName name, CancellationToken cancellationToken, string kind = ScaledModel.KubeKind)
    {
        try
        {
            return await reader.EventsAsync(name, cancellationToken, kind).ConfigureAwait(false);
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

/// <summary>What is printed of a ScaledModel or a PlannedJob with --json.</summary>
public sealed record ObjectListing(string Kind, string Namespace, string Name, object? Status)
{
    public static ObjectListing Of(ScaledModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        return Of(model, ScaledModel.KubeKind, model.Status);
    }

    public static ObjectListing Of(PlannedJob job)
    {
        ArgumentNullException.ThrowIfNull(job);
        return Of(job, PlannedJob.KubeKind, job.Status);
    }

    private static ObjectListing Of(IKubernetesObject<V1ObjectMeta> one, string kind, object? status)
    {
        var name = ClusterReader.NameOf(one);
        return new(kind, name.Namespace, name.Name, status);
    }
}
