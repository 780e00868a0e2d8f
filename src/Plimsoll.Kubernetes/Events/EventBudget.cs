namespace Plimsoll.Kubernetes.Events;

/// <summary>
/// How many Events are written: the same thing of a model once in ten minutes, ten of one model at once and one a minute
/// after that, and so many in a turn whatever happens in the cluster. Events are a courtesy; status has it all.
/// </summary>
public sealed class EventBudget(TimeProvider time)
{
    public const int InATurnMax = 25;

    private const double Burst = 10;
    private static readonly TimeSpan Window = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan Refill = TimeSpan.FromMinutes(1);

    private readonly Dictionary<ObjectName, Told> _told = [];
    private int _left = InATurnMax;

    /// <summary>Events that were not written for want of budget.</summary>
    public long Dropped { get; private set; }

    /// <summary>A new turn begins; models that are gone are forgotten.</summary>
    public void Turn(IReadOnlySet<ObjectName> models)
    {
        _left = InATurnMax;
        foreach (var gone in _told.Keys.Where(name => !models.Contains(name)).ToArray()) _told.Remove(gone);
    }

    /// <summary>Whether it is to be written now, and then it counts.</summary>
    public bool Allows(ObjectName model, ModelEvent one)
    {
        ArgumentNullException.ThrowIfNull(one);
        if (!_told.TryGetValue(model, out var told)) _told[model] = told = new Told(time.GetTimestamp());
        if (one.About is not null && told.Last.TryGetValue(one.Reason + one.About, out var at) && time.GetElapsedTime(at) < Window) return false;
        told.Tokens = Math.Min(Burst, told.Tokens + (time.GetElapsedTime(told.FilledAt) / Refill));
        told.FilledAt = time.GetTimestamp();
        if (_left == 0 || told.Tokens < 1)
        {
            Dropped++;
            return false;
        }

        _left--;
        told.Tokens--;
        foreach (var old in told.Last.Where(last => time.GetElapsedTime(last.Value) >= Window).Select(last => last.Key).ToArray()) told.Last.Remove(old);
        if (one.About is not null) told.Last[one.Reason + one.About] = time.GetTimestamp();
        return true;
    }

    private sealed class Told(long filledAt)
    {
        public double Tokens { get; set; } = Burst;

        public long FilledAt { get; set; } = filledAt;

        public Dictionary<string, long> Last { get; } = new(StringComparer.Ordinal);
    }
}
