using System.Buffers;
using System.Collections.Immutable;
using System.IO.Pipelines;
using System.Net;
using System.Text.Json;

namespace Plimsoll.Kubernetes.Cluster;

/// <summary>
/// All objects of one kind, listed once by pages and kept up by a watch: bookmarks keep its place, an expired place
/// (410) is listed anew, a broken connection is tried again with a growing pause.
/// </summary>
/// <typeparam name="TView">What is kept of an object.</typeparam>
/// <param name="api">The server.</param>
/// <param name="path">The list's path ("api/v1/pods").</param>
/// <param name="view">What is kept of an object; null keeps nothing.</param>
/// <param name="changed">Called after each change, from the watch's thread.</param>
/// <param name="time">Paces the pauses.</param>
/// <param name="fieldSelector">Of which objects ("metadata.name=a"); null for all.</param>
/// <param name="removable">Its kind may be uninstalled while we watch: then there are none of it, until it is there again.</param>
public sealed class WatchedList<TView>(
    KubernetesApi api, string path, Func<JsonElement, TView?> view, Action changed, TimeProvider time, string? fieldSelector = null, bool removable = false) : IWatched
    where TView : class
{
    private const int PageSize = 500;
    private const int LineBytesMax = 8 << 20;
    private static readonly TimeSpan WatchTime = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(30);

    // A server sends a bookmark each minute or so. A watch from which nothing comes for much longer may be cut off
    // somewhere on the way; opening it anew costs next to nothing.
    private static readonly TimeSpan SilenceMax = TimeSpan.FromMinutes(3);

    // A server that has just started answers so of kinds that it has yet to read.
    private static readonly TimeSpan GoneAfter = TimeSpan.FromSeconds(20);

    private readonly string _selected = fieldSelector is null ? "" : "&fieldSelector=" + Uri.EscapeDataString(fieldSelector);
    private ImmutableSortedDictionary<ObjectName, TView> _items = ImmutableSortedDictionary<ObjectName, TView>.Empty;
    private long _heard;
    private long _last = time.GetTimestamp();
    private volatile string? _problem;

    // Where the watch is; null before it is listed. What was taken counts however a watch ends, or what is shown would go back in time.
    private string? _place;

    /// <summary>By name; of kinds without namespaces the namespace is empty.</summary>
    public ImmutableSortedDictionary<ObjectName, TView> Items => Volatile.Read(ref _items);

    public string Path => path;

    public bool Synced { get; private set; }

    public string? Problem => _problem;

    public TimeSpan SinceHeard => _problem is null ? TimeSpan.Zero : time.GetElapsedTime(Interlocked.Read(ref _heard));

    public bool HasHeardSince(long timestamp) => _problem is null && Interlocked.Read(ref _last) >= timestamp;

    /// <summary>Lists and watches until cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        long? missing = null;
        for (var failures = 0; !cancellationToken.IsCancellationRequested;)
        {
            try
            {
                _place ??= await ListAsync(cancellationToken).ConfigureAwait(false);
                missing = null;
                var started = time.GetTimestamp();
                await WatchAsync(_place, cancellationToken).ConfigureAwait(false);
                failures = 0;
                // A server that ends each watch at once must not be asked in a tight loop.
                if (time.GetElapsedTime(started) < TimeSpan.FromSeconds(1))
                    await Task.Delay(TimeSpan.FromSeconds(1), time, cancellationToken).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                return;
            }
            catch (ApiException expired) when (expired.Status == HttpStatusCode.Gone || expired.Reason is "Expired" or "Gone")
            {
                _place = null;
                await Task.Delay(Pause(failures++) / 4, time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
            catch (ApiException gone) when (removable && gone.Status == HttpStatusCode.NotFound && missing is { } since && time.GetElapsedTime(since) > GoneAfter)
            {
                (_place, _problem, Synced) = (null, null, true);
                Volatile.Write(ref _items, ImmutableSortedDictionary<ObjectName, TView>.Empty);
                changed();
                await Task.Delay(Jitter.Around(LongestPause * 0.75, 0.33), time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
            catch (ApiException failed)
            {
                Failed(failed.Message);
                missing = failed.Status == HttpStatusCode.NotFound ? missing ?? time.GetTimestamp() : null;
                // What the server refuses outright may have another place by the time it no longer does.
                if (!failed.IsTransient) _place = null;
                var pause = Pause(failures++);
                await Task.Delay(
                    failed.RetryAfter is { } told && told > pause ? Jitter.After(told, 0.25) : pause, time, cancellationToken)
                    .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
#pragma warning disable CA1031 // A list that nobody keeps up any more, and nobody knows of it, is the worst of all.
            catch (Exception unexpected)
#pragma warning restore CA1031
            {
                Failed($"{path} could not be read: {unexpected.Message}");
                _place = null;
                await Task.Delay(Pause(failures++), time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    private static TimeSpan Pause(int failures)
    {
        var doubled = TimeSpan.FromMilliseconds(250 * Math.Pow(2, Math.Min(failures, 8)));
        return Jitter.Around((doubled < LongestPause ? doubled : LongestPause) * 0.75, 0.33);
    }

    private void Failed(string problem)
    {
        if (_problem is null) Interlocked.Exchange(ref _heard, time.GetTimestamp());
        _problem = problem;
    }

    private async Task<string> ListAsync(CancellationToken cancellationToken)
    {
        var items = ImmutableSortedDictionary.CreateBuilder<ObjectName, TView>();
        var (token, version) = ("", "");
        do
        {
            var page = $"{path}?limit={PageSize}{_selected}" + (token.Length > 0 ? "&continue=" + Uri.EscapeDataString(token) : "");
            using var json = await api.GetAsync(page, cancellationToken).ConfigureAwait(false);
            var root = json.RootElement;
            foreach (var item in root.GetProperty("items").EnumerateArray())
            {
                if (View(item) is { } kept) items[NameOf(item)] = kept;
            }

            var metadata = root.GetProperty("metadata");
            version = metadata.Text("resourceVersion") ?? "";
            token = metadata.Text("continue") ?? "";
        }
        while (token.Length > 0);
        Volatile.Write(ref _items, items.ToImmutable());
        // Only the watch that follows keeps it up: where that is refused, lists anew must not pass for a whole picture.
        Synced = true;
        Interlocked.Exchange(ref _last, time.GetTimestamp());
        changed();
        return version;
    }

    private async Task WatchAsync(string place, CancellationToken cancellationToken)
    {
        var seconds = (int)Jitter.Around(WatchTime, 0.5).TotalSeconds;
        using var silence = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using var response = await api.WatchAsync(
            $"{path}?watch=1&allowWatchBookmarks=true&resourceVersion={Uri.EscapeDataString(place)}&timeoutSeconds={seconds}{_selected}",
            cancellationToken).ConfigureAwait(false);
        _problem = null;
        try
        {
            var reader = PipeReader.Create(await response.Content.ReadAsStreamAsync(silence.Token).ConfigureAwait(false));
            while (true)
            {
                silence.CancelAfter(SilenceMax);
                var read = await reader.ReadAsync(silence.Token).ConfigureAwait(false);
                var buffer = read.Buffer;
                while (buffer.PositionOf((byte)'\n') is { } end)
                {
                    _place = Take(buffer.Slice(0, end), _place!);
                    buffer = buffer.Slice(buffer.GetPosition(1, end));
                }

                if (buffer.Length > LineBytesMax)
                    throw new ApiException($"an object of {path} is over {new Bytes(LineBytesMax)}, larger than the API server stores");
                reader.AdvanceTo(buffer.Start, buffer.End);
                if (read.IsCompleted) break;
            }

            await reader.CompleteAsync().ConfigureAwait(false);
        }
        catch (Exception broken) when (broken is HttpRequestException or IOException or JsonException
            || broken is OperationCanceledException && !cancellationToken.IsCancellationRequested)
        {
            // What was taken so far counts: the next watch goes on from there.
            Failed($"the watch of {path} broke off: {broken.Message}");
        }
    }

    private string Take(ReadOnlySequence<byte> line, string place)
    {
        using var json = JsonDocument.Parse(line, KubeFields.Deep);
        var item = json.RootElement.GetProperty("object");
        var kind = json.RootElement.Text("type");
        if (kind == "ERROR")
        {
            api.CountRefusedWatch(Path, item.Number("code") ?? 500);
            throw ApiException.Of(HttpMethod.Get, path, (HttpStatusCode)(item.Number("code") ?? 500), item.Raw());
        }

        Interlocked.Exchange(ref _last, time.GetTimestamp());
        place = item.GetProperty("metadata").Text("resourceVersion") ?? place;
        if (kind == "BOOKMARK") return place;
        var name = NameOf(item);
        var kept = kind == "DELETED" ? null : View(item);
        Volatile.Write(ref _items, kept is null ? _items.Remove(name) : _items.SetItem(name, kept));
        changed();
        return place;
    }

    // One object that nobody can make sense of is left out; the others are not its affair.
    private TView? View(JsonElement item)
    {
        try
        {
            return view(item);
        }
        catch (Exception odd) when (odd is JsonException or InvalidOperationException or OverflowException or FormatException)
        {
            return null;
        }
    }

    private static ObjectName NameOf(JsonElement item)
    {
        var metadata = item.GetProperty("metadata");
        return new ObjectName(metadata.Text("namespace") ?? "", metadata.Text("name") ?? "");
    }
}

/// <summary>Whether a list can be relied on.</summary>
public interface IWatched
{
    string Path { get; }

    /// <summary>Listed at least once.</summary>
    bool Synced { get; }

    /// <summary>What went wrong with it last; null when nothing did.</summary>
    string? Problem { get; }

    /// <summary>How long it has not been up to date.</summary>
    TimeSpan SinceHeard { get; }

    /// <summary>Whether it is up to date and something came of it since then, as <see cref="TimeProvider.GetTimestamp"/> tells it.</summary>
    bool HasHeardSince(long timestamp);

    /// <summary>Keeps it up until cancelled.</summary>
    Task RunAsync(CancellationToken cancellationToken);
}
