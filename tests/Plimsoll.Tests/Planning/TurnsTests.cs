using System.Collections.Immutable;
using CsCheck;
using static Plimsoll.Tests.Planning.Fleets;

namespace Plimsoll.Tests.Planning;

/// <summary>Equals of which not all fit take turns, and no more often than loads allow.</summary>
public sealed class TurnsTests
{
    private const int LoadSeconds = 12;

    // Of one that asks less than twice a second a lull of seconds is common, and a place that nobody uses is cheap to take.
    [Fact]
    public void Whoever_asks_how_much_a_tenth_of_the_hour_goes_into_loads_at_the_most() =>
        Gen.Select(Gen.Int[2, 4], Gen.Double[2, 8], Gen.Int[1, 1_000_000], Gen.Bool).Sample(
            (models, rate, seed, forecast) => Share(Play(Enumerable.Repeat(rate, models), seed, forecast).Starts) <= 0.1, iter: 24);

    [Fact]
    public void Everybody_has_a_turn() => Assert.All(Play([3, 3, 3], seed: 7, forecast: true).Turns, turns => Assert.InRange(turns, 4, 12));

    [Fact]
    public void A_seeded_bug_that_lets_them_change_places_after_a_load_is_caught() =>
        Assert.True(Share(Play([3, 3, 3], seed: 7, forecast: true, loadsPerTurn: 1).Starts) > 0.1);

    [Fact]
    public void Who_asks_far_more_has_the_place_for_most_of_the_time()
    {
        var seconds = Play([0.3, 6], seed: 3, forecast: true).Seconds;
        Assert.True(seconds[1] > 2 * seconds[0], $"{seconds[0]} s and {seconds[1]} s");
    }

    // The first loads of each come before anybody is known to ask.
    private static double Share(int starts) => (starts - 4.0) * LoadSeconds / 3600;

    // An hour on a node that holds one of them: loads take twelve seconds, requests come at random at a constant rate. Of one
    // that nobody serves they wait for two minutes.
    private static (int Starts, int[] Turns, int[] Seconds) Play(IEnumerable<double> rates, int seed, bool forecast, int loadsPerTurn = 10)
    {
        var perSecond = rates.ToArray();
        var models = perSecond.Select((_, i) => Model($"m{i}", 1500)).ToArray();
        var spec = Spec(models) with { Settings = new PlannerSettings { ForecastDemand = forecast, LoadsPerTurn = loadsPerTurn } };
        var (random, known, turns, seconds) = (new Random(seed), Knowledge.Empty, new int[models.Length], new int[models.Length]);
        var replicas = ImmutableSortedDictionary<ReplicaId, InferenceReplica>.Empty;
        var waiting = models.Select(_ => new Queue<int>()).ToArray();
        var plan = Decide(spec, Snapshot(spec, Node(2000), Noon));
        for (var second = 1; second <= 3600; second++)
        {
            var at = Noon.AddSeconds(second);
            foreach (var (id, replica) in replicas)
            {
                if (replica.State == ReplicaState.Loading && at - replica.StartedAt >= TimeSpan.FromSeconds(LoadSeconds))
                    replicas = replicas.SetItem(id, replica with { State = ReplicaState.Ready, StateSince = at });
            }

            var snapshot = Snapshot(spec, Node(2000), at, [.. replicas.Values]);
            for (var i = 0; i < models.Length; i++)
            {
                var arrivals = Poisson(random, perSecond[i]);
                for (var k = 0; k < arrivals; k++) waiting[i].Enqueue(second);
                if (replicas.Values.Any(replica => replica.Model == models[i].Id && replica.State == ReplicaState.Ready))
                {
                    waiting[i].Clear();
                    seconds[i]++;
                }

                while (waiting[i].TryPeek(out var since) && second - since > 120) waiting[i].Dequeue();
                snapshot = snapshot.With(Traffic(models[i].Id, at, arrivals, held: waiting[i].Count, heldSeconds: waiting[i].Count));
            }

            plan = new Planner(new WeightAllocator()).Decide(spec, snapshot, known.Fold(spec, snapshot));
            known = plan.Next;
            foreach (var step in plan.Steps.Where(step => step.After.IsEmpty))
            {
                if (step is Step.Drain drain) replicas = replicas.SetItem(drain.Replica, replicas[drain.Replica] with { State = ReplicaState.Drained, StateSince = at });
                else if (step is Step.Stop stop) replicas = replicas.Remove(stop.Replica);
                else if (step is Step.Start start)
                {
                    var model = Array.FindIndex(models, one => one.Id == start.Model);
                    turns[model]++;
                    replicas = replicas.Add(start.Replica, Replica(models[model], start.Replica.Ordinal, ReplicaState.Loading, at));
                }
            }
        }

        return (turns.Sum(), turns, seconds);
    }

    private static int Poisson(Random random, double mean)
    {
        var (count, product, floor) = (-1, 1.0, Math.Exp(-mean));
        do
        {
            count++;
            product *= random.NextDouble();
        }
        while (product > floor);
        return count;
    }
}
