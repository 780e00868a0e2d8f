using System.Text;
using Plimsoll.Kubernetes.Cluster;

namespace Plimsoll.Kubernetes.Operator;

/// <summary>
/// A label on the pod of the operator that leads, by which Services reach it alone: only the leader has a plan to tell of.
/// A wish, not a fence: who leads is the Lease's to say, and one that stands by answers that it has no plan.
/// </summary>
public sealed class LeaderLabel(KubernetesApi api, ObjectName pod, Action<string> log)
{
    public const string Key = "plimsoll.dev/leader";

    private static readonly byte[] On = Encoding.UTF8.GetBytes($$$$$"""{"metadata":{"labels":{"{{{{{Key}}}}}":"true"}}}""");
    private static readonly byte[] Off = Encoding.UTF8.GetBytes($$$$$"""{"metadata":{"labels":{"{{{{{Key}}}}}":null}}}""");

    private readonly Dictionary<ObjectName, string> _refused = [];

    /// <summary>Puts it on the own pod, and takes it off others of the same workload: one that hangs cannot do so itself.</summary>
    /// <returns>Whether all that was done; what was not is worth another try.</returns>
    public async Task<bool> TakeAsync(IEnumerable<PodView> pods, CancellationToken cancellationToken)
    {
        var all = pods.Where(one => one.Name.Namespace == pod.Namespace).ToArray();
        var own = all.FirstOrDefault(one => one.Name == pod);

        // Until its own pod is seen nobody knows which are the others.
        var done = own is not null;
        foreach (var other in all.Where(one => own is { Workload: not null } && one.Workload == own.Workload && one.Name != pod))
            done &= await PatchAsync(other.Name, Off, cancellationToken).ConfigureAwait(false);
        return await PatchAsync(pod, On, cancellationToken).ConfigureAwait(false) && done;
    }

    /// <summary>Takes it off the own pod.</summary>
    public Task GiveUpAsync(CancellationToken cancellationToken) => PatchAsync(pod, Off, cancellationToken);

    private async Task<bool> PatchAsync(ObjectName name, byte[] labels, CancellationToken cancellationToken)
    {
        try
        {
            using var patched = await api.PatchAsync($"api/v1/namespaces/{name.Namespace}/pods/{name.Name}", labels, PatchKind.Merge, cancellationToken).ConfigureAwait(false);
            _refused.Remove(name);
            return true;
        }
        catch (ApiException gone) when (gone.Status == System.Net.HttpStatusCode.NotFound && name != pod)
        {
            return true;
        }
        catch (ApiException refused)
        {
            // It is tried again and again, and said once.
            if (_refused.GetValueOrDefault(name) != refused.Message) log($"{name}: the label {Key} could not be written, so Services that go by it may not reach who leads: {refused.Message}");
            _refused[name] = refused.Message;
            return false;
        }
    }
}
