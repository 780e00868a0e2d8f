using Microsoft.Data.Sqlite;

namespace Plimsoll.Local;

/// <summary>
/// Keeps the journal within its bounds. What goes, goes in whole segments from one checkpoint to the next, so that what
/// remains still begins with a checkpoint and replays.
/// </summary>
internal static class JournalRetention
{
    /// <summary>
    /// Drops the oldest segment when a bound is passed. One at a time: a segment is many ticks and is dropped for one
    /// written, so the bound is reached soon and no tick waits long.
    /// </summary>
    public static void DropOldestSegment(SqliteConnection connection, JournalOptions options, DateTimeOffset now)
    {
        var segments = connection.Rows(
            "SELECT before FROM checkpoints ORDER BY before LIMIT 2", reader => reader.GetInt64(0));

        // The newest segment stays, whatever its size: it holds the tick a restart goes on from.
        if (segments.Count < 2 || connection.Long("SELECT max(number) FROM ticks") is not { } last || segments[1] > last) return;
        var newest = connection.Long("SELECT at_ms FROM ticks WHERE number < $cut ORDER BY number DESC LIMIT 1", ("$cut", segments[1]));
        var old = newest is { } at && at < (now - options.MaxAge).ToUnixTimeMilliseconds();
        if (!old && Used(connection) <= options.MaxSize) return;
        ReadOnlySpan<(string, object?)> cut = [("$cut", segments[1])];
        connection.Run("DELETE FROM ticks WHERE number < $cut", cut);
        connection.Run("DELETE FROM checkpoints WHERE before < $cut", cut);
        connection.Run("DELETE FROM decisions WHERE tick < $cut", cut);
        connection.Run("DELETE FROM outcomes WHERE tick < $cut", cut);
        connection.Run(
            "DELETE FROM runs WHERE run < (SELECT max(run) FROM runs WHERE first_tick <= $cut)", cut);
        connection.Run("DELETE FROM specs WHERE NOT EXISTS (SELECT 1 FROM ticks WHERE ticks.spec = specs.id)");
        connection.Run(
            "DELETE FROM traffic WHERE minute_ms < (SELECT at_ms - 60000 FROM ticks WHERE number >= $cut ORDER BY number LIMIT 1)", cut);
    }

    /// <summary>Bytes of pages in use.</summary>
    public static Bytes Used(SqliteConnection connection) => new(
        (connection.Long("PRAGMA page_count")!.Value - connection.Long("PRAGMA freelist_count")!.Value)
        * connection.Long("PRAGMA page_size")!.Value);
}
