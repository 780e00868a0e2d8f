using System.Collections.Concurrent;
using k8s;
using k8s.Models;
using Plimsoll.Kubernetes.Tests.ControlPlane;

namespace Plimsoll.Kubernetes.Tests.Operator.EndToEnd;

/// <summary>How one model's requests fared.</summary>
/// <param name="Sent">Requests that were sent.</param>
/// <param name="Within">Those answered within the objective.</param>
/// <param name="Failed">Those never answered.</param>
internal sealed record Fared(int Sent, int Within, int Failed)
{
    public double Attainment => Sent == 0 ? 1 : (double)Within / Sent;
}

/// <summary>
/// Users: for each model requests at a rate that changes, each sent over HTTP to the ready pod that has the fewest, and
/// timed from when it should have been sent. One that breaks off is sent once more, as a gateway does.
/// </summary>
internal sealed class Traffic(k8s.Kubernetes client, string space, TimeSpan objective) : IDisposable
{
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(60);

    private readonly HttpClient _http = new(new SocketsHttpHandler { MaxConnectionsPerServer = 512, UseProxy = false }) { Timeout = LongestWait };
    private readonly ConcurrentDictionary<string, int> _inPod = new();
    private readonly ConcurrentDictionary<string, (int Sent, int Within, int Failed)> _fared = new();
    private readonly ConcurrentDictionary<string, TimeSpan> _unschedulable = new();
    private ILookup<string, V1Pod> _pods = Array.Empty<V1Pod>().ToLookup(_ => "");

    /// <summary>Pods that the scheduler found no place for, by name, and for how long at the most.</summary>
    public IReadOnlyDictionary<string, TimeSpan> Unschedulable => _unschedulable;

    public Fared Of(string model) => _fared.TryGetValue(model, out var fared) ? new Fared(fared.Sent, fared.Within, fared.Failed) : new Fared(0, 0, 0);

    /// <summary>Sends until the time is over, then waits for what is under way.</summary>
    /// <param name="models">Their names.</param>
    /// <param name="rate">Requests a second of a model after so long.</param>
    /// <param name="length">How long it goes on.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task RunAsync(IEnumerable<string> models, Func<string, TimeSpan, double> rate, TimeSpan length, CancellationToken cancellationToken)
    {
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var looking = Task.Run(() => LookAsync(over.Token), cancellationToken);
        await Task.WhenAll(models.Select(model => Task.Run(() => SendAsync(model, rate, length, cancellationToken), cancellationToken)));
        await over.CancelAsync();
        await looking.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    public void Dispose() => _http.Dispose();

    private async Task LookAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            var pods = (await client.CoreV1.ListNamespacedPodAsync(space, cancellationToken: cancellationToken)).Items;
            _pods = pods.Where(Serves).ToLookup(pod => pod.Metadata.Labels["app"]);
            foreach (var pod in pods)
            {
                if (pod.Status?.Conditions?.FirstOrDefault(one => one is { Type: "PodScheduled", Status: "False" }) is not { LastTransitionTime: { } since }) continue;
                var waited = TimeProvider.System.GetUtcNow() - since;
                _unschedulable.AddOrUpdate(pod.Metadata.Name, waited, (_, before) => waited > before ? waited : before);
            }

            await Task.Delay(TimeSpan.FromMilliseconds(300), TimeProvider.System, cancellationToken);
        }
    }

    private static bool Serves(V1Pod pod) =>
        pod.Metadata.DeletionTimestamp is null && pod.Status.PodIP is not null && pod.Status.Conditions?.Any(one => one is { Type: "Ready", Status: "True" }) == true;

    // At even distances: what is tried is how replicas follow the rate, not luck.
    private async Task SendAsync(string model, Func<string, TimeSpan, double> rate, TimeSpan length, CancellationToken cancellationToken)
    {
        var time = TimeProvider.System;
        var started = time.GetTimestamp();
        var under = new List<Task>();
        for (var due = TimeSpan.Zero; due < length; due += TimeSpan.FromSeconds(1 / rate(model, due)))
        {
            if (due - time.GetElapsedTime(started) is { Ticks: > 0 } early) await Task.Delay(early, time, cancellationToken);
            under.Add(OneAsync(model, time.GetTimestamp(), cancellationToken));
        }

        await Task.WhenAll(under);
    }

    private async Task OneAsync(string model, long sent, CancellationToken cancellationToken)
    {
        var answered = false;
        while (!answered && TimeProvider.System.GetElapsedTime(sent) < LongestWait)
        {
            var pod = _pods[model].OrderBy(one => _inPod.GetValueOrDefault(one.Metadata.Name)).ThenBy(one => one.Metadata.Name, StringComparer.Ordinal).FirstOrDefault();
            if (pod is null)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System, cancellationToken);
                continue;
            }

            _inPod.AddOrUpdate(pod.Metadata.Name, 1, (_, count) => count + 1);
            try
            {
                using var answer = await _http.PostAsync(new Uri($"http://{pod.Status.PodIP}:{Workloads.Port}/v1/completions"), null, cancellationToken);
                answered = answer.IsSuccessStatusCode;
            }
            catch (Exception broken) when (broken is HttpRequestException || broken is OperationCanceledException && !cancellationToken.IsCancellationRequested)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System, cancellationToken);
            }
            finally
            {
                _inPod.AddOrUpdate(pod.Metadata.Name, 0, (_, count) => count - 1);
            }
        }

        var within = answered && TimeProvider.System.GetElapsedTime(sent) <= objective ? 1 : 0;
        _fared.AddOrUpdate(
            model, (1, within, answered ? 0 : 1), (_, before) => (before.Sent + 1, before.Within + within, before.Failed + (answered ? 0 : 1)));
    }
}
