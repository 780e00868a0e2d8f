using System.Collections.Immutable;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Metrics;

namespace Plimsoll.Kubernetes.Gateway;

/// <summary>Which gateway an operator asks for demand.</summary>
public sealed record GatewaySettings
{
    /// <summary>The Deployment (StatefulSet, DaemonSet) whose pods are the gateway's replicas.</summary>
    public required ObjectName Workload { get; init; }

    /// <summary>Its pods' admin port.</summary>
    public int Port { get; init; } = ClusterGatewayOptions.UsualAdminPort;

    /// <summary>What one replica gets, from the connection to the last byte.</summary>
    public TimeSpan PodTimeout { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Largest answer; a thousand models are about 400 KB.</summary>
    public int MaxBytes { get; init; } = 32 << 20;

    /// <summary>Replicas that are asked; a gateway has fewer.</summary>
    public int PodsMax { get; init; } = 100;
}

/// <summary>A replica of the gateway as the cluster sees it.</summary>
/// <param name="Pod">Its name.</param>
/// <param name="Uid">Never used twice.</param>
/// <param name="IsReady">Requests may reach it.</param>
/// <param name="Demand">Where it tells what it counted.</param>
internal sealed record GatewayEndpoint(ObjectName Pod, string Uid, bool IsReady, Uri Demand);

/// <summary>What one replica said at one look, or why it said nothing.</summary>
internal sealed record GatewayReading(GatewayEndpoint Endpoint, DemandSample? Sample, string? Why);

/// <summary>
/// Asks all replicas of the gateway what they counted. Whatever one of them does ends in a reading, never in an exception.
/// </summary>
public sealed class GatewaySource : IDisposable
{
    private readonly GatewaySettings _settings;
    private readonly HttpClient _client = new(HttpTransport.Handler(null, false)) { Timeout = Timeout.InfiniteTimeSpan };
    private ImmutableArray<Uri> _waits = [];

    public GatewaySource(GatewaySettings settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        _settings = settings;
    }

    public ObjectName Workload => _settings.Workload;

    /// <summary>The gateway's replicas among all pods, ordered by name.</summary>
    internal ImmutableArray<GatewayEndpoint> Find(IEnumerable<PodView> pods) =>
    [
        .. pods.Where(pod => pod is { IsOver: false, Workload: { } workload } && pod.Name.Namespace == Workload.Namespace
                && workload[(workload.IndexOf('/', StringComparison.Ordinal) + 1)..] == Workload.Name && IPAddress.TryParse(pod.Ip, out _))
            .OrderBy(pod => pod.Name).Take(_settings.PodsMax)
            .Select(pod => new GatewayEndpoint(pod.Name, pod.Uid, pod is { Ready: true, DeletedAt: null }, AddressOf(pod))),
    ];

    /// <summary>One reading a replica, in their order. Looks must not overlap.</summary>
    internal async Task<ImmutableArray<GatewayReading>> ReadAsync(ImmutableArray<GatewayEndpoint> endpoints, CancellationToken cancellationToken)
    {
        var readings = await Task.WhenAll(endpoints.Select(endpoint => ReadAsync(endpoint, cancellationToken))).ConfigureAwait(false);
        cancellationToken.ThrowIfCancellationRequested();
        _waits =
        [
            .. readings.Where(reading => reading.Sample is not null).Select(reading => new Uri(
                reading.Endpoint.Demand, string.Create(CultureInfo.InvariantCulture, $"demand/held?past={reading.Sample!.Wakes}"))),
        ];
        return [.. readings];
    }

    /// <summary>
    /// Ends when a request began to wait for a model at zero since the last look; else not before it is cancelled. Each
    /// replica is asked, holds its answer back for some seconds, and is asked again.
    /// </summary>
    public async Task WaitForHeldAsync(CancellationToken cancellationToken)
    {
        var held = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var waits = Task.WhenAll(_waits.Select(async wait =>
        {
            try
            {
                HttpStatusCode said;
                do
                {
                    using var answer = await _client.GetAsync(wait, HttpCompletionOption.ResponseHeadersRead, cancellationToken).ConfigureAwait(false);
                    said = answer.StatusCode;
                }
                while (said == HttpStatusCode.NoContent);
                if (said == HttpStatusCode.OK) held.TrySetResult();
            }
            catch (Exception broken) when (broken is HttpRequestException or SocketException or IOException or OperationCanceledException)
            {
                // The next look says what became of it.
            }
        }));
        await held.Task.WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (cancellationToken.IsCancellationRequested) await waits.ConfigureAwait(false);
    }

    public void Dispose() => _client.Dispose();

    private Uri AddressOf(PodView pod)
    {
        var address = IPAddress.Parse(pod.Ip!);
        var host = address.AddressFamily == AddressFamily.InterNetworkV6 ? $"[{address}]" : address.ToString();
        return new Uri(string.Create(CultureInfo.InvariantCulture, $"http://{host}:{_settings.Port}/demand"));
    }

    private async Task<GatewayReading> ReadAsync(GatewayEndpoint endpoint, CancellationToken cancellationToken)
    {
        try
        {
            using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            patience.CancelAfter(_settings.PodTimeout);
            using var response = await _client.GetAsync(endpoint.Demand, HttpCompletionOption.ResponseHeadersRead, patience.Token).ConfigureAwait(false);
            if (response.StatusCode != HttpStatusCode.OK)
                throw new MetricsException($"it answered {(int)response.StatusCode} where 200 is expected");
            var body = await HttpTransport.ReadBoundedAsync(response.Content, _settings.MaxBytes, patience.Token).ConfigureAwait(false);
            try
            {
                return new GatewayReading(endpoint, DemandSample.Read(body.Memory), null);
            }
            finally
            {
                body.Return();
            }
        }
        catch (Exception problem) when (HttpTransport.Sentence(problem, _settings.PodTimeout) is { } why)
        {
            return new GatewayReading(endpoint, null, $"{endpoint.Pod} at {endpoint.Demand}: {(problem is System.Text.Json.JsonException ? "its answer is no JSON" : why)}");
        }
    }
}
