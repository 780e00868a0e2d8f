using System.Net.Sockets;
using System.Runtime.InteropServices;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Plimsoll.Artifacts;

namespace Plimsoll.ModelServer;

/// <summary>One life of the server: listen, load, warm up, serve, drain.</summary>
internal sealed class Server(ServerOptions options, TextWriter output, TimeProvider clock)
{
    private readonly ServerState _state = new();
    private readonly ServerMetrics _metrics = new();

    /// <summary>Returns when SIGTERM or SIGINT has been obeyed.</summary>
    /// <exception cref="ArtifactException">The model cannot be served.</exception>
    /// <exception cref="ServerException">The address cannot be listened on.</exception>
    public async Task RunAsync(CancellationToken cancel)
    {
        var header = OnnxHeader.Read(options.ModelPath);
        var model = ServedModel.Of(options.Name, header);
        using var batcher = new Batcher(options, model, _metrics, clock);
        await using var app = Build(model, batcher);
        await StartAsync(app);
        output.WriteLine($"listening on {app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First()}");
        output.Flush();

        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        using var term = PosixSignalRegistration.Create(PosixSignal.SIGTERM, signal => Stop(signal, stop));
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, signal => Stop(signal, stop));
        try
        {
            using var session = await LoadAsync(header, model, stop.Token);
            await ServeAsync(batcher, session, stop.Token);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // Told to stop while loading: there is nothing to drain.
        }

        using var hurry = new CancellationTokenSource(TimeSpan.FromSeconds(5), clock);
        await app.StopAsync(hurry.Token);
    }

    private static void Stop(PosixSignalContext signal, CancellationTokenSource stop)
    {
        // Without this the runtime would end the process at once.
        signal.Cancel = true;
        stop.Cancel();
    }

    private async Task<ModelSession> LoadAsync(OnnxHeader header, ServedModel model, CancellationToken cancel)
    {
        // Off this thread, so that a signal is obeyed while ONNX Runtime initialises.
        var (session, read, initialise, bytes) =
            await Task.Run(() => new ModelLoader(options, clock).LoadAsync(header, cancel), cancel);
        var start = clock.GetTimestamp();
        await Task.Run(() => WarmUp.Run(model, session), cancel);
        // What loading left behind goes back to the system before the steady state begins.
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        NativeHeap.Trim();
        var times = new LoadTimes(read, initialise, clock.GetElapsedTime(start), bytes);
        _metrics.Loaded(times);
        output.WriteLine(
            $"ready: {bytes} bytes read in {read.TotalSeconds:0.000} s, initialised in {initialise.TotalSeconds:0.000} s, "
            + $"warm in {times.WarmUp.TotalSeconds:0.000} s");
        output.Flush();
        return session;
    }

    private async Task ServeAsync(Batcher batcher, ModelSession session, CancellationToken stop)
    {
        using var end = new CancellationTokenSource();
        var running = Task.Factory.StartNew(
            () => batcher.Run(session, end.Token), CancellationToken.None, TaskCreationOptions.LongRunning,
            TaskScheduler.Default);
        _state.BecomeReady();
        var stopped = new TaskCompletionSource();
        await using var registration = stop.Register(() => stopped.TrySetResult());
        await await Task.WhenAny(stopped.Task, running);
        using var deadline = new CancellationTokenSource(options.DrainTimeout, clock);
        try
        {
            await _state.DrainAsync().WaitAsync(deadline.Token);
        }
        catch (OperationCanceledException)
        {
            batcher.Abandon(new InferenceException(503, "the server shut down before the request was run"));
        }

        await end.CancelAsync();
        try
        {
            await running;
        }
        catch (OperationCanceledException)
        {
        }
    }

    private WebApplication Build(ServedModel model, Batcher batcher)
    {
        // The empty builder: no configuration files, no logging, no environment to surprise a replica.
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            // The bound is the endpoint's. Kestrel's own resets the connection of a client that is still sending, which
            // then never sees the 413; without it the rest is swallowed, for five seconds at most.
            kestrel.Limits.MaxRequestBodySize = null;
            kestrel.Limits.MaxConcurrentConnections = 10_000;
            kestrel.Listen(options.Address, options.Port);
        });
        builder.Services.AddRoutingCore();
        var app = builder.Build();
        new Endpoints(options, model, _state, batcher, _metrics, clock).Map(app);
        return app;
    }

    private async Task StartAsync(WebApplication app)
    {
        try
        {
            await app.StartAsync();
        }
        catch (Exception e) when (e is IOException or SocketException)
        {
            var reason = (e.InnerException ?? e) is { Message: var message } && e.GetBaseException() is SocketException socket
                ? socket.SocketErrorCode switch
                {
                    SocketError.AddressAlreadyInUse => "another process listens there",
                    SocketError.AccessDenied => "this user may not listen there",
                    SocketError.AddressNotAvailable => "this machine has no such address",
                    _ => socket.Message,
                }
                : e.Message;
            throw new ServerException($"Port {options.Port} of {options.Address} cannot be listened on: {reason}.", e);
        }
    }
}

/// <summary>The server cannot run; the message is for its user.</summary>
internal sealed class ServerException(string message, Exception inner) : Exception(message, inner);
