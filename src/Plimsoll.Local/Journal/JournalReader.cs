using System.Collections.Immutable;
using System.Text.Json;
using Microsoft.Data.Sqlite;
using Plimsoll.Control;
using Plimsoll.Json;

namespace Plimsoll.Local;

/// <summary>Where a restarted controller goes on.</summary>
/// <param name="Tick">The last recorded tick.</param>
/// <param name="At">Its snapshot's time.</param>
/// <param name="Spec">The fleet asked for then.</param>
/// <param name="Knowledge">What to fold the next snapshot into.</param>
public sealed record JournalLatest(long Tick, DateTimeOffset At, FleetSpec Spec, Knowledge Knowledge);

/// <summary>One recorded tick.</summary>
/// <param name="Number">Its number; rising, with gaps where ticks were lost.</param>
/// <param name="Run">The run it belongs to.</param>
/// <param name="Spec">What was asked.</param>
/// <param name="Snapshot">What was seen.</param>
/// <param name="PlanJson">The plan's canonical JSON with an empty next.</param>
/// <param name="NextSha256">SHA-256 of the canonical JSON of the plan's next.</param>
/// <param name="Applied">What was done with it; null when nothing was, or the controller ended before it was noted.</param>
public sealed record RecordedTick(
    long Number, long Run, FleetSpec Spec, FleetSnapshot Snapshot, ImmutableArray<byte> PlanJson,
    ImmutableArray<byte> NextSha256, ApplyResult? Applied)
{
    /// <summary>The plan; its next is empty here.</summary>
    public Plan Plan { get; } = JsonSerializer.Deserialize(PlanJson.AsSpan(), PlimsollJson.Default.Plan)
        ?? throw new InvalidDataException($"tick {Number} holds no plan");
}

/// <summary>One run as it was recorded; <paramref name="EndedAt"/> is null for one that runs or was killed.</summary>
public sealed record RecordedRun(long Run, long FirstTick, JournalRun Of, DateTimeOffset? EndedAt);

/// <summary>Reads a journal, its writer running or not.</summary>
public sealed class JournalReader : IDisposable
{
    // Read in pieces, so that no read transaction keeps the writer's log from being folded back.
    private const int Page = 64;

    private readonly SqliteConnection _connection;
    private readonly Dictionary<long, FleetSpec> _specs = [];

    private JournalReader(SqliteConnection connection) => _connection = connection;

    /// <param name="path">The journal's file.</param>
    /// <exception cref="JournalException">There is none, or it cannot be read.</exception>
    public static JournalReader Open(string path)
    {
        try
        {
            return new JournalReader(JournalSchema.OpenForReading(path));
        }
        catch (SqliteException trouble)
        {
            throw Unreadable(path, trouble);
        }
    }

    public void Dispose() => _connection.Dispose();

    /// <summary>The last recorded tick and what is known since.</summary>
    public JournalLatest? Latest() => Read(() => Latest(_connection));

    /// <summary>Numbers of the first and the last tick kept; null when there is none.</summary>
    public (long First, long Last)? Range() => Read<(long, long)?>(() =>
        _connection.Long("SELECT min(number) FROM ticks") is { } first
        && _connection.Long("SELECT max(number) FROM ticks") is { } last ? (first, last) : null);

    public ImmutableArray<RecordedRun> Runs() => Read<ImmutableArray<RecordedRun>>(() =>
    [
        .. _connection.Rows("SELECT run, first_tick, started_ms, ended_ms, version, allocator, host FROM runs ORDER BY run", row =>
            new RecordedRun(row.GetInt64(0), row.GetInt64(1), new JournalRun(
                DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(2)), row.GetString(4), row.GetString(5), row.GetString(6)),
                row.IsDBNull(3) ? null : DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(3)))),
    ]);

    /// <summary>One tick; null when it is not kept.</summary>
    public RecordedTick? Tick(long number) => Ticks(number, number).FirstOrDefault();

    /// <summary>Ticks of a range, both ends in it, ordered by number.</summary>
    public IEnumerable<RecordedTick> Ticks(long from, long to)
    {
        while (from <= to)
        {
            var page = Read(() => _connection.Rows(
                """
                SELECT number, run, spec, snapshot, plan, next_sha256, applied FROM ticks
                WHERE number BETWEEN $from AND $to ORDER BY number LIMIT $page
                """,
                row => (Number: row.GetInt64(0), Run: row.GetInt64(1), Spec: row.GetInt64(2), Snapshot: row.Blob(3),
                    Plan: row.Blob(4), Next: row.Blob(5), Applied: row.IsDBNull(6) ? null : row.Blob(6)),
                ("$from", from), ("$to", to), ("$page", Page)));
            foreach (var row in page)
            {
                yield return Read(() => new RecordedTick(
                    row.Number, row.Run, Spec(row.Spec), JournalCodec.Unpack(row.Snapshot, PlimsollJson.Default.FleetSnapshot),
                    [.. JournalCodec.Unpack(row.Plan)], [.. row.Next],
                    row.Applied is null ? null : JournalCodec.Unpack(row.Applied, PlimsollJson.Default.ApplyResult)));
            }

            if (page.Count < Page) yield break;
            from = page[^1].Number + 1;
        }
    }

    /// <summary>The newest checkpoint at or before a tick: the tick it comes before, and what was known there.</summary>
    public (long Before, Knowledge Known)? CheckpointFor(long tick) =>
        Checkpoint("SELECT before, knowledge FROM checkpoints WHERE before <= $tick ORDER BY before DESC LIMIT 1", tick);

    /// <summary>The checkpoint right before a tick; null when there is none.</summary>
    public Knowledge? CheckpointBefore(long tick) =>
        Checkpoint("SELECT before, knowledge FROM checkpoints WHERE before = $tick", tick)?.Known;

    /// <summary>Decisions and outcomes, oldest first; the newest ones when there are more than the query's limit.</summary>
    public ImmutableArray<HistoryEntry> History(HistoryQuery query) => Read(() => JournalHistory.Read(_connection, query));

    /// <summary>Demand by minute and model, ordered by both.</summary>
    public ImmutableArray<MinuteTraffic> Traffic(DateTimeOffset from, DateTimeOffset to, ModelId? model) =>
        Read(() => JournalHistory.Traffic(_connection, from, to, model));

    internal static JournalLatest? Latest(SqliteConnection connection) => connection.Rows(
        """
        SELECT latest.tick, latest.next, specs.json, ticks.snapshot FROM latest
        JOIN ticks ON ticks.number = latest.tick JOIN specs ON specs.id = ticks.spec
        """,
        row => new JournalLatest(
            row.GetInt64(0), JournalCodec.Unpack(row.Blob(3), PlimsollJson.Default.FleetSnapshot).At,
            JournalCodec.Unpack(row.Blob(2), PlimsollJson.Default.FleetSpec),
            JournalCodec.Unpack(row.Blob(1), PlimsollJson.Default.Knowledge))).FirstOrDefault();

    private (long Before, Knowledge Known)? Checkpoint(string sql, long tick) => Read<(long, Knowledge)?>(() =>
    {
        foreach (var found in _connection.Rows(
            sql, row => (row.GetInt64(0), JournalCodec.Unpack(row.Blob(1), PlimsollJson.Default.Knowledge)), ("$tick", tick)))
            return found;
        return null;
    });

    // Damage shows only where it is read.
    private T Read<T>(Func<T> read)
    {
        try
        {
            return read();
        }
        catch (SqliteException trouble)
        {
            throw Unreadable(_connection.DataSource, trouble);
        }
        catch (Exception trouble) when (trouble is JsonException or InvalidDataException or InvalidOperationException)
        {
            throw new JournalException($"{_connection.DataSource}: the journal cannot be read: {trouble.Message}", trouble);
        }
    }

    private static JournalException Unreadable(string path, SqliteException trouble) =>
        new($"{path}: the journal cannot be read: {Journal.Sentence(trouble)}", trouble);

    private FleetSpec Spec(long id)
    {
        if (_specs.TryGetValue(id, out var known)) return known;
        var packed = _connection.Scalar("SELECT json FROM specs WHERE id = $id", ("$id", id)) as byte[]
            ?? throw new InvalidDataException($"the journal has no spec {id}; it was dropped while it was read");
        return _specs[id] = JournalCodec.Unpack(packed, PlimsollJson.Default.FleetSpec);
    }
}
