using System.Globalization;
using Microsoft.Extensions.Logging.Abstractions;
using Plimsoll;
using Plimsoll.Caching;
using Plimsoll.Control;
using Plimsoll.Local;
using Plimsoll.Local.StoreHost;

// What the tests kill. `journal FOLDER` turns the loop as fast as it can until it is ended, and says each tick whose
// record has been acknowledged; `fetch FOLDER URL BYTES_PER_SECOND` fetches model@v1 and says each byte count.
if (args is ["fetch", var cacheFolder, var url, var rate])
{
    var options = new ModelCacheOptions
    {
        Folder = cacheFolder,
        Node = NodeId.Of("here"),
        Bandwidth = new BytesPerSecond(long.Parse(rate, CultureInfo.InvariantCulture)),
        MarkEvery = Bytes.KiB(256),
    };
    await using var cache = ModelCache.Open(options, TimeProvider.System, NullLogger.Instance);
    var result = await cache.FetchAsync(
        ModelId.Of("model"), "v1", new FetchSpec { Source = url }, new ToConsole(), CancellationToken.None);
    Console.WriteLine(result.Why ?? "whole");
    return result.Why is null ? 0 : 1;
}

if (args is not ["journal", var folder])
{
    await Console.Error.WriteLineAsync("usage: Plimsoll.Local.StoreHost journal FOLDER | fetch FOLDER URL BYTES_PER_SECOND");
    return 2;
}

// A number that is printed says that its tick is kept, so the loop waits for the slowest disk.
await using var journal = Journal.Open(
    folder, new JournalOptions { CheckpointEvery = 20, Patience = TimeSpan.FromMinutes(5) }, TimeProvider.System, NullLogger.Instance);
var known = journal.Latest?.Knowledge ?? Knowledge.Empty;
var first = journal.StartRun(
    new JournalRun(TimeProvider.System.GetUtcNow(), Replay.PlannerVersion, "plimsoll", "test"), known);
var loop = new ControlLoop(
    new ScriptedFleet(first, []), new Planner(new WeightAllocator()), TimeProvider.System, journal.AppendAsync, journal.Applied);
for (var number = first; ; number++)
{
    var tick = await loop.TurnAsync(number, ScriptedFleet.Spec, known, CancellationToken.None);
    known = tick.Plan.Next;
    Console.WriteLine(number);
}

internal sealed class ToConsole : IProgress<FetchProgress>
{
    public void Report(FetchProgress value) => Console.WriteLine(value.Done.Value.ToString(CultureInfo.InvariantCulture));
}
