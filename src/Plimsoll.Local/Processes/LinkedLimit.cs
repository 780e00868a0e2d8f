namespace Plimsoll.Local.Processes;

/// <summary>A token that is cancelled after a time, or with another one.</summary>
internal sealed class LinkedLimit : IDisposable
{
    private readonly CancellationTokenSource _limit;
    private readonly CancellationTokenSource _either;

    public LinkedLimit(TimeSpan patience, TimeProvider time, CancellationToken other)
    {
        _limit = new CancellationTokenSource(patience, time);
        _either = CancellationTokenSource.CreateLinkedTokenSource(_limit.Token, other);
    }

    public CancellationToken Token => _either.Token;

    public void Dispose()
    {
        _either.Dispose();
        _limit.Dispose();
    }
}
