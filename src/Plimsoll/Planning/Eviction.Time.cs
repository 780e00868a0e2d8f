namespace Plimsoll;

// Who goes leaves the time of its devices too.
internal sealed partial class Eviction
{
    // Of the claimant where that counts, and whether only those of lower priority may go for it.
    private (DeviceUse? Of, bool LowerOnly) _time;

    private bool Fits(ModelOutlook claimant, NodeLedger ledger) => _after.Fits() && HasTime(claimant, ledger, _chosen);

    private bool FitsWithout(ModelOutlook claimant, NodeLedger ledger, int at) => _after.FitsWithout(at) && HasTime(claimant, ledger, _chosen.Where((_, i) => i != at));

    private bool HasTime(ModelOutlook claimant, NodeLedger ledger, IEnumerable<Candidate> gone) => _time.Of is not { } use
        || ledger.HasTimeWithout(claimant.Needs, claimant.Variant.DeviceKind, use, [.. gone.Select(one => (one.Replica.Id, one.Release))]);

    private static Reason WhyForTime(ModelOutlook claimant, Candidate candidate) =>
        new(Rule.DrainForClaimantsTime, [Fact.Of("claimant", claimant.Model.Id.Value), Fact.Quantity("loss", Math.Round(candidate.Loss, 1))]);
}
