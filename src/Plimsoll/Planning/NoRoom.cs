namespace Plimsoll;

/// <summary>
/// The least that found no room on a node: who takes as much of everything, or more, finds none either, and need not look. Of two neither
/// of which is the lesser the first is remembered. Mutable: a field of whoever looks.
/// </summary>
internal struct NoRoom
{
    private (ReplicaNeeds Needs, string? Kind)? _least;

    /// <summary>Whether it is known that the needs find none.</summary>
    public readonly bool For(ReplicaNeeds needs, string? kind) => _least is { } least && least.Kind == kind && IsAsMuch(needs, least.Needs);

    /// <summary>They found none.</summary>
    public void Remember(ReplicaNeeds needs, string? kind)
    {
        if (_least is not { } least || least.Kind != kind || IsAsMuch(least.Needs, needs)) _least = (needs, kind);
    }

    /// <summary>There may be room again.</summary>
    public void Forget() => _least = null;

    private static bool IsAsMuch(ReplicaNeeds needs, ReplicaNeeds other) => needs.Host.Highest >= other.Host.Highest && needs.Cores >= other.Cores
        && needs.Devices >= other.Devices && (needs.PerDevice?.Highest ?? Bytes.Zero) >= (other.PerDevice?.Highest ?? Bytes.Zero);
}
