namespace Plimsoll;

// While some of a plan's stops have ended and others have not.
internal sealed partial class NodeLedger
{
    // More together have too many states to look at; then all of the room is there and none of the memory.
    private const int StopsLookedAt = 6;

    private (SchedulerRoom Room, Bytes HostFree)[]? _partly;

    /// <summary>
    /// What its scheduler may count as left and host memory that is free then, before any start of this plan, in each state in which some of
    /// the stops have ended: one that ends may leave devices while another still holds the memory. Where the body places there are none.
    /// </summary>
    public IReadOnlyList<(SchedulerRoom Room, Bytes HostFree)> AsStopsEnd => _partly ??= States();

    private (SchedulerRoom Room, Bytes HostFree)[] States()
    {
        if (Node.Scheduler is not { } room) return [];
        var stops = _stops.GroupBy(one => one.Stop, one => one.Frees).Select(stop => stop.ToArray()).ToArray();
        if (stops.Length > StopsLookedAt) return [(SchedulerAfter!, HostFreeBefore)];
        var states = new (SchedulerRoom Room, Bytes HostFree)[1 << stops.Length];
        states[0] = (room, HostFreeBefore);
        for (var done = 1; done < states.Length; done++)
        {
            // One more than in a state that was looked at before.
            var last = int.Log2(done);
            states[done] = stops[last].Aggregate(states[done & ~(1 << last)], (state, frees) =>
                (frees.Requests is { } gone ? state.Room.Without(gone) : state.Room, state.HostFree + frees.Host));
        }

        return states;
    }
}
