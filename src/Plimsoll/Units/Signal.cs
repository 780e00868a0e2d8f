namespace Plimsoll;

public enum SignalState
{
    /// <summary>Nobody could say; <see cref="Signal{T}.Why"/> tells why. The default, so that nothing forgotten reads as zero.</summary>
    Missing,

    /// <summary>A value that was true once and was not renewed in time.</summary>
    Stale,

    Known,
}

/// <summary>
/// A value that may not be there. What is missing or stale is a case here and never a zero, so that no rule can
/// mistake "no data" for "no load".
/// </summary>
/// <param name="State">Whether the value is known, stale or missing.</param>
/// <param name="Value">The value; the type's default when missing.</param>
/// <param name="At">When it was measured; null when missing.</param>
/// <param name="Why">Why it is missing or stale.</param>
public readonly record struct Signal<T>(SignalState State, T? Value, DateTimeOffset? At, string? Why)
{
    /// <summary>The value when known; false when stale or missing.</summary>
    public bool TryGetKnown(out T value)
    {
        value = State == SignalState.Known ? Value! : default!;
        return State == SignalState.Known;
    }

    /// <summary>The value when known or stale; false only when there never was one.</summary>
    public bool TryGetLast(out T value)
    {
        value = State != SignalState.Missing ? Value! : default!;
        return State != SignalState.Missing;
    }
}

/// <summary>Makes signals.</summary>
public static class Signal
{
    public static Signal<T> Known<T>(T value, DateTimeOffset at) => new(SignalState.Known, value, at, null);

    public static Signal<T> Stale<T>(T value, DateTimeOffset at, string why) => new(SignalState.Stale, value, at, why);

    public static Signal<T> Missing<T>(string why) => new(SignalState.Missing, default, null, why);
}
