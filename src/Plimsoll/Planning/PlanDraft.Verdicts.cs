using System.Collections.Immutable;
using System.Runtime.InteropServices;

namespace Plimsoll;

// What a plan says of each model, done or not.
internal sealed partial class PlanDraft
{
    public ImmutableArray<ModelVerdict> Verdicts()
    {
        var verdicts = new ModelVerdict[_outlooks.Length];
        OfEach.Do(verdicts.Length, i =>
        {
            var outlook = _outlooks[i];
            var reason = _verdicts.GetValueOrDefault(outlook.Model.Id) ?? Quiet(outlook);
            verdicts[i] = Verdict(outlook, _allocations[outlook.Model.Id].Wanted, reason,
                refused: outlook.Serving == 0 && reason.Rule is Rule.RefusedTooHeavy or Rule.RefusedNoDevice or Rule.RefusedNoCores or Rule.RefusedDisk);
        });
        return ImmutableCollectionsMarshal.AsImmutableArray(verdicts);
    }

    public static ModelVerdict Verdict(ModelOutlook outlook, int wanted, Reason reason, bool refused) => new()
    {
        Model = outlook.Model.Id,
        Wanted = wanted,
        Serving = outlook.Serving,
        DemandPerSecond = outlook.Demand,
        ForecastPerSecond = outlook.Forecast,
        ForecastFrom = outlook.Basis,
        Event = outlook.Event,
        CapacityPerSecond = outlook.Capacity ?? 0,
        CapacityExpected = outlook.CapacityExpected,
        LoadTime = outlook.Load.P90,
        LoadExpected = outlook.Load,
        Hold = outlook.Hold,
        HoldGaps = outlook.HoldGaps,
        Needs = outlook.Needs,
        Reason = reason,
        Refused = refused,
    };

    private Reason Quiet(ModelOutlook outlook)
    {
        var allocation = _allocations[outlook.Model.Id];
        if (outlook.Lost > 0 && allocation.Wanted > outlook.Supply)
            return new Reason(Rule.HoldLost, [Fact.Of("lost", outlook.Lost), Fact.Of("most", outlook.Most)]);
        if (outlook.Loading == 0 || allocation.Wanted <= outlook.Serving)
            return outlook.Serving > 0 ? allocation.Why : Refusal(outlook) ?? allocation.Why;
        var left = _flying[outlook.Model.Id]
            .Where(work => work.Kind == WorkKind.Loading && work.ExpectedEnd is not null)
            .Select(work => work.ExpectedEnd!.Value - _observed.At).DefaultIfEmpty(outlook.Load.P90).Min();
        return new Reason(Rule.HoldLoading,
        [
            Fact.Of("loading", outlook.Loading), Fact.Of("wanted", allocation.Wanted),
            Fact.Of("left", left < TimeSpan.Zero ? TimeSpan.Zero : left),
        ]);
    }
}
