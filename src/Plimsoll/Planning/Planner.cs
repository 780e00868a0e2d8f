using Plimsoll.Json;

namespace Plimsoll;

/// <summary>How many replicas each model should have: the planner's replaceable part.</summary>
public interface IAllocator;

/// <summary>The brain: from what is wanted, what is seen and what is known to a plan. Pure.</summary>
public sealed class Planner(IAllocator allocator)
{
    public IAllocator Allocator { get; } = allocator;

#pragma warning disable CA1822 // The allocator is asked from the next commit on.
    public Plan Decide(FleetSpec spec, FleetSnapshot observed, Knowledge knowledge)
    {
        ArgumentNullException.ThrowIfNull(spec);
        var hashes = new InputHashes(
            PlimsollJson.Hash(spec, PlimsollJson.Default.FleetSpec),
            PlimsollJson.Hash(observed, PlimsollJson.Default.FleetSnapshot),
            PlimsollJson.Hash(knowledge, PlimsollJson.Default.Knowledge));
        return new Plan(hashes, [], [], knowledge);
    }
#pragma warning restore CA1822
}
