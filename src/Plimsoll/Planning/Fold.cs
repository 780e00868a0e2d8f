namespace Plimsoll;

public sealed partial record Knowledge
{
    /// <summary>What is known once a snapshot has been seen. Learns from observations only.</summary>
    public Knowledge Fold(FleetSpec spec, FleetSnapshot snapshot)
    {
        ArgumentNullException.ThrowIfNull(spec);
        ArgumentNullException.ThrowIfNull(snapshot);
        return this with { FoldedAt = snapshot.At };
    }
}
