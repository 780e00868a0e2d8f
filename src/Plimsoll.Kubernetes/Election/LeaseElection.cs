using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using Plimsoll.Kubernetes.Cluster;

namespace Plimsoll.Kubernetes.Election;

/// <summary>How long a leader holds on, and how often it says so.</summary>
/// <param name="Duration">Another may take over once the holder has been silent for so long, by its own clock.</param>
/// <param name="Fence">The holder stops writing when it could not renew for so long; shorter than the duration.</param>
/// <param name="Retry">Between two attempts to take or renew it.</param>
public sealed record LeaseTimes(TimeSpan Duration, TimeSpan Fence, TimeSpan Retry)
{
    public static readonly LeaseTimes Default = new(TimeSpan.FromSeconds(15), TimeSpan.FromSeconds(10), TimeSpan.FromSeconds(2));
}

/// <summary>
/// Leader election by a Lease; the identity must be nobody else's, ever. Times written into it are never compared with a clock of ours: whether a holder is silent is
/// judged by how long the lease has not changed before our own eyes, and whether we may still write by how long ago our
/// last renewal was sent. So clocks may differ and jump, as long as they run at about the same speed.
/// </summary>
public sealed class LeaseElection(
    KubernetesApi api, ObjectName lease, string identity, LeaseTimes times, TimeProvider time, Action<string> log) : IDisposable
{
    private const int TriesMax = 5;
    private static readonly TimeSpan SilenceMax = TimeSpan.FromMinutes(10);

    private readonly string _list = $"apis/coordination.k8s.io/v1/namespaces/{lease.Namespace}/leases";
    private string? _seenVersion;
    private long _seenAt;
    private long _fencedFrom;
    private volatile bool _leads;
    private volatile CancellationTokenSource _term = Over();

    /// <summary>Whether we lead and may still write. False as soon as another could believe to lead.</summary>
    public bool MayWrite => _leads && time.GetTimestamp() < Interlocked.Read(ref _fencedFrom);

    /// <summary>
    /// Cancelled when <see cref="MayWrite"/> ends: what a leader does under it breaks off in the middle of a request, and is
    /// not tried again later, when another may lead. Cancelled too while we do not lead.
    /// </summary>
    public CancellationToken Term => _term.Token;

    /// <summary>Who leads, as last seen; null when nobody does.</summary>
    public string? Holder { get; private set; }

    /// <summary>How often the lease changed hands: larger with each leader.</summary>
    public int Transitions { get; private set; }

    /// <summary>Takes the lease and keeps it until cancelled; then gives it up, so that the next need not wait.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            try
            {
                await TryAsync(cancellationToken).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                break;
            }
            catch (ApiException failed)
            {
                log($"lease {lease}: {failed.Message}");
            }
#pragma warning disable CA1031 // Whatever it is, who no longer stands for election must not be taken for one who stands by.
            catch (Exception unexpected)
#pragma warning restore CA1031
            {
                log($"lease {lease}: {unexpected.GetType().Name}: {unexpected.Message}");
            }

            if (_leads && !MayWrite)
            {
                Lost();
                log($"lease {lease}: not renewed for {Durations.Show(times.Fence)}; this operator writes nothing until it leads again");
            }

            await Task.Delay(Jitter.Around(times.Retry, 0.1), time, cancellationToken)
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        var held = MayWrite;
        Lost();
        if (!held) return;
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(3));
        try
        {
            using var found = await api.FindAsync($"{_list}/{lease.Name}", limit.Token).ConfigureAwait(false);
            if (found is not null && found.RootElement.At("spec")?.Text("holderIdentity") == identity)
                using (await api.ReplaceAsync($"{_list}/{lease.Name}", Body("", found.RootElement), limit.Token).ConfigureAwait(false)) { }
        }
        catch (Exception ended) when (ended is ApiException or OperationCanceledException)
        {
            log($"lease {lease} could not be given up; another takes over in {Durations.Show(times.Duration)}");
        }
    }

    /// <summary>Once <see cref="RunAsync"/> has ended.</summary>
    public void Dispose() => _term.Dispose();

    // Somebody wrote between our look and our write, not always to lead: who leads is in what they wrote.
    private async Task TryAsync(CancellationToken cancellationToken)
    {
        for (var attempt = 1; !await TryOnceAsync(cancellationToken).ConfigureAwait(false) && attempt < TriesMax; attempt++)
            await Task.Delay(Jitter.Around(TimeSpan.FromMilliseconds(20 << attempt), 0.5), time, cancellationToken).ConfigureAwait(false);
    }

    // False where another write came in between.
    private async Task<bool> TryOnceAsync(CancellationToken cancellationToken)
    {
        // An attempt that takes longer than the fence proves nothing any more.
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(times.Fence);
        var sent = time.GetTimestamp();
        try
        {
            using var found = await api.FindAsync($"{_list}/{lease.Name}", limit.Token).ConfigureAwait(false);
            if (found is null)
            {
                using var created = await api.CreateAsync(_list, Body(identity, null), limit.Token).ConfigureAwait(false);
                Won(sent, created.RootElement);
                return true;
            }

            var holder = found.RootElement.At("spec")?.Text("holderIdentity");
            var version = found.RootElement.GetProperty("metadata").Text("resourceVersion");
            if (version != _seenVersion) (_seenVersion, _seenAt) = (version, time.GetTimestamp());
            Holder = string.IsNullOrEmpty(holder) ? null : holder;
            var silent = Longer(times.Duration, found.RootElement.At("spec")?.Number("leaseDurationSeconds"));
            if (Holder is not null && Holder != identity && time.GetElapsedTime(_seenAt) < silent)
            {
                Lost();
                return true;
            }

            using var replaced = await api.ReplaceAsync($"{_list}/{lease.Name}", Body(identity, found.RootElement), limit.Token).ConfigureAwait(false);
            Won(sent, replaced.RootElement);
            return true;
        }
        catch (ApiException raced) when (raced.Status == HttpStatusCode.Conflict)
        {
            return false;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new ApiException($"no answer in {Durations.Show(times.Fence)}");
        }
    }

    private void Won(long sent, JsonElement written)
    {
        Interlocked.Exchange(ref _fencedFrom, sent + (long)(times.Fence.TotalSeconds * time.TimestampFrequency));
        var left = times.Fence - time.GetElapsedTime(sent);
        if (left <= TimeSpan.Zero)
        {
            Lost();
            return;
        }

        if (_term.IsCancellationRequested) _term = new CancellationTokenSource(left, time);
        else _term.CancelAfter(left);
        (_seenVersion, _seenAt) = (written.GetProperty("metadata").Text("resourceVersion"), time.GetTimestamp());
        Transitions = written.At("spec")?.Number("leaseTransitions") ?? 0;
        Holder = identity;
        if (!_leads) log($"lease {lease}: {identity} leads");
        _leads = true;
    }

    private void Lost()
    {
        _leads = false;
        _term.Cancel();
    }

    // Who holds it may be set to longer times than ours; but nobody holds it for ever.
    private static TimeSpan Longer(TimeSpan ours, int? theirs)
    {
        var stated = TimeSpan.FromSeconds(Math.Clamp(theirs ?? 0, 0, SilenceMax.TotalSeconds));
        return stated > ours ? stated : ours;
    }

    private static CancellationTokenSource Over()
    {
        var over = new CancellationTokenSource();
        over.Cancel();
        return over;
    }

    private byte[] Body(string holder, JsonElement? before)
    {
        var now = time.GetUtcNow().ToString("yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'", System.Globalization.CultureInfo.InvariantCulture);
        var spec = before?.At("spec");
        var stays = spec?.Text("holderIdentity") == holder;
        var metadata = new JsonObject { ["name"] = lease.Name, ["namespace"] = lease.Namespace };
        if (before?.GetProperty("metadata").Text("resourceVersion") is { } version) metadata["resourceVersion"] = version;
        var json = new JsonObject
        {
            ["apiVersion"] = "coordination.k8s.io/v1",
            ["kind"] = "Lease",
            ["metadata"] = metadata,
            ["spec"] = new JsonObject
            {
                ["holderIdentity"] = holder,
                ["leaseDurationSeconds"] = Math.Max(1, (int)Math.Ceiling(times.Duration.TotalSeconds)),
                ["acquireTime"] = stays ? spec?.Text("acquireTime") ?? now : now,
                ["renewTime"] = now,
                ["leaseTransitions"] = (spec?.Number("leaseTransitions") ?? 0) + (stays || holder.Length == 0 ? 0 : 1),
            },
        };
        return System.Text.Encoding.UTF8.GetBytes(json.ToJsonString());
    }
}
