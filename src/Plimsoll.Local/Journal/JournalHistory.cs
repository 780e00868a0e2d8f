using System.Collections.Immutable;
using Microsoft.Data.Sqlite;

namespace Plimsoll.Local;

/// <summary>What of the history is wanted.</summary>
public sealed record HistoryQuery
{
    /// <summary>Only this model; null is all.</summary>
    public ModelId? Model { get; init; }

    /// <summary>Only this training job; null is all.</summary>
    public JobId? Job { get; init; }

    public DateTimeOffset From { get; init; } = DateTimeOffset.UnixEpoch;

    public DateTimeOffset To { get; init; } = DateTimeOffset.MaxValue;

    /// <summary>"start", "drain", "verdict", "loaded", "exited", …; empty is all.</summary>
    public ImmutableArray<string> Kinds { get; init; } = [];

    /// <summary>Entries at the most, 1 to 100,000.</summary>
    public int Limit { get; init; } = 200;
}

/// <summary>A decision that was new at its tick, or something that ended.</summary>
/// <param name="Tick">The tick that decided it or saw it.</param>
/// <param name="At">When.</param>
/// <param name="Kind">A step's kind, "verdict", an outcome's kind, or "lost" where ticks before this one were never recorded.</param>
/// <param name="Model">Whose; null of training, and of ticks that were lost, which may have been anybody's.</param>
/// <param name="Subject">The step's id, or the replica or job of an outcome.</param>
/// <param name="Rule">The deciding rule; null for an outcome and for lost ticks.</param>
/// <param name="Text">The reason, or what happened, in a sentence.</param>
/// <param name="StartedTick">The tick the step was started in; null when it was not.</param>
public sealed record HistoryEntry(
    long Tick, DateTimeOffset At, string Kind, ModelId? Model, string? Subject, string? Rule, string Text, long? StartedTick);

/// <summary>Demand of one model in one minute.</summary>
public sealed record MinuteTraffic(
    DateTimeOffset Minute, ModelId Model, long Arrivals, long Completed, long Failed, long Rejected, long WithinSlo,
    Bytes RequestBytes, int MostHeld);

internal static class JournalHistory
{
    private const int MostEntries = 100_000;

    public static ImmutableArray<HistoryEntry> Read(SqliteConnection connection, HistoryQuery query)
    {
        ArgumentNullException.ThrowIfNull(query);

        // By tick first: clocks go backwards, and what happened next would hide behind what bore a later date.
        var entries = connection.Rows(
            """
            SELECT * FROM (
                SELECT tick, at_ms, kind, model, step AS subject, rule, reason, started_tick, 0 AS part, rowid AS place FROM decisions
                UNION ALL
                SELECT tick, at_ms, kind, model, replica, NULL, text, NULL, 1, rowid FROM outcomes
                UNION ALL
                SELECT number, at_ms, 'lost', NULL, NULL, NULL, CASE missing WHEN 1 THEN '1 tick' ELSE missing || ' ticks' END
                    || ' before this one found no room or no time on the disk; what was decided there is not here', NULL, -1, number
                FROM (SELECT number, at_ms, number - 1 - lag(number) OVER (ORDER BY number) AS missing FROM ticks) WHERE missing > 0)
            WHERE at_ms >= $from AND at_ms <= $to AND ($model IS NULL OR model = $model OR kind = 'lost')
                AND ($job IS NULL OR kind = 'lost' OR (model IS NULL
                    AND subject IN ($job, 'launch/' || $job, 'resume/' || $job, 'suspend/' || $job, 'checkpoint/' || $job)))
                AND ($kinds = '' OR instr($kinds, ',' || kind || ',') > 0)
            ORDER BY tick DESC, at_ms DESC, part DESC, place DESC LIMIT $limit
            """,
            row => new HistoryEntry(
                row.GetInt64(0), DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(1)), row.GetString(2),
                row.Text(3) is { } model ? ModelId.Of(model) : null, row.Text(4), row.Text(5), row.GetString(6),
                row.IsDBNull(7) ? null : row.GetInt64(7)),
            ("$from", query.From.ToUnixTimeMilliseconds()), ("$to", query.To.ToUnixTimeMilliseconds()),
            ("$model", query.Model?.Value), ("$job", query.Job?.Value),
            ("$kinds", query.Kinds.IsDefaultOrEmpty ? "" : "," + string.Join(',', query.Kinds) + ","),
            ("$limit", Math.Clamp(query.Limit, 1, MostEntries)));
        entries.Reverse();
        return [.. entries];
    }

    public static ImmutableArray<MinuteTraffic> Traffic(
        SqliteConnection connection, DateTimeOffset from, DateTimeOffset to, ModelId? model) =>
    [
        .. connection.Rows(
            """
            SELECT minute_ms, model, arrivals, completed, failed, rejected, within_slo, request_bytes, most_held FROM traffic
            WHERE minute_ms >= $from AND minute_ms <= $to AND ($model IS NULL OR model = $model)
            ORDER BY minute_ms, model LIMIT $limit
            """,
            row => new MinuteTraffic(
                DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(0)), ModelId.Of(row.GetString(1)), row.GetInt64(2),
                row.GetInt64(3), row.GetInt64(4), row.GetInt64(5), row.GetInt64(6), new Bytes(row.GetInt64(7)),
                row.GetInt32(8)),
            ("$from", from.ToUnixTimeMilliseconds()), ("$to", to.ToUnixTimeMilliseconds()), ("$model", model?.Value),
            ("$limit", MostEntries)),
    ];
}
