namespace Plimsoll.Simulation.Runs;

/// <summary>Something a controller did.</summary>
/// <param name="At">Seconds of the run.</param>
/// <param name="Model">For which model; null where for none alone.</param>
/// <param name="What">What ("start llama-3", "2 to 3 replicas").</param>
/// <param name="Why">Its reason in words.</param>
public sealed record Decision(double At, ModelId? Model, string What, string Why);

/// <summary>The first so many decisions of a run, and how many there were.</summary>
internal sealed class DecisionLog
{
    private const int KeptMax = 20_000;

    private readonly List<Decision> _kept = [];

    public IReadOnlyList<Decision> Kept => _kept;

    public long Count { get; private set; }

    public void Add(Decision decision)
    {
        Count++;
        if (_kept.Count < KeptMax) _kept.Add(decision);
    }
}
