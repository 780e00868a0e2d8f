namespace Plimsoll.Kubernetes.Tests.ControlPlane;

/// <summary>A controller of somebody else's kind that isn't at hand: it looks every now and then, and does what is missing.</summary>
public abstract class ControllerStandIn : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private Task _running = Task.CompletedTask;

    private protected ControllerStandIn(k8s.Kubernetes client, string space) => (Client, Space) = (client, space);

    private protected k8s.Kubernetes Client { get; }

    private protected string Space { get; }

    private protected CancellationToken Stop => _stop.Token;

    public async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        await _stop.CancelAsync();
        await _running;
        _stop.Dispose();
    }

    private protected void Run(TimeSpan every) => _running = Task.Run(() => RunAsync(every));

    private protected abstract Task LookAsync();

    private async Task RunAsync(TimeSpan every)
    {
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                await LookAsync();
            }
            catch (Exception) when (!_stop.IsCancellationRequested)
            {
                // The server is busy, or what is to be made is there already: look again.
            }
            catch (Exception)
            {
                return;
            }

            await Task.Delay(every, TimeProvider.System, CancellationToken.None);
        }
    }
}
