using k8s;
using Microsoft.Extensions.Logging;
using Plimsoll.Gateway;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Resources;

namespace Plimsoll.Kubernetes.Gateway;

/// <summary>
/// One replica of the gateway in a cluster: watches ScaledModels and pods, routes and holds requests, and tells what it
/// counted. It writes nothing. While the API server is away it serves by what it saw last.
/// </summary>
public sealed class ClusterGateway : IAsyncDisposable
{
    // A burst of changes is one new table.
    private static readonly TimeSpan ShortestPause = TimeSpan.FromMilliseconds(100);

    private readonly ClusterGatewayOptions _options;
    private readonly TimeProvider _time;
    private readonly Action<string> _log;
    private readonly WatchedList<ScaledModelView> _models;
    private readonly WatchedList<GatewayPod> _pods;
    private readonly ClusterRoutes _routes = new();
    private readonly CancellationTokenSource _ending = new();
    private readonly List<Task> _running = [];
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile GatewayTable _table = GatewayTable.Empty;
    private volatile bool _published;
    private volatile bool _ends;
    private GatewayHost? _host;

    private ClusterGateway(ClusterGatewayOptions options, KubernetesClientConfiguration configuration, TimeProvider time, Action<string> log)
    {
        (_options, _time, _log) = (options, time, log);
        Api = new KubernetesApi(configuration, time);
        Router = new Router(options.Gateway, time);
        _models = new WatchedList<ScaledModelView>(
            Api, $"apis/{ResourceGroup.ApiVersion}/{ScaledModel.KubePluralName}", ClusterWatch.Read, Changed, time);
        _pods = new WatchedList<GatewayPod>(Api, "api/v1/pods", new GatewayPodReader().Read, Changed, time);
    }

    public KubernetesApi Api { get; }

    /// <summary>Where requests are taken.</summary>
    public Uri Address => _host!.Address;

    /// <summary>Where health, metrics and demand are.</summary>
    public Uri AdminAddress => _host!.AdminAddress!;

    /// <summary>Why it should get no requests yet, or no more; null when it should.</summary>
    public string? Unready => _ends ? "it is ending" : _published ? null
        : Trouble ?? "the cluster is being listed";

    /// <summary>What goes wrong with its picture of the cluster; it serves on.</summary>
    public string? Trouble => new IWatched[] { _models, _pods }.Where(list => list.Problem is not null)
        .Select(list => $"{list.Path}: {list.Problem!.Replace("the operator's role", "the gateway's role", StringComparison.Ordinal)}").FirstOrDefault();

    /// <summary>Ends when one of its loops does, which before it is disposed is a mistake of ours.</summary>
    public Task Ended => Task.WhenAny(_running).Unwrap();

    internal Router Router { get; }

    /// <summary>Cancelled when it is over.</summary>
    internal CancellationToken Over => _ending.Token;

    internal GatewayTable Table => _table;

    internal bool HasTable => _published;

    /// <summary>How long a list has not been up to date.</summary>
    internal TimeSpan Outdated => _models.SinceHeard > _pods.SinceHeard ? _models.SinceHeard : _pods.SinceHeard;

    /// <summary>Binds its ports and begins to watch; it is ready once it has listed all.</summary>
    /// <exception cref="GatewayException">The options contradict each other, or a port cannot be had.</exception>
    public static async Task<ClusterGateway> StartAsync(
        ClusterGatewayOptions options, KubernetesClientConfiguration configuration, TimeProvider time, Action<string> log,
        ILoggerFactory? logs, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        var gateway = new ClusterGateway(options, configuration, time, log);
        try
        {
            var pages = new ClusterGatewayPages(gateway, time);
            gateway._host = await GatewayHost.StartAsync(
                options.Gateway, gateway.Router, time, logs, cancellationToken, () => gateway.Trouble, pages.Answer).ConfigureAwait(false);
        }
        catch
        {
            await gateway.DisposeAsync().ConfigureAwait(false);
            throw;
        }

        var token = gateway._ending.Token;
        gateway._running.Add(Task.Run(() => gateway._models.RunAsync(token), CancellationToken.None));
        gateway._running.Add(Task.Run(() => gateway._pods.RunAsync(token), CancellationToken.None));
        gateway._running.Add(Task.Run(() => gateway.PublishAsync(token), CancellationToken.None));
        return gateway;
    }

    /// <summary>
    /// The end in order: says that it is not ready, goes on serving and holding what it has and still gets, and returns
    /// when nothing is left or the end's time is over.
    /// </summary>
    public async Task EndAsync(CancellationToken cancellationToken)
    {
        _ends = true;
        _host!.TurnAway();
        var began = _time.GetTimestamp();
        await Task.Delay(_options.EndNotice, _time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        while (Inside() > 0 && _time.GetElapsedTime(began) < _options.EndTime && !cancellationToken.IsCancellationRequested)
            await Task.Delay(ShortestPause, _time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    /// <summary>Cuts what is left after the gateway's own shutdown time.</summary>
    public async ValueTask DisposeAsync()
    {
        // Who waits at the admin port would hold up its end.
        await _ending.CancelAsync().ConfigureAwait(false);
        if (_host is not null) await _host.DisposeAsync().ConfigureAwait(false);
        await Task.WhenAll(_running).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        Api.Dispose();
        _ending.Dispose();
    }

    private long Inside() => Router.Totals(_time.GetUtcNow()).Sum(GatewayCounts.Inside);

    private async Task PublishAsync(CancellationToken cancellationToken)
    {
        var (notes, trouble) = (new HashSet<string>(StringComparer.Ordinal), "");
        while (!cancellationToken.IsCancellationRequested)
        {
            var changed = Volatile.Read(ref _changed).Task;
            var wrong = Trouble ?? "";
            if (wrong != trouble && wrong.Length > 0) _log(wrong);
            trouble = wrong;
            if (_models.Synced && _pods.Synced)
            {
                Publish(notes);
                if (!_published) _log($"ready: {_table.Owners.Count} models");
                _published = true;
            }

            // Trouble changes nothing that is watched, so it is looked for now and then.
            await Task.Delay(ShortestPause, _time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            await Task.WhenAny(changed, Task.Delay(TimeSpan.FromSeconds(1), _time, either.Token)).ConfigureAwait(false);
            await either.CancelAsync().ConfigureAwait(false);
        }
    }

    private void Publish(HashSet<string> said)
    {
        var pods = _pods.Items.Values.ToArray();
        var table = _routes.Build([.. _models.Items.Values], pods, Math.Max(1, pods.Count(IsGateway)));
        Router.Publish(table.Routes);
        _table = table;
        foreach (var note in table.Notes.Where(said.Add)) _log(note);
        said.IntersectWith(table.Notes);
    }

    private bool IsGateway(GatewayPod pod) => pod is { Ready: true, Ends: false, Workload: { } workload }
        && pod.Name.Namespace == _options.Workload.Namespace && workload[(workload.IndexOf('/', StringComparison.Ordinal) + 1)..] == _options.Workload.Name;

    private void Changed() =>
        Interlocked.Exchange(ref _changed, new(TaskCreationOptions.RunContinuationsAsynchronously)).TrySetResult();
}
