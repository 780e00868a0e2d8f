using System.Collections.Immutable;
using System.Globalization;
using Plimsoll.Cli.FleetFiles;
using Plimsoll.Cli.Weighing;
using Plimsoll.Kubernetes.Body;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Resources;
using Plimsoll.Kubernetes.Resources.Pods;

namespace Plimsoll.Cli.Kubectl;

/// <summary>On which of a cluster's kinds of device a ScaledModel's replicas fit, by its pods' own arguments.</summary>
internal sealed record ModelFit(string Shown, Bytes Weights, ServedModel Served, ImmutableArray<KindFit> Kinds)
{
    /// <summary>Whether it fits anywhere that its pods may go.</summary>
    public bool Fits => Kinds.Any(kind => kind is { Needs: not null, Allowed: > 0 });

    /// <exception cref="CommandException">The target is not there, or cannot be weighed.</exception>
    public static async Task<ModelFit> OfAsync(ScaledModel model, ClusterReader reader, TimeProvider time, CancellationToken cancellationToken)
    {
        var name = ClusterReader.NameOf(model);
        if (ScaledModelCheck.Of(model) is { IsEmpty: false } problems)
            throw new CommandException(ExitCode.BadInput, $"{name}: {string.Join("; ", problems)}");
        var settings = ScaledModelSettings.Of(model);
        WorkloadView? workload = null;
        foreach (var variant in settings.Variants)
            workload ??= await reader.WorkloadAsync(name.Namespace, variant.Target, cancellationToken).ConfigureAwait(false);
        if (workload?.PodSpecProblem is { } unreadable)
            throw new CommandException(ExitCode.BadInput, $"{name}: {workload.Kind} {workload.Name.Name} has a pod template that is none: {unreadable}");
        if (workload?.PodSpec is not { } pod)
            throw new CommandException(ExitCode.Failed, $"{name}: {string.Join(", ", settings.Variants.Select(variant => variant.Target))} is not there, so nothing says how it is run");
        var served = ServedModel.Of(pod, workload.PodAnnotations, workload.PodsPerReplica, workload.WorkerSpec);
        var (shown, footprint) = Weigh(settings, served, time, cancellationToken);
        var nodes = await reader.NodesAsync(cancellationToken).ConfigureAwait(false);
        return new ModelFit(shown, footprint.Weights, served, KindFit.Of(settings, pod, served, footprint, nodes));
    }

    public IEnumerable<string> Lines()
    {
        foreach (var line in EightyColumns.Hung($"{Shown}: {Weights} of weights, {Split()}")) yield return line;
        yield return "";
        if (Kinds.IsEmpty)
        {
            yield return $"no node has {Served.DeviceResource} of a kind that is known";
            yield break;
        }

        yield return $"{"device",-22}{"nodes",7}{"allowed",9}{"each takes",12}{"memory",12}";
        foreach (var kind in Kinds)
        {
            var each = kind.Needs?.PerDevice?.Highest.ToString() ?? (kind.Needs is null ? "NO FIT" : "-");
            yield return string.Create(CultureInfo.InvariantCulture,
                $"{EightyColumns.Cut(kind.Kind, 21),-22}{kind.Nodes,7}{kind.Allowed,9}{each,12}{kind.Needs?.Host.Highest.ToString() ?? "-",12}");
            foreach (var line in kind.Why is { } why ? EightyColumns.Hung(why, "    ", "    ") : []) yield return line;
        }

        yield return "";
        yield return "allowed: nodes that its selectors, affinities and tolerations let its pods go to";
        if (Kinds.Any(kind => kind is { Needs: null, Allowed: > 0 }))
        {
            foreach (var line in EightyColumns.Hung("The scheduler could put it where it does not fit, so no replica is started until a node selector or an affinity keeps it from there.")) yield return line;
        }
    }

    private string Split() => Served.DeviceResource is null ? "on the processor"
        : string.Create(CultureInfo.InvariantCulture, $"{Served.Devices} × {Served.DeviceResource} (tp {Served.TensorParallel}{(Served.PipelineParallel > 1 ? $", pp {Served.PipelineParallel}" : "")})");

    // As the operator does: by the source, and by what was stated where that cannot be read.
    private static (string Shown, Footprint Footprint) Weigh(ScaledModelSettings settings, ServedModel served, TimeProvider time, CancellationToken cancellationToken)
    {
        if ((settings.Source ?? served.Source) is { } source)
        {
            try
            {
                // A ScaledModel comes from a stranger: nothing of this machine is read for it.
                if (!Plimsoll.Artifacts.SourceAddress.IsAddress(source))
                    throw new CommandException(ExitCode.Failed, $"{settings.Name}: {Show.Text(source)} is a path in its pods, which is not read from here; spec.source or spec.weights would do");
                var weighed = SourceWeigher.Weigh(source, time, cancellationToken);
                return (weighed.Shown, weighed.Footprint);
            }
            catch (CommandException) when (settings.Weights is not null)
            {
            }
        }

        if (settings.Weights is not { } weights)
            throw new CommandException(ExitCode.Failed, $"{settings.Name}: {(served.Notes.IsEmpty ? "its pods do not say which model they serve" : string.Join(' ', served.Notes))}; spec.source or spec.weights would do");
        return ($"{weights} as stated", Footprint.Declared(weights, "weights"));
    }
}
