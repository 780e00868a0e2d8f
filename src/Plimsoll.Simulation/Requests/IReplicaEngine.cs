namespace Plimsoll.Simulation.Requests;

/// <summary>What a replica does with the requests it is sent. They are numbers of its model's log. Times are seconds of the run.</summary>
internal interface IReplicaEngine : IReplicaGauges
{
    /// <summary>When the next thing happens in it; infinity where it has nothing to do.</summary>
    double NextEvent { get; }

    /// <summary>Takes a request; all that happens by then must be over.</summary>
    void Submit(int request, double now);

    /// <summary>Lets all happen that does by a time.</summary>
    /// <param name="time">Until when, inclusive.</param>
    /// <param name="ended">Where requests that end are added.</param>
    void AdvanceTo(double time, List<int> ended);

    /// <summary>It dies; what was in it is added to the list.</summary>
    void Abandon(List<int> lost);
}
