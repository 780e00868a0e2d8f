namespace Plimsoll;

// Loads ahead of a use that comes at about its time of day: after all that is wanted, in room that is free.
internal sealed partial class PlanDraft
{
    /// <summary>
    /// Starts one replica of each model at zero that is expected to be asked for as soon as it could be there. Nobody is let go for it and no
    /// node is asked for: it is a guess, and those who are asked for now go before.
    /// </summary>
    public void StartForUses()
    {
        var expected = _outlooks
            .Where(outlook => outlook is { Use.Begins: true, Supply: 0 } && IsTurnOf(outlook) && _allocations[outlook.Model.Id] is { MayClaim: true, Wanted: 0 })
            .OrderByDescending(outlook => outlook.Model.Priority).ThenByDescending(outlook => outlook.Use!.Chance).ThenBy(outlook => outlook.Model.Id);
        foreach (var outlook in expected)
        {
            var known = _knowledge.Of(outlook.Model.Id);
            if (known.Failures.HoldsUntil(_observed.At, _spec.Settings) is not null || Refusal(outlook) is not null || Above(outlook) is not null) continue;
            var (back, why) = (new List<InferenceReplica>(), WhyStart(outlook, outlook.Use!));
            Wake(outlook, 1, back);
            if (back.Count > 0 && StepId.Of($"wake/{back[0].Id}") is var wake) _steps[wake] = _steps[wake] with { Reason = why };
            TakeBack(outlook, 1 - back.Count, back);
            if (back.Count > 0) _verdicts[outlook.Model.Id] = why;
            else Start(outlook, ReplicaId.Of(outlook.Model.Id, known.NextOrdinal), why, makesRoom: false);
        }
    }

    private static Reason WhyStart(ModelOutlook outlook, UseExpected use) => new(Rule.StartForUse,
    [
        Fact.Of("time", use.Time), Fact.Fraction("chance", Math.Round(use.Chance, 2)), Fact.Quantity("days", Math.Round(use.Days, 1)), Fact.Of("load", outlook.Load.P90),
        use.Reload is { } reload ? Fact.Of("reload", reload) : Fact.Of("reload", "wait"), .. use.Reload is null ? [Fact.Of("spare", ", as its memory is owned and free")] : Array.Empty<Fact>(),
    ]);
}
