using System.Text;
using Plimsoll.Json;

namespace Plimsoll.Tests.Planning;

/// <summary>Of many models each is looked at beside the others, on as many processors as there are: what is said of one must be what is said of it alone.</summary>
public class SideBySideTests
{
    // More than are looked at one by one.
    private const int Many = 400;
    private const int Seconds = 120;

    private static readonly PlannerSettings Settings = PlannerSettings.Latest;

    private static readonly ModelSpec[] Models = [.. Enumerable.Range(0, Many).Select(m => Fleets.Model($"m{m:000}", 100 + m, max: 100))];

    [Fact]
    public void What_is_learned_and_wanted_of_each_is_what_is_of_it_alone()
    {
        var (learned, plan) = Play(Models);
        foreach (var m in (ReadOnlySpan<int>)[0, 1, 77, 255, 256, 399])
        {
            var (alone, planAlone) = Play([Models[m]]);
            Assert.Equal(Json(alone.Of(Models[m].Id)), Json(learned.Of(Models[m].Id)));
            var (one, only) = (plan.Models[m], Assert.Single(planAlone.Models));
            Assert.Equal((only.Model, only.Wanted, only.ForecastPerSecond, only.Hold, only.Reason.ToString()), (one.Model, one.Wanted, one.ForecastPerSecond, one.Hold, one.Reason.ToString()));
        }
    }

    [Fact]
    public void The_same_inputs_give_the_same_plan_however_the_work_is_shared_out()
    {
        var (_, first) = Play(Models);
        for (var again = 0; again < 4; again++) Assert.Equal(Json(first), Json(Play(Models).Plan));
    }

    private static (Knowledge Known, Plan Plan) Play(ModelSpec[] models)
    {
        var spec = Fleets.Spec(models) with { Settings = Settings };
        var (known, snapshot) = (Knowledge.Empty, Fleets.Snapshot(spec, Fleets.Node(1e7, 4000), Fleets.Noon));
        for (var second = 1; second <= Seconds; second++)
        {
            var at = Fleets.Noon.AddSeconds(second);
            snapshot = Fleets.Snapshot(spec, Fleets.Node(1e7, 4000), at) with { Traffic = [.. models.Select(model => Fleets.Traffic(model.Id, at, Arrivals(model, second)))] };
            known = known.Fold(spec, snapshot);
        }

        return (known, new Planner(new WeightAllocator()).Decide(spec, snapshot, known));
    }

    private static long Arrivals(ModelSpec model, int second) => (model.Footprint.Weights.Value / Bytes.MiB(1).Value * 31 + (second * 7)) % 11;

    private static string Json(ModelKnowledge known) => Json(Knowledge.Empty with { Models = Knowledge.Empty.Models.Add(new ModelId("m"), known) });

    private static string Json(Knowledge known) => Encoding.UTF8.GetString(PlimsollJson.ToBytes(known, PlimsollJson.Default.Knowledge));

    private static string Json(Plan plan) => Encoding.UTF8.GetString(PlimsollJson.ToBytes(plan, PlimsollJson.Default.Plan));
}
