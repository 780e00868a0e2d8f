using System.Collections.Immutable;
using Plimsoll.Simulation.Rivals.Dynamo;
using Plimsoll.Simulation.Rivals.Wva;
using Plimsoll.Simulation.Scenarios;

namespace Plimsoll.Simulation.Runs.Rules;

/// <summary>
/// Rivals' rules fed from the simulated cluster, by name. A rival that knows text models only leaves the others to what its users
/// have beside it: an HPA with its defaults.
/// </summary>
internal static class RivalRules
{
    public static readonly ImmutableArray<string> Names =
    [
        "hpa", "keda", "kpa", "wva", "wva-v1", "dynamo", "dynamo-constant", "dynamo-kalman", "dynamo-throughput", "aibrix", "aibrix-optimizer",
        "ray-serve", "inferno", "sageserve", "fixed",
    ];

    /// <summary>Rivals that were asked for and are not run, with the reason.</summary>
    public static readonly ImmutableArray<(string Name, string Why)> LeftOut =
    [
        ("modelmesh", "it keeps many models in one server's memory, and replicas of the simulated cluster are processes of their own"),
        ("karpenter", "where nodes come and go, they do by one simpler rule for all rivals"),
    ];

    private static readonly ImmutableHashSet<string> OfText =
        ["wva", "wva-v1", "dynamo", "dynamo-constant", "dynamo-kalman", "dynamo-throughput", "aibrix-optimizer", "inferno", "sageserve"];

    /// <summary>Whether the rival's own rule scales the model; an HPA does otherwise.</summary>
    public static bool Manages(string name, SimulatedModel model) => !OfText.Contains(name) || IsProfiled(model);

    /// <summary>A rule for one model; null for a name that is not known.</summary>
    /// <param name="name">The rival.</param>
    /// <param name="model">What it is to scale.</param>
    /// <param name="prices">Of devices, as its users type them in.</param>
    /// <param name="knobs">What its users set.</param>
    public static IScalingRule? Of(string name, SimulatedModel model, Prices prices, RivalKnobs knobs)
    {
        if (!OfText.Contains(name)) return RequestRules.Of(name, model.Spec, knobs);
        if (!IsProfiled(model)) return RequestRules.Of("hpa", model.Spec, RivalKnobs.Defaults);
        return name switch
        {
            "wva" or "wva-v1" => new WvaRule(Wva(knobs), name == "wva", model, CostsOf(model.Spec, prices), knobs),
            "dynamo" => Dynamo(DynamoPredictor.Arima),
            "dynamo-constant" => Dynamo(DynamoPredictor.Constant),
            "dynamo-kalman" => Dynamo(DynamoPredictor.Kalman),
            // The default of its optimisation target, with which the slow loop is off.
            "dynamo-throughput" => new DynamoRule(model, new DynamoSettings { EnableThroughput = false }, knobs),
            "aibrix-optimizer" => new AibrixOptimizerRule(model, CostsOf(model.Spec, prices), knobs),
            "inferno" => new InfernoRule(model, CostsOf(model.Spec, prices), knobs),
            "sageserve" => new SageServeRule(model, knobs),
            _ => null,
        };

        DynamoRule Dynamo(DynamoPredictor predictor) => new(model, new DynamoSettings { Target = DynamoTarget.Sla, Predictor = predictor }, knobs);
    }

    private static bool IsProfiled(SimulatedModel model) => model.Spec.Variants.All(variant => model.Profiles.ContainsKey(variant.Id));

    private static WvaSettings Wva(RivalKnobs knobs)
    {
        var usual = new WvaSettings { ScaleToZero = knobs.ZeroAfter is not null };
        var up = knobs.Target ?? usual.ScaleUpThreshold;
        return usual with
        {
            ScaleUpThreshold = up,
            ScaleDownBoundary = usual.ScaleDownBoundary * up / usual.ScaleUpThreshold,
            // V1 goes by the spare that is left below saturation.
            KvSpareTrigger = knobs.Target is { } share ? Math.Max(0, 0.8 - share) : usual.KvSpareTrigger,
            RetentionPeriod = knobs.ZeroAfter ?? usual.RetentionPeriod,
        };
    }

    /// <summary>Dollars an hour of a replica by variant; null where its device has no price.</summary>
    private static ImmutableArray<double?> CostsOf(ModelSpec model, Prices prices) =>
    [
        .. model.Variants.Select(variant => prices.Devices.FirstOrDefault(one => one.Kind == variant.DeviceKind) is { } price
            ? price.PerDevice.Dollars * Math.Max(1, variant.Needs.Devices)
            : (double?)null),
    ];
}
