using System.Net;
using k8s.Models;

namespace Plimsoll.Kubernetes.Tests.ControlPlane;

/// <summary>What becomes of one pod on its node. Steps follow one another; a load in progress is overtaken by any of them.</summary>
internal sealed class PodLife(PodWriter writer, KubeletBehaviour behaviour, V1Pod first)
{
    private readonly Lock _gate = new();
    private readonly PodStatusText _text = new(first);
    private Task _last = Task.CompletedTask;
    private PodResponder? _responder;
    private int _start; // counts the server's starts; a load belongs to one
    private bool _begun;
    private bool _ending;

    public V1Pod Pod { get; private set; } = first;

    /// <summary>What the API server says of it now.</summary>
    public void Look(V1Pod pod)
    {
        Pod = pod;
        if (!_begun)
        {
            _begun = true;
            // Somebody ran it already: a stand-in before this one.
            if (PodStatusText.IsReady(pod)) Then(BecomeReadyAsync);
            else if (pod.Metadata.DeletionTimestamp is null) Then(StartServerAsync);
        }

        if (pod.Metadata.DeletionTimestamp is null || _ending) return;
        _ending = true;
        Then(StopAsync);
    }

    public Task CrashAsync() => Then(async () =>
    {
        await EndServerAsync();
        _text.Crashed();
        await writer.WriteAsync(Pod, _text.Waiting("CrashLoopBackOff", "back-off 10s restarting failed container"));
    });

    public Task KillForMemoryAsync() => Then(async () =>
    {
        await EndServerAsync();
        _text.KilledForMemory();
        await StartServerAsync();
    });

    public Task RestartAsync() => Then(async () =>
    {
        await EndServerAsync();
        await StartServerAsync();
    });

    public Task LoseReadinessAsync() => Then(() => writer.WriteAsync(Pod, _text.Running(ready: false)));

    public Task RegainReadinessAsync() => Then(() => writer.WriteAsync(Pod, _text.Running(ready: true)));

    public Task CompleteAsync(int exitCode) => Then(async () =>
    {
        await EndServerAsync();
        await writer.WriteAsync(Pod, _text.Completed(exitCode));
    });

    /// <summary>The pod is gone, or its kubelet is.</summary>
    public Task EndAsync() => Then(EndServerAsync);

    private async Task StartServerAsync()
    {
        var start = ++_start;
        await writer.WriteAsync(Pod, _text.Running(ready: false));
        _ = LoadAsync(start);
    }

    private async Task LoadAsync(int start)
    {
        try
        {
            await Task.Delay(behaviour.LoadTime(Pod), TimeProvider.System, writer.Stop);
        }
        catch (OperationCanceledException)
        {
            return;
        }

        await Then(() => start == _start ? BecomeReadyAsync() : Task.CompletedTask);
    }

    private async Task BecomeReadyAsync()
    {
        if (behaviour.Server(Pod) is { } server)
        {
            var port = Pod.Spec.Containers[0].Ports?.FirstOrDefault()?.ContainerPort ?? Workloads.Port;
            _responder = await PodResponder.StartAsync(new IPEndPoint(_text.Address, port), server);
        }

        await writer.WriteAsync(Pod, _text.Running(ready: true));
    }

    private async Task StopAsync()
    {
        var grace = TimeSpan.FromSeconds(Pod.Metadata.DeletionGracePeriodSeconds ?? 0);
        var wanted = behaviour.StopTime(Pod);
        try
        {
            await Task.Delay(wanted < grace ? wanted : grace, TimeProvider.System, writer.Stop);
        }
        catch (OperationCanceledException)
        {
            return;
        }

        await EndServerAsync();
        await writer.RemoveAsync(Pod);
    }

    private async Task EndServerAsync()
    {
        _start++;
        if (Interlocked.Exchange(ref _responder, null) is { } responder) await responder.DisposeAsync();
    }

    private Task Then(Func<Task> step)
    {
        lock (_gate) return _last = After(_last, step);
    }

    private static async Task After(Task last, Func<Task> step)
    {
        // A step that failed told whoever asked for it; the next one is no worse for it.
        await last.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await step();
    }
}
