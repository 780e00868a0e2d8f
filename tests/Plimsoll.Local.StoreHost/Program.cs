using Microsoft.Extensions.Logging.Abstractions;
using Plimsoll;
using Plimsoll.Control;
using Plimsoll.Local;
using Plimsoll.Local.StoreHost;

// What the tests kill: `journal FOLDER` turns the loop as fast as it can until it is ended, and says each tick whose
// record has been acknowledged.
if (args is not ["journal", var folder])
{
    await Console.Error.WriteLineAsync("usage: Plimsoll.Local.StoreHost journal FOLDER");
    return 2;
}

await using var journal = Journal.Open(
    folder, new JournalOptions { CheckpointEvery = 20 }, TimeProvider.System, NullLogger.Instance);
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
