using System.Collections.Immutable;
using Plimsoll.Cli.Load;
using Plimsoll.Cli.Load.Sending;

namespace Plimsoll.EndToEnd.Tests;

/// <summary>
/// Requests at a steady pace, each model in turn, open loop: sent at their time whatever became of the ones before, and
/// every one of them accounted for. Only when very many are under way does the next one wait: a machine too slow for the
/// pace would make the gateway shed load, and that is another test's matter.
/// </summary>
internal sealed class Traffic : IDisposable
{
    private const int UnderWayMax = 1000;
    private const int Tokens = 32;

    private readonly SemaphoreSlim _room = new(UnderWayMax);
    private readonly Lock _gate = new();
    private readonly List<RequestResult> _results = [];
    private readonly long _start = TimeProvider.System.GetTimestamp();
    private readonly Func<string> _next;
    private readonly double _perSecond;
    private readonly Task _running;
    private volatile bool _stopped;

    private Traffic(Uri gateway, double perSecond, ImmutableArray<string> models, Func<string> next)
    {
        (_next, _perSecond) = (next, perSecond);
        var inputs = models.ToDictionary(ModelId.Of, _ => ModelInputs.TokenIds);
        var generator = new LoadGenerator(
            new SendingOptions { Gateway = gateway, Timeout = Scene.Patience }, inputs, TimeProvider.System);
        // Where it lags behind its schedule it does not wait at all, and would not come back to us.
        _running = Task.Run(() => RunAsync(generator));
    }

    /// <summary>Time since the start: the scale of <see cref="ScheduledRequest.At"/>.</summary>
    public TimeSpan Now => TimeProvider.System.GetElapsedTime(_start);

    public ImmutableArray<RequestResult> Results
    {
        get
        {
            lock (_gate) return [.. _results];
        }
    }

    public int Answered => Results.Count(result => result.Failure is null && result.IsSent);

    /// <param name="gateway">Where to.</param>
    /// <param name="perSecond">Over all models together.</param>
    /// <param name="models">Each in turn.</param>
    public static Traffic Start(Uri gateway, double perSecond, params ImmutableArray<string> models)
    {
        var number = 0;
        return new Traffic(gateway, perSecond, models, () => models[number++ % models.Length]);
    }

    /// <summary>The same to whichever model is in turn at a time.</summary>
    public static Traffic StartPhased(Uri gateway, double perSecond, ImmutableArray<string> models, Func<string> inTurn) =>
        new(gateway, perSecond, models, inTurn);

    /// <summary>Waits until so many more requests were answered.</summary>
    public Task MoreAsync(int answers)
    {
        var until = Answered + answers;
        return Scene.UntilAsync(() => Answered >= until, () => $"{Answered} of {until} answered; failed: {Failures(Results)}");
    }

    /// <summary>Sends no more, and waits for every answer.</summary>
    public async Task<ImmutableArray<RequestResult>> StopAsync()
    {
        _stopped = true;
        await _running;
        return Results;
    }

    // A test that failed sends nothing more; what is under way ends with its gateway.
    public void Dispose()
    {
        _stopped = true;
        _ = _running.ContinueWith(_ => _room.Dispose(), TaskScheduler.Default);
    }

    /// <summary>What failed, by kind; empty when every request was sent and answered with success.</summary>
    public static string Failures(IEnumerable<RequestResult> results) => string.Join(", ", results
        .Where(result => result.Failure is not null || !result.IsSent).CountBy(result => result.Failure ?? "?")
        .Select(kind => $"{kind.Value} x {kind.Key}"));

    private async Task RunAsync(LoadGenerator generator)
    {
        using (generator)
        {
            await generator.RunAsync(Schedule(), result =>
            {
                lock (_gate) _results.Add(result);
                _room.Release();
            }, Scene.Cancel);
        }
    }

    private IEnumerable<ScheduledRequest> Schedule()
    {
        for (var number = 0L; !_stopped; number++)
        {
            _room.Wait(Scene.Cancel);
            var at = TimeSpan.FromSeconds(number / _perSecond);
            yield return new ScheduledRequest(at, ModelId.Of(_next()), Tokens);
        }
    }
}
