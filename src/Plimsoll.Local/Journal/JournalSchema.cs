using Microsoft.Data.Sqlite;

namespace Plimsoll.Local;

/// <summary>The database's layout and how it is brought up to date.</summary>
internal static class JournalSchema
{
    /// <summary>SQLite's own codes for a file that is damaged, and for one that is no database.</summary>
    public const int Corrupt = 11, NotADatabase = 26;

    // Migration k brings user_version k to k + 1; a released one is never edited.
    private static readonly string[] Migrations =
    [
        """
        CREATE TABLE runs (
            run INTEGER PRIMARY KEY, first_tick INTEGER NOT NULL, started_ms INTEGER NOT NULL, ended_ms INTEGER,
            version TEXT NOT NULL, allocator TEXT NOT NULL, host TEXT NOT NULL);
        CREATE TABLE specs (id INTEGER PRIMARY KEY, hash TEXT NOT NULL UNIQUE, json BLOB NOT NULL);
        -- plan is without its next, which is large and derived; its SHA-256 is kept, so that replay compares all of it.
        CREATE TABLE ticks (
            number INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, run INTEGER NOT NULL, spec INTEGER NOT NULL,
            snapshot BLOB NOT NULL, plan BLOB NOT NULL, next_sha256 BLOB NOT NULL, applied BLOB);
        CREATE INDEX ticks_spec ON ticks (spec);
        -- What was known before the snapshot of tick "before" was folded in.
        CREATE TABLE checkpoints (before INTEGER PRIMARY KEY, knowledge BLOB NOT NULL);
        CREATE TABLE latest (one INTEGER PRIMARY KEY CHECK (one = 1), tick INTEGER NOT NULL, next BLOB NOT NULL);
        CREATE TABLE decisions (
            tick INTEGER NOT NULL, at_ms INTEGER NOT NULL, model TEXT, step TEXT, kind TEXT NOT NULL, rule TEXT NOT NULL,
            reason TEXT NOT NULL, started_tick INTEGER);
        CREATE INDEX decisions_tick ON decisions (tick);
        CREATE INDEX decisions_step ON decisions (step) WHERE started_tick IS NULL;
        CREATE TABLE outcomes (
            tick INTEGER NOT NULL, at_ms INTEGER NOT NULL, kind TEXT NOT NULL, model TEXT, replica TEXT, bytes INTEGER,
            took_ms INTEGER, text TEXT NOT NULL);
        CREATE INDEX outcomes_tick ON outcomes (tick);
        CREATE TABLE traffic (
            minute_ms INTEGER NOT NULL, model TEXT NOT NULL, arrivals INTEGER NOT NULL, completed INTEGER NOT NULL,
            failed INTEGER NOT NULL, rejected INTEGER NOT NULL, within_slo INTEGER NOT NULL, request_bytes INTEGER NOT NULL,
            most_held INTEGER NOT NULL, PRIMARY KEY (minute_ms, model)) WITHOUT ROWID;
        """,
    ];

    public static SqliteConnection Connect(string path, SqliteOpenMode mode)
    {
        var connection = new SqliteConnection(new SqliteConnectionStringBuilder
        {
            DataSource = path,
            Mode = mode,
            Pooling = false,
            DefaultTimeout = 5,
        }.ToString());
        try
        {
            connection.Open();
            return connection;
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    /// <summary>Opens for writing, makes or migrates the tables, and looks for damage.</summary>
    /// <exception cref="SqliteException">With <see cref="Corrupt"/> or <see cref="NotADatabase"/> when it is damaged.</exception>
    /// <exception cref="JournalException">It was written by a newer version.</exception>
    public static SqliteConnection OpenForWriting(string path)
    {
        var connection = Connect(path, SqliteOpenMode.ReadWriteCreate);
        try
        {
            // Before the first table, or it has no effect.
            connection.Run("PRAGMA auto_vacuum = INCREMENTAL");
            connection.Scalar("PRAGMA journal_mode = WAL");

            // A commit is in the kernel's hands before its plan is applied: that is what kill -9 asks for. Power loss may
            // cost the last few ticks, never the file; see docs/decisions.
            connection.Run("PRAGMA synchronous = NORMAL");
            connection.Run("PRAGMA journal_size_limit = 4194304");
            Migrate(connection, path);
            if (connection.Scalar("PRAGMA quick_check(1)") is not "ok")
                throw new SqliteException("the check of its pages failed", Corrupt);
            return connection;
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    public static SqliteConnection OpenForReading(string path)
    {
        if (!File.Exists(path)) throw new JournalException($"{path}: there is no journal; `plimsoll up` writes one");
        var connection = Connect(path, SqliteOpenMode.ReadOnly);
        try
        {
            var version = connection.Long("PRAGMA user_version") ?? 0;
            if (version != Migrations.Length)
                throw new JournalException(version > Migrations.Length ? Newer(path, version)
                    : $"{path}: the journal has schema {version} and is read from {Migrations.Length} on; start the controller once");
            return connection;
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    private static void Migrate(SqliteConnection connection, string path)
    {
        using var transaction = connection.BeginTransaction();
        var version = connection.Long("PRAGMA user_version") ?? 0;
        if (version > Migrations.Length) throw new JournalException(Newer(path, version));
        for (; version < Migrations.Length; version++)
        {
            connection.Run(Migrations[version]);
            connection.Run($"PRAGMA user_version = {version + 1}");
        }

        transaction.Commit();
    }

    private static string Newer(string path, long version) =>
        $"{path}: the journal has schema {version} of a newer version, this one knows {Migrations.Length}; use the newer one or move the file away";
}
