using Plimsoll.Kubernetes.Operator;
using Plimsoll.Local;

namespace Plimsoll.Cli.Commands;

/// <summary>
/// The operator's journal, <c>--journal FOLDER</c>: the same file as <c>plimsoll up</c> writes, in the same bounds, so that
/// <c>plimsoll replay</c> and <c>history</c> read it. One run in it is one time of leading.
/// </summary>
internal sealed class OperatorJournal(string folder, string allocator, TimeProvider time, ILogger logger, Action<string> log)
{
    private Journal? _journal;

    /// <summary>For an operator; looks at the file at once, so that a folder that will not do is said at the start.</summary>
    /// <exception cref="CommandException">It cannot be opened.</exception>
    public async Task<TickJournal> OpenAsync()
    {
        try
        {
            await Journal.Open(folder, new JournalOptions(), time, logger).DisposeAsync().ConfigureAwait(false);
        }
        catch (JournalException unusable)
        {
            throw new CommandException(ExitCode.Failed, unusable.Message);
        }

        return new TickJournal
        {
            Begin = Begin,
            RecordAsync = (tick, cancellationToken) => _journal?.AppendAsync(tick, cancellationToken) ?? ValueTask.CompletedTask,
            Applied = tick => _journal?.Applied(tick),
            EndAsync = EndAsync,
        };
    }

    // A disk that fails while nobody led must not keep anybody from leading.
    private long Begin(Knowledge remembered)
    {
        try
        {
            _journal = Journal.Open(folder, new JournalOptions(), time, logger);
            return _journal.StartRun(new JournalRun(time.GetUtcNow(), Replay.PlannerVersion, allocator, Environment.MachineName), remembered);
        }
        catch (JournalException unusable)
        {
            log($"this time of leading is not recorded: {unusable.Message}");
            return 1;
        }
    }

    private async ValueTask EndAsync()
    {
        if (Interlocked.Exchange(ref _journal, null) is { } journal) await journal.DisposeAsync().ConfigureAwait(false);
    }
}
