using System.Collections.Immutable;

namespace Plimsoll;

/// <summary>A node that is asked for, and what is counted to find room on it.</summary>
/// <param name="pool">Where it comes from.</param>
/// <param name="ordinal">Which of the pool's requests.</param>
/// <param name="at">When it was asked for; now, of one that this plan asks for.</param>
/// <param name="request">The request; null of one that this plan asks for.</param>
/// <param name="ledger">The node, empty.</param>
internal sealed class AskedNode(NodePool pool, int ordinal, DateTimeOffset at, NodeRequest? request, NodeLedger ledger)
{
    private AheadNeed? _ahead;
    private bool _lacking;
    private SchedulerRoom? _asked;

    public NodePool Pool => pool;

    public int Ordinal => ordinal;

    public DateTimeOffset At => at;

    public NodeRequest? Request => request;

    public NodeLedger Ledger => ledger;

    /// <summary>What its scheduler will count as left.</summary>
    public SchedulerRoom? Room { get; private set; } = pool.Node.Scheduler;

    public SortedDictionary<ModelId, int> For { get; } = [];

    /// <summary>How many pools would have done.</summary>
    public int Fitting { get; init; }

    /// <summary>The next cheapest.</summary>
    public NodePool? Instead { get; init; }

    /// <summary>Counts one more replica.</summary>
    public void Take(ModelSpec model, AheadNeed? ahead)
    {
        For[model.Id] = For.GetValueOrDefault(model.Id) + 1;
        if (ahead is null) _lacking = true;
        _ahead ??= ahead;
        if (model.Requests is not { } requests) return;
        Room = Room?.With(requests);
        var asked = _asked ?? new SchedulerRoom { Memory = Bytes.Zero, Cores = Cores.Zero };
        var devices = requests is { Resource: { } resource, Devices: > 0 } && asked.Resources.All(one => one.Resource != resource)
            ? asked.Resources.Add(new ResourceCount(resource, 0)).Sort((a, b) => string.CompareOrdinal(a.Resource, b.Resource)) : asked.Resources;
        _asked = (asked with { Resources = devices }).Without(requests);
    }

    /// <summary>The step that asks for it.</summary>
    public Step.AddNode Step(Knowledge knowledge)
    {
        var price = Price(pool);
        var facts = new List<Fact>
        {
            Fact.Of("replicas", For.Values.Sum()), Fact.Of("models", Models()), Fact.Of("fitting", Fitting),
            Fact.Of("pool", pool.Name), price, Fact.Of("boot", knowledge.BootTime(pool)),
        };
        if (!_lacking && _ahead is { } ahead)
        {
            ahead.Forecast.TryGetLast(out var demand);
            facts.AddRange(
            [
                Fact.Rate("demand", demand), Fact.Fraction("quantile", ahead.Outlook.Quantile), Fact.Of("model", ahead.Outlook.Model.Id.Value),
                Fact.Of("horizon", ahead.Horizon), Fact.Of("load", ahead.Outlook.Load.P90),
                .. ahead.Outlook.Event?.Shown(ahead.Outlook.At) is { } known ? [Fact.Of("basis", "; " + known)] : Array.Empty<Fact>(),
            ]);
        }

        return new Step.AddNode(pool.Name, ordinal)
        {
            For = [.. For.Select(one => new ModelCount(one.Key, one.Value))],
            Room = _asked,
            Reason = new Reason(
                _lacking ? Rule.AddNodeForReplicas : Rule.AddNodeAhead, [.. facts],
                Instead is { } other ? new Rejected(other.Name, [Price(other)]) : null),
        };
    }

    private string Models() => string.Join(", ", For.Keys.Take(3)) + (For.Count > 3 ? $" and {For.Count - 3} more" : "");

    private static Fact Price(NodePool pool) => pool.PricePerHour is { } price
        ? new Fact("price", FactUnit.Usd, price.Dollars) : Fact.Of("price", "an unknown price");
}
