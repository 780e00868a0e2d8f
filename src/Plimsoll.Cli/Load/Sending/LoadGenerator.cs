using System.Globalization;
using System.Net.Http.Headers;
using System.Net.Sockets;

namespace Plimsoll.Cli.Load.Sending;

/// <summary>How requests are sent.</summary>
public sealed record SendingOptions
{
    /// <summary>Address of the gateway, or of any server of the Open Inference Protocol v2.</summary>
    public required Uri Gateway { get; init; }

    /// <summary>More than this many requests at once are not sent but counted: a bound on our own memory.</summary>
    public int MaxInFlight { get; init; } = 4096;

    /// <summary>A request without an answer after this long has failed.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Decides the token ids in the bodies.</summary>
    public ulong Seed { get; init; }

    /// <summary>Sent as a bearer token where the gateway asks for one; null sends none.</summary>
    public string? ApiKey { get; init; }
}

/// <summary>
/// Sends a schedule, open loop: each request at its time, whatever became of those before it. A server that stalls
/// therefore shows in the latency of every request that was due meanwhile, which a generator that waits for answers
/// would leave out ("coordinated omission", Tene).
/// </summary>
/// <param name="options">Where to and how much at once.</param>
/// <param name="inputs">What each model is sent.</param>
/// <param name="time">The clock of sending and of measuring.</param>
public sealed class LoadGenerator(
    SendingOptions options, IReadOnlyDictionary<ModelId, ModelInputs> inputs, TimeProvider time) : IDisposable
{
    /// <summary>The gateway's response header that says how long a request was held.</summary>
    public const string HeldHeader = "x-plimsoll-held-ms";

    public const string NotSent = "not sent: too many in flight";

    public const string Unfinished = "unfinished when stopped";

    private readonly HttpMessageInvoker _client = new(new SocketsHttpHandler
    {
        UseProxy = false,
        UseCookies = false,
        AllowAutoRedirect = false,
        MaxConnectionsPerServer = int.MaxValue,
        ConnectTimeout = TimeSpan.FromSeconds(10),
        PooledConnectionIdleTimeout = TimeSpan.FromMinutes(2),
    });

    private int _inFlight;

    /// <summary>Requests without an answer yet.</summary>
    public int InFlight => Volatile.Read(ref _inFlight);

    public void Dispose() => _client.Dispose();

    /// <summary>Sends all and waits for the answers.</summary>
    /// <param name="schedule">In the order of time.</param>
    /// <param name="ended">Called once for each request as it ends, from many threads.</param>
    /// <param name="cancellationToken">Stops sending; what is in flight is given up and reported as unfinished.</param>
    /// <returns>How long it took, from the run's start to the last answer.</returns>
    public async Task<TimeSpan> RunAsync(
        IEnumerable<ScheduledRequest> schedule, Action<RequestResult> ended, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(schedule);
        ArgumentNullException.ThrowIfNull(ended);
        var allDone = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var open = 1; // the schedule itself counts as one until it is through
        var start = time.GetTimestamp();
        var number = 0UL;
        try
        {
            foreach (var request in schedule)
            {
                var body = inputs[request.Model].Body(request.SequenceLength, SeededRandom.Mix(options.Seed, ++number));
                await WaitUntilAsync(request.At, start, cancellationToken).ConfigureAwait(false);
                cancellationToken.ThrowIfCancellationRequested();
                var lag = time.GetElapsedTime(start) - request.At;
                if (InFlight >= options.MaxInFlight)
                {
                    ended(new RequestResult { Request = request, IsSent = false, Failure = NotSent, Lag = lag });
                    continue;
                }

                Interlocked.Increment(ref _inFlight);
                Interlocked.Increment(ref open);
                _ = FollowAsync(request, body, lag);
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // Stopped by the person: what was due later is no part of the run.
        }

        Close();
        await allDone.Task.ConfigureAwait(false);
        return time.GetElapsedTime(start);

        async Task FollowAsync(ScheduledRequest request, byte[] body, TimeSpan lag)
        {
            var (failure, held) = await SendAsync(request.Model, body, cancellationToken).ConfigureAwait(false);
            var latency = time.GetElapsedTime(start) - request.At;
            Interlocked.Decrement(ref _inFlight);
            ended(new RequestResult
            {
                Request = request,
                IsSent = true,
                Failure = failure,
                Latency = latency,
                Lag = lag,
                Held = held,
            });
            Close();
        }

        void Close()
        {
            if (Interlocked.Decrement(ref open) == 0) allDone.SetResult();
        }
    }

    // A timer may fire a few milliseconds early; a request sent early would have a latency that is too short.
    private async Task WaitUntilAsync(TimeSpan at, long start, CancellationToken cancellationToken)
    {
        while (at - time.GetElapsedTime(start) is var wait && wait > TimeSpan.Zero)
        {
            var whole = TimeSpan.FromMilliseconds(Math.Ceiling(wait.TotalMilliseconds));
            await Task.Delay(whole, time, cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task<(string? Failure, TimeSpan? Held)> SendAsync(
        ModelId model, byte[] body, CancellationToken stop)
    {
        using var deadline = new CancellationTokenSource(options.Timeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(stop, deadline.Token);
        try
        {
            using var request = new HttpRequestMessage(
                HttpMethod.Post, new Uri(options.Gateway, $"/v2/models/{Uri.EscapeDataString(model.Value)}/infer"))
            {
                Content = new ByteArrayContent(body),
            };
            request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
            if (options.ApiKey is { } key) request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", key);
            using var response = await _client.SendAsync(request, either.Token).ConfigureAwait(false);
            await response.Content.CopyToAsync(Stream.Null, either.Token).ConfigureAwait(false);
            var status = (int)response.StatusCode;
            return (status is >= 200 and < 300 ? null : $"HTTP {status.ToString(CultureInfo.InvariantCulture)}", HeldBy(response));
        }
        catch (OperationCanceledException)
        {
            return (stop.IsCancellationRequested ? Unfinished : "no answer in time", null);
        }
        catch (HttpRequestException problem)
        {
            return (Kind(problem), null);
        }
        catch (SocketException)
        {
            return ("cannot connect", null);
        }
        catch (IOException)
        {
            return ("the answer broke off", null);
        }
    }

    private static TimeSpan? HeldBy(HttpResponseMessage response) =>
        response.Headers.TryGetValues(HeldHeader, out var values)
        && double.TryParse(values.FirstOrDefault(), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var ms)
        && ms is >= 0 and < 1e9
            ? TimeSpan.FromMilliseconds(ms) : null;

    private static string Kind(HttpRequestException problem) => problem switch
    {
        { InnerException: SocketException { SocketErrorCode: SocketError.ConnectionRefused } } => "connection refused",
        { HttpRequestError: HttpRequestError.NameResolutionError } => "unknown host",
        { HttpRequestError: HttpRequestError.ConnectionError } => "cannot connect",
        { HttpRequestError: HttpRequestError.SecureConnectionError } => "TLS failed",
        { HttpRequestError: HttpRequestError.ResponseEnded } => "the answer broke off",
        _ => "broken connection",
    };
}
