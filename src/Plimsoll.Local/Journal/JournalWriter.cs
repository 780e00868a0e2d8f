using System.Security.Cryptography;
using System.Text.Json;
using Microsoft.Data.Sqlite;
using Plimsoll.Control;
using Plimsoll.Json;

namespace Plimsoll.Local;

/// <summary>The rows of one tick, in one transaction.</summary>
internal sealed class JournalWriter(SqliteConnection connection, JournalOptions options) : IDisposable
{
    private long _run;
    private (string Hash, long Id)? _spec;
    private Plan? _written;
    private long _writtenNumber = -1;
    private long _sinceCheckpoint;

    /// <summary>Starts a run; replay can begin at its first tick.</summary>
    public void StartRun(JournalRun run, long firstTick, Knowledge remembered)
    {
        using var transaction = connection.BeginTransaction();
        connection.Run(
            "INSERT INTO runs (first_tick, started_ms, version, allocator, host) VALUES ($first, $at, $version, $allocator, $host)",
            ("$first", firstTick), ("$at", run.StartedAt.ToUnixTimeMilliseconds()), ("$version", run.Version),
            ("$allocator", run.Allocator), ("$host", run.Host));
        _run = connection.Long("SELECT last_insert_rowid()")!.Value;
        Checkpoint(firstTick, JournalCodec.Pack(remembered, PlimsollJson.Default.Knowledge));
        transaction.Commit();
    }

    /// <summary>Writes one tick.</summary>
    /// <param name="tick">The tick.</param>
    /// <param name="remembered">What was known before it, where the caller has it.</param>
    /// <param name="applied">The tick before, as it was applied.</param>
    public void Write(Tick tick, Knowledge? remembered, Tick? applied)
    {
        var next = PlimsollJson.ToBytes(tick.Plan.Next, PlimsollJson.Default.Knowledge);
        var follows = _writtenNumber == tick.Number - 1;
        using var transaction = connection.BeginTransaction();

        // After a gap nothing says what was known but the loop itself.
        var checkpoint = remembered is not null && (!follows || _sinceCheckpoint + 1 >= options.CheckpointEvery);
        if (checkpoint) Checkpoint(tick.Number, JournalCodec.Pack(remembered!, PlimsollJson.Default.Knowledge));
        var at = tick.Snapshot.At.ToUnixTimeMilliseconds();
        var (specId, newSpec) = SpecId(tick);
        connection.Run(
            """
            INSERT INTO ticks (number, at_ms, run, spec, snapshot, plan, next_sha256)
            VALUES ($number, $at, $run, $spec, $snapshot, $plan, $next)
            """,
            ("$number", tick.Number), ("$at", at), ("$run", _run), ("$spec", specId),
            ("$snapshot", JournalCodec.Pack(tick.Snapshot, PlimsollJson.Default.FleetSnapshot)),
            ("$plan", JournalCodec.Pack(Bare(tick.Plan), PlimsollJson.Default.Plan)),
            ("$next", SHA256.HashData(next)));
        connection.Run(
            "INSERT INTO latest VALUES (1, $tick, $next) ON CONFLICT (one) DO UPDATE SET tick = $tick, next = $next",
            ("$tick", tick.Number), ("$next", JournalCodec.Pack(next)));
        JournalFlattening.Decisions(connection, tick, follows ? _written : null, at);
        JournalFlattening.Outcomes(connection, tick);
        JournalFlattening.Traffic(connection, tick);
        if (applied is not null) Applied(applied);
        JournalRetention.DropOldestSegment(connection, options, tick.Snapshot.At);
        transaction.Commit();

        // Only now: what was rolled back was not written.
        (_spec, _written, _writtenNumber) = ((newSpec, specId), tick.Plan, tick.Number);
        _sinceCheckpoint = checkpoint ? 0 : _sinceCheckpoint + 1;
    }

    /// <summary>Gives freed pages back to the file system; outside the tick's transaction, a few at a time.</summary>
    public void Shrink() => connection.Rows("PRAGMA incremental_vacuum(512)", _ => 0);

    public void EndRun(DateTimeOffset at, Knowledge? remembered, Tick? applied)
    {
        using var transaction = connection.BeginTransaction();
        if (applied is not null) Applied(applied);
        if (remembered is not null && _writtenNumber >= 0)
            Checkpoint(_writtenNumber + 1, JournalCodec.Pack(remembered, PlimsollJson.Default.Knowledge));
        connection.Run("UPDATE runs SET ended_ms = $at WHERE run = $run", ("$at", at.ToUnixTimeMilliseconds()), ("$run", _run));
        transaction.Commit();
    }

    public void Dispose() => connection.Dispose();

    /// <summary>The plan without its knowledge, as it is stored.</summary>
    public static Plan Bare(Plan plan) => plan with { Next = Knowledge.Empty };

    private void Checkpoint(long before, byte[] knowledge) => connection.Run(
        "INSERT OR REPLACE INTO checkpoints (before, knowledge) VALUES ($before, $knowledge)",
        ("$before", before), ("$knowledge", knowledge));

    private (long Id, string Hash) SpecId(Tick tick)
    {
        var hash = tick.Plan.Inputs.Spec;
        if (_spec is { } known && known.Hash == hash) return (known.Id, hash);
        if (connection.Long("SELECT id FROM specs WHERE hash = $hash", ("$hash", hash)) is { } id) return (id, hash);
        connection.Run(
            "INSERT INTO specs (hash, json) VALUES ($hash, $json)",
            ("$hash", hash), ("$json", JournalCodec.Pack(tick.Spec, PlimsollJson.Default.FleetSpec)));
        return (connection.Long("SELECT last_insert_rowid()")!.Value, hash);
    }

    private void Applied(Tick tick)
    {
        if (tick.Applied.Started.IsEmpty && tick.Applied.Waiting.IsEmpty) return;
        connection.Run(
            "UPDATE ticks SET applied = $applied WHERE number = $number",
            ("$applied", JournalCodec.Pack(JsonSerializer.SerializeToUtf8Bytes(tick.Applied, PlimsollJson.Default.ApplyResult))),
            ("$number", tick.Number));
        foreach (var step in tick.Applied.Started)
        {
            connection.Run(
                "UPDATE decisions SET started_tick = $tick WHERE step = $step AND started_tick IS NULL AND tick <= $tick",
                ("$tick", tick.Number), ("$step", step.Value));
        }
    }
}
