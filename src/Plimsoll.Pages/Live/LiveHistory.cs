using System.Collections.Immutable;
using Plimsoll.Control;

namespace Plimsoll.Pages.Live;

/// <summary>
/// Rates and replicas of the last ten minutes, a moment every four seconds: 12 bytes a moment and model, so that ten
/// thousand models take 18 MB.
/// </summary>
internal sealed class LiveHistory
{
    public static readonly TimeSpan Length = TimeSpan.FromMinutes(10);

    private const int MomentsMax = 151;
    private const int ModelsMax = 10_000;

    private static readonly TimeSpan Spacing = TimeSpan.FromSeconds(4);

    private readonly DateTimeOffset[] _at = new DateTimeOffset[MomentsMax];
    private readonly Dictionary<ModelId, Moment[]> _models = [];
    private readonly Moment[] _all = new Moment[MomentsMax];
    private int _count;

    public bool Keeps(ModelId model) => _models.ContainsKey(model);

    public void Add(Tick tick)
    {
        var at = tick.Snapshot.At;
        if (_count > 0 && at - _at[Slot(_count - 1)] is var since && since < Spacing)
        {
            // A clock that was set back: what was kept is of a time that is yet to come.
            if (since >= TimeSpan.Zero) return;
            _count = 0;
            _models.Clear();
        }

        var slot = Slot(_count);
        _at[slot] = at;
        var replicas = new Dictionary<ModelId, (int Ready, int Loading)>();
        foreach (var replica in tick.Snapshot.Replicas)
        {
            var (ready, loading) = replicas.GetValueOrDefault(replica.Model);
            if (replica.State == ReplicaState.Ready) replicas[replica.Model] = (ready + 1, loading);
            else if (replica.State == ReplicaState.Loading) replicas[replica.Model] = (ready, loading + 1);
        }

        var there = tick.Plan.Models.Select(verdict => verdict.Model).ToHashSet();
        foreach (var gone in _models.Keys.Where(model => !there.Contains(model)).ToList()) _models.Remove(gone);
        var all = default(Moment);
        foreach (var verdict in tick.Plan.Models)
        {
            var (ready, loading) = replicas.GetValueOrDefault(verdict.Model);
            var moment = new Moment(Rate(verdict.DemandPerSecond), Rate(verdict.ForecastPerSecond), Count(ready), Count(loading));
            all = new Moment(all.Demand + moment.Demand, all.Forecast + moment.Forecast, Count(all.Ready + ready), Count(all.Loading + loading));
            if (!_models.TryGetValue(verdict.Model, out var kept))
            {
                if (_models.Count >= ModelsMax) continue;
                _models.Add(verdict.Model, kept = new Moment[MomentsMax]);
            }

            kept[slot] = moment;
        }

        _all[slot] = all;
        _count++;
    }

    /// <summary>Of one model, or of all together; seconds count from a moment, before which they are negative.</summary>
    public (Moments Seen, ImmutableArray<double> ForecastPerSecond) Moments(ModelId? model, DateTimeOffset until)
    {
        var kept = model is { } one ? _models[one] : _all;
        var first = Math.Max(0, _count - MomentsMax);
        var slots = Enumerable.Range(first, _count - first).Select(Slot).Where(slot => until - _at[slot] <= Length).ToArray();
        return (new Moments(
            [.. slots.Select(slot => (_at[slot] - until).TotalSeconds)], [.. slots.Select(slot => (double)kept[slot].Demand)],
            [.. slots.Select(slot => (int)kept[slot].Ready)], [.. slots.Select(slot => (int)kept[slot].Loading)]),
            [.. slots.Select(slot => (double)kept[slot].Forecast)]);
    }

    private static int Slot(int number) => number % MomentsMax;

    private static float Rate(Signal<double> signal) => signal.TryGetLast(out var rate) && rate is >= 0 and < 1e12 ? (float)rate : 0;

    private static ushort Count(int replicas) => (ushort)Math.Min(replicas, ushort.MaxValue);

    private readonly record struct Moment(float Demand, float Forecast, ushort Ready, ushort Loading);
}
