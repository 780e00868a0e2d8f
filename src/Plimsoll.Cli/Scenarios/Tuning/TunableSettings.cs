using System.Collections.Immutable;
using System.Globalization;
using Plimsoll.Cli.FleetFiles;
using Plimsoll.Simulation.Runs.Tuning;

namespace Plimsoll.Cli.Scenarios.Tuning;

/// <summary>
/// What of a scenario its owner may set of Plimsoll, with values around those that it has. What requests may take, whose come first
/// (priority), and how engines run are not Plimsoll's to change.
/// </summary>
internal static class TunableSettings
{
    // From one to the next half or a third as many may be late.
    private static readonly ImmutableArray<double> Shares = [0.5, 0.8, 0.9, 0.95, 0.97, 0.99, 0.995, 0.999, 0.9999];

    /// <summary>Models of a scenario, copies of one together, with the share of requests in time that each is to have.</summary>
    /// <param name="document">The scenario, without problems.</param>
    /// <param name="want">The share; null for what each model's objective asks.</param>
    public static ImmutableArray<WantedShare> Wanted(ScenarioDocument document, double? want) =>
        [.. document.Models.Select(model => new WantedShare(model.Name!, Copies(model), want ?? AskedOf(model)))];

    /// <summary>In the order in which they are worth trying: what keeps replicas without a reason first, time scales last.</summary>
    public static ImmutableArray<ImmutableArray<FleetSetting>> Of(ScenarioDocument document)
    {
        var planner = FleetSettings.Planner(document.Planner ?? new PlannerDocument());
        return
        [
            [.. document.Models.Select(MinReplicas).OfType<FleetSetting>()],
            [.. document.Models.Length > 1 ? AllAttainments(document) : []],
            [.. document.Models.Select(IdleLimit)],
            [.. document.Models.Select(MaxReplicas).OfType<FleetSetting>()],
            [.. document.Models.Select(model => Attainment(model, 2)).OfType<FleetSetting>()],
            [
                Planner("review", planner.Review, [1, 2, 5, 15], (settings, time) => settings with { Review = time }),
                Planner("demandHistory", planner.DemandBucket * planner.DemandBuckets, [180, 600, 1800, 7200], (settings, time) => settings with { DemandBuckets = Buckets(settings, time) }),
                Planner("drainDeadline", planner.DrainDeadline, [10, 120], (settings, time) => settings with { DrainDeadline = time, DrainAsLongAsSeen = false }),
            ],
        ];
    }

    private static int Buckets(PlannerSettings settings, TimeSpan time) => Math.Clamp((int)Math.Ceiling(time / settings.DemandBucket), 1, FleetChecks.DemandBucketsMax);

    private static FleetSetting? MinReplicas(ScenarioModelDocument model)
    {
        var (was, most) = (model.MinReplicas ?? 0, model.MaxReplicas ?? int.MaxValue);

        // One more may do nothing where many do, as for a crowd that comes faster than a load: so half of the most and all of it too.
        var tries = ((int[])[1, 0, was / 2, was + 1, .. model.MaxReplicas is { } stated ? [stated / 2, stated] : Array.Empty<int>()])
            .Distinct().Where(least => least != was && least <= most);
        return Replicas(model, "minReplicas", was, tries, (spec, least) => spec with { MinReplicas = least });
    }

    // Where none is stated, it is out of reach.
    private static FleetSetting? MaxReplicas(ScenarioModelDocument model)
    {
        if (model.MaxReplicas is not { } was) return null;
        var tries = ((int[])[was * 2, was + 1, was / 2]).Distinct().Where(most => most != was && most >= Math.Max(1, model.MinReplicas ?? 0) && most <= 1000);
        return Replicas(model, "maxReplicas", was, tries, (spec, most) => spec with { MaxReplicas = most });
    }

    private static FleetSetting? Replicas(ScenarioModelDocument model, string name, int was, IEnumerable<int> tries, Func<ModelSpec, int, ModelSpec> set)
    {
        ImmutableArray<SettingValue> values = [.. tries.Select(count => Value(model, name, count.ToString(CultureInfo.InvariantCulture), count > was, spec => set(spec, count)))];
        return values.IsEmpty ? null : new FleetSetting(model.Name, name, was.ToString(CultureInfo.InvariantCulture), values);
    }

    private static FleetSetting IdleLimit(ScenarioModelDocument model)
    {
        ImmutableArray<TimeSpan?> tries = model.IdleLimit is { } was
            ? [null, was / 4, was * 4]
            : [TimeSpan.FromMinutes(1), TimeSpan.FromMinutes(10), TimeSpan.FromHours(1)];
        return new FleetSetting(model.Name, "idleLimit", model.IdleLimit is { } limit ? Written(limit) : "none",
            [.. tries.Select(time => Value(model, "idleLimit", time is { } some ? Written(some) : null, time is null || time > model.IdleLimit, spec => spec with { IdleLimit = time }))]);
    }

    private static FleetSetting? Attainment(ScenarioModelDocument model, int steps)
    {
        var asked = AskedOf(model);
        ImmutableArray<SettingValue> values = [.. Steps(asked, steps).Select(share => Value(model, "slo.attainment", Written(share), share > asked, spec => spec with { Slo = spec.Slo with { Attainment = share } }))];
        return values.IsEmpty ? null : new FleetSetting(model.Name, "slo.attainment", Written(asked), values);
    }

    // Each of them as many steps from what it asks.
    private static IEnumerable<FleetSetting> AllAttainments(ScenarioDocument document)
    {
        var asked = document.Models.Select(AskedOf).Distinct().ToList();
        SettingValue At(Func<double, double> to, string text, bool isMore) => new(text, isMore, world => world.WithSpecs(model => model with { Slo = model.Slo with { Attainment = to(model.Slo.Attainment) } }),
            [.. document.Models.Select(model => new WrittenField(model.Name, "slo.attainment", Written(to(AskedOf(model)))))]);
        yield return asked.Count == 1
            ? new FleetSetting(null, "slo.attainment", Written(asked[0]), [.. Steps(asked[0], 2).Select(share => At(_ => share, Written(share), share > asked[0]))])
            : new FleetSetting(null, "slo.attainment", "as it is", [At(Lower, "a step lower", isMore: false), At(Higher, "a step higher", isMore: true)]);
    }

    private static double Lower(double share) => Shares.LastOrDefault(one => one < share, share);

    private static double Higher(double share) => Shares.FirstOrDefault(one => one > share, share);

    private static IEnumerable<double> Steps(double asked, int steps) =>
        Shares.Where(share => share < asked).TakeLast(steps).Reverse().Concat(Shares.Where(share => share > asked).Take(steps));

    private static FleetSetting Planner(string name, TimeSpan was, ImmutableArray<int> seconds, Func<PlannerSettings, TimeSpan, PlannerSettings> set) => new(null, "planner." + name, Written(was),
        [
            .. seconds.Select(one => TimeSpan.FromSeconds(one)).Where(time => time != was).Select(time => new SettingValue(
                Written(time), false, world => world with { Spec = world.Spec with { Settings = set(world.Spec.Settings, time) } }, [new WrittenField(null, name, Written(time))])),
        ]);

    private static SettingValue Value(ScenarioModelDocument model, string field, string? text, bool isMore, Func<ModelSpec, ModelSpec> set)
    {
        var copies = Copies(model);
        return new SettingValue(text ?? "none", isMore, world => world.WithSpecs(spec => copies.Contains(spec.Id) ? set(spec) : spec), [new WrittenField(model.Name, field, text)]);
    }

    private static double AskedOf(ScenarioModelDocument model) => model.Slo?.Attainment?.Value ?? ScenarioResolver.DefaultAttainment;

    private static ImmutableHashSet<ModelId> Copies(ScenarioModelDocument model) => [.. ScenarioResolver.NamesOf(model).Select(ModelId.Of)];

    private static string Written(double share) => (share * 100).ToString("0.####", CultureInfo.InvariantCulture) + "%";

    private static string Written(TimeSpan time)
    {
        var (count, unit) = time.TotalSeconds switch
        {
            >= 3600 and var seconds when seconds % 3600 == 0 => (seconds / 3600, "h"),
            >= 60 and var seconds when seconds % 60 == 0 => (seconds / 60, "min"),
            >= 1 and var seconds => (seconds, "s"),
            var seconds => (seconds * 1000, "ms"),
        };
        return count.ToString("0.###", CultureInfo.InvariantCulture) + unit;
    }
}
