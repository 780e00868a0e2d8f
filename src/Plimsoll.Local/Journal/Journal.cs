using System.Globalization;
using System.Text.Json;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging;
using Plimsoll.Control;

namespace Plimsoll.Local;

/// <summary>
/// The controller's record of what it saw, knew and decided: one SQLite transaction per tick, committed before the plan
/// is applied. It never ends the loop: while the disk is full or silent, ticks are counted as lost and the loop goes on.
/// One writer; any number of <see cref="JournalReader"/>s, in this process or others.
/// </summary>
public sealed partial class Journal : IAsyncDisposable
{
    private readonly string _path;
    private readonly JournalOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly SemaphoreSlim _gate = new(1, 1);
    private JournalWriter? _writer; // null while a damaged file could not be moved aside
    private JournalRun? _run;
    private (long Before, Knowledge Known)? _next;
    private Tick? _applied;
    private volatile JournalHealth _health = JournalHealth.Good;
    private bool _shrinks = true;

    // A tick is lost by whoever comes with it, while another is written beside: what both say of it is said in order.
    private readonly Lock _saying = new();

    private Journal(string path, JournalOptions options, TimeProvider time, ILogger log)
    {
        (_path, _options, _time, _log) = (path, options, time, log);
        SqliteConnection? connection = null;
        try
        {
            connection = JournalSchema.OpenForWriting(path);
            Latest = JournalReader.Latest(connection);
        }
        catch (Exception damage) when (IsDamage(damage))
        {
            connection?.Dispose();
            SetAside(damage.Message);
            connection = JournalSchema.OpenForWriting(path);
        }

        _writer = new JournalWriter(connection, options);
    }

    /// <summary>What the last run left; null when there was none, or its file was damaged.</summary>
    public JournalLatest? Latest { get; }

    /// <summary>Where a damaged file was moved by this journal; null when none was.</summary>
    public string? DamagedFile { get; private set; }

    public JournalHealth Health => _health;

    /// <summary>The journal's file in a state folder.</summary>
    public static string PathIn(string stateFolder) => Path.Combine(stateFolder, "journal.db");

    /// <summary>Opens or makes the journal of a state folder. A damaged one is moved aside, not deleted.</summary>
    /// <exception cref="JournalException">It cannot be opened: no space, no right, or a newer version's.</exception>
    public static Journal Open(string stateFolder, JournalOptions options, TimeProvider time, ILogger log)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(time);
        ArgumentNullException.ThrowIfNull(log);
        var path = PathIn(stateFolder);
        try
        {
            Directory.CreateDirectory(stateFolder);
            return new Journal(path, options, time, log);
        }
        catch (SqliteException trouble)
        {
            throw new JournalException($"{path}: the journal cannot be opened: {Sentence(trouble)}", trouble);
        }
        catch (Exception trouble) when (trouble is IOException or UnauthorizedAccessException)
        {
            throw new JournalException($"{path}: the journal cannot be opened: {trouble.Message}", trouble);
        }
    }

    /// <summary>Begins this controller's run.</summary>
    /// <param name="run">Who writes.</param>
    /// <param name="remembered">What the first tick's snapshot is folded into.</param>
    /// <returns>The number of the first tick.</returns>
    public long StartRun(JournalRun run, Knowledge remembered)
    {
        ArgumentNullException.ThrowIfNull(run);
        ArgumentNullException.ThrowIfNull(remembered);
        var first = (Latest?.Tick ?? 0) + 1;
        (_run, _next) = (run, (first, remembered));
        try
        {
            _writer!.StartRun(run, first, remembered);
        }
        catch (SqliteException trouble)
        {
            throw new JournalException($"{_path}: the journal cannot be written: {Sentence(trouble)}", trouble);
        }

        return first;
    }

    /// <summary>Records a tick; the control loop calls it before the plan is applied. Throws only when cancelled.</summary>
    public async ValueTask AppendAsync(Tick tick, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(tick);
        var remembered = _next is { } next && next.Before == tick.Number ? next.Known : null;
        _next = (tick.Number + 1, tick.Plan.Next);
        if (!await _gate.WaitAsync(TimeSpan.Zero, cancellationToken).ConfigureAwait(false))
        {
            Lose($"the disk has not taken a tick for more than {Durations.Show(_options.Patience)}");
            return;
        }

        var applied = Interlocked.Exchange(ref _applied, null);
        var write = Task.Run(() => Write(tick, remembered, applied), CancellationToken.None);
        try
        {
            await write.WaitAsync(_options.Patience, _time, cancellationToken).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            // The tick may still arrive; the next one finds the gate closed until it has.
            LogSlow(_path, Durations.Show(_options.Patience));
        }
    }

    /// <summary>Notes what a body did with a plan; written with the next tick, or when the run ends.</summary>
    public void Applied(Tick tick) => Interlocked.Exchange(ref _applied, tick);

    /// <summary>Ends the run with a checkpoint.</summary>
    public async ValueTask DisposeAsync()
    {
        if (!await _gate.WaitAsync(TimeSpan.FromSeconds(10)).ConfigureAwait(false)) return;
        try
        {
            if (_run is not null) _writer?.EndRun(_time.GetUtcNow(), _health.Writing ? _next?.Known : null, _applied);
        }
        catch (SqliteException trouble)
        {
            LogTrouble(_path, Sentence(trouble), _health.LostTicks);
        }

        _writer?.Dispose();
        _gate.Dispose();
    }

    private void Write(Tick tick, Knowledge? remembered, Tick? applied)
    {
        try
        {
            try
            {
                // SQLite would go on in a file that has no name any more, and nobody would find it.
                if (_writer is not null && !File.Exists(_path))
                {
                    _writer.Dispose();
                    _writer = null;
                    LogGone(_path);
                }

                _writer ??= Fresh(tick.Number, remembered);
                _writer.Write(tick, remembered, applied);
            }
            catch (SqliteException damage) when (IsDamage(damage))
            {
                _writer?.Dispose();
                _writer = null;
                SetAside(damage.Message);
                _writer = Fresh(tick.Number, remembered);
                _writer.Write(tick, remembered, null);
            }

            lock (_saying)
            {
                if (!_health.Writing) LogRecovered(_path, _health.LostTicks);
                _health = _health with { Writing = true, Trouble = null };
            }

            Shrink(_writer);
        }
        catch (SqliteException trouble)
        {
            Lose(Sentence(trouble));
        }
        catch (Exception trouble) when (trouble is IOException or UnauthorizedAccessException or JournalException)
        {
            Lose(trouble.Message);
        }
        finally
        {
            _gate.Release();
        }
    }

    private JournalWriter Fresh(long firstTick, Knowledge? remembered)
    {
        var writer = new JournalWriter(JournalSchema.OpenForWriting(_path), _options);
        try
        {
            if (_run is not null) writer.StartRun(_run, firstTick, remembered ?? Knowledge.Empty);
            return writer;
        }
        catch
        {
            writer.Dispose();
            throw;
        }
    }

    // Said once when it begins, not at every tick of a long night.
    private void Lose(string why)
    {
        lock (_saying)
        {
            var before = _health;
            _health = new JournalHealth(false, before.LostTicks + 1, $"{_path}: ticks are not recorded: {why}");
            if (before.Writing) LogTrouble(_path, why, _health.LostTicks);
        }
    }

    // The tick is recorded by then; a file that stays as large as it is for now has lost nothing. Said once.
    private void Shrink(JournalWriter writer)
    {
        try
        {
            writer.Shrink();
            _shrinks = true;
        }
        catch (SqliteException trouble)
        {
            if (_shrinks) LogLarge(_path, Sentence(trouble));
            _shrinks = false;
        }
    }

    private void SetAside(string why)
    {
        var stamp = _time.GetUtcNow().ToString("yyyyMMdd'T'HHmmss'Z'", CultureInfo.InvariantCulture);
        var aside = Path.Combine(Path.GetDirectoryName(_path)!, $"journal.damaged-{stamp}.db");
        for (var n = 2; File.Exists(aside); n++)
            aside = Path.Combine(Path.GetDirectoryName(_path)!, $"journal.damaged-{stamp}-{n}.db");
        foreach (var suffix in (ReadOnlySpan<string>)["", "-wal", "-shm"])
        {
            if (File.Exists(_path + suffix)) File.Move(_path + suffix, aside + suffix);
        }

        DamagedFile = aside;
        LogDamaged(_path, why, aside);
    }

    private static bool IsDamage(Exception exception) => exception switch
    {
        SqliteException sqlite => sqlite.SqliteErrorCode is JournalSchema.Corrupt or JournalSchema.NotADatabase,
        JsonException or InvalidDataException or InvalidOperationException => true,
        _ => false,
    };

    internal static string Sentence(SqliteException trouble) => trouble.SqliteErrorCode switch
    {
        JournalSchema.Corrupt or JournalSchema.NotADatabase =>
            "its pages are damaged; the next start of the controller keeps it aside and begins a new one",
        5 or 6 => "another process has it locked; end the other controller of this state folder",
        8 => "its folder or file may not be written",
        10 => $"the disk reported an error ({trouble.SqliteExtendedErrorCode}); look whether it is full or failing",
        13 => "the disk is full; free some space",
        14 => "its file cannot be made or opened; look at the folder's rights and free space",
        _ => trouble.Message,
    };

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Path}: ticks are not recorded: {Why} ({Lost} lost so far)")]
    private partial void LogTrouble(string path, string why, long lost);

    // Who was told that it began is told that it ended.
    [LoggerMessage(Level = LogLevel.Warning, Message = "{Path}: ticks are recorded again; {Lost} were lost")]
    private partial void LogRecovered(string path, long lost);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Path}: ticks are recorded, but the file does not become smaller: {Why}")]
    private partial void LogLarge(string path, string why);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Path}: writing a tick takes longer than {Patience}; the loop goes on")]
    private partial void LogSlow(string path, string patience);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Path} was deleted or moved; a new journal begins")]
    private partial void LogGone(string path);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Path} is damaged ({Why}); it was kept as {Aside} and a new journal begins")]
    private partial void LogDamaged(string path, string why, string aside);
}
