using System.Diagnostics;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging.Abstractions;
using Plimsoll.Control;
using Plimsoll.Local.StoreHost;

namespace Plimsoll.Local.Tests;

/// <summary>A state folder with a journal that the real loop writes.</summary>
internal sealed class JournalFixture : IDisposable
{
    public string Folder { get; } = Directory.CreateTempSubdirectory("plimsoll-journal-").FullName;

    public string JournalFile => Journal.PathIn(Folder);

    public Journal Open(JournalOptions? options = null) =>
        Journal.Open(Folder, options ?? new JournalOptions(), TimeProvider.System, NullLogger.Instance);

    /// <summary>One life of a controller.</summary>
    public async Task<Knowledge> RunAsync(int ticks, JournalOptions? options = null, string version = "")
    {
        await using var journal = Open(options);
        return await TurnAsync(journal, ticks, version);
    }

    public static async Task<Knowledge> TurnAsync(Journal journal, int ticks, string version = "")
    {
        var known = journal.Latest?.Knowledge ?? Knowledge.Empty;
        var first = journal.StartRun(
            new JournalRun(ScriptedFleet.Epoch, version.Length > 0 ? version : Replay.PlannerVersion, "plimsoll", "test"), known);
        var loop = Loop(journal, first);
        for (var number = first; number < first + ticks; number++)
            known = (await loop.TurnAsync(number, ScriptedFleet.Spec, known, TestContext.Current.CancellationToken)).Plan.Next;
        return known;
    }

    public static ControlLoop Loop(Journal journal, long first, long? fleetFrom = null) => new(
        new ScriptedFleet(fleetFrom ?? first, []), new Planner(new WeightAllocator()), TimeProvider.System, journal.AppendAsync, journal.Applied);

    public ReplayReport Replayed(long from, long to, IAllocator? allocator = null)
    {
        using var reader = JournalReader.Open(JournalFile);
        return new Replay(reader, _ => new Planner(allocator ?? new WeightAllocator()))
            .Range(from, to, TestContext.Current.CancellationToken);
    }

    public object? Scalar(string sql)
    {
        using var connection = new SqliteConnection($"Data Source={JournalFile};Pooling=False");
        connection.Open();
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        return command.ExecuteScalar();
    }

    public static Process StartHost(params string[] arguments)
    {
        var start = new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, "Plimsoll.Local.StoreHost"), arguments)
        {
            RedirectStandardOutput = true,
        };
        return Process.Start(start)!;
    }

    public void Dispose() => Directory.Delete(Folder, recursive: true);
}
