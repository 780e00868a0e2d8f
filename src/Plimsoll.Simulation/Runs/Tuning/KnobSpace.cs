using System.Collections.Immutable;
using Plimsoll.Simulation.Runs.Rules;

namespace Plimsoll.Simulation.Runs.Tuning;

/// <summary>One thing that users set, and what is tried for it.</summary>
/// <param name="Name">"target".</param>
/// <param name="Tries">Each changes it to one value.</param>
internal sealed record Knob(string Name, ImmutableArray<Func<RivalKnobs, RivalKnobs>> Tries);

/// <summary>Which knobs each rival's users have, with values around its default and far from it.</summary>
internal static class KnobSpace
{
    private static readonly ImmutableArray<double> Shares = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 0.9, 1.0];
    private static readonly ImmutableArray<double> Objectives = [0.25, 0.4, 0.55, 0.7, 0.85, 1.2, 1.5];
    private static readonly ImmutableArray<int> FromOne = [1, 2, 3, 5, 8];
    private static readonly ImmutableArray<int> FromZero = [0, 1, 2, 3];

    /// <summary>The first is the target, which matters most and is tried first.</summary>
    public static ImmutableArray<Knob> Of(string rival) => rival switch
    {
        "hpa" => [Target(Shares), Least(FromOne), Down(0, 60, 120, 600), Up(30), Tolerance()],
        "keda" => [Target(Shares), Least(FromZero), Zero(30, 120, 900), Down(0, 60, 120, 600), Up(30), Tolerance()],
        "kpa" => [Target(Shares), Least(FromZero), Down(60, 180, 600), Up(30, 120, 300)],
        "ray-serve" => [Target([0.02, 0.05, .. Shares]), Least(FromZero), Down(60, 120, 300), Up(0, 5, 10), Zero(60, 300)],
        "aibrix" => [Target(Shares), Least(FromOne), Down(0, 60, 600), Up(30), Tolerance()],
        "fixed" => [Target([0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.6, 0.75, 1.0])],
        "wva" or "wva-v1" => [Target([0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.95]), Least(FromOne), Zero(120, 600), Down(0, 60, 120, 600), Up(30)],
        "dynamo-throughput" => [Least(FromOne)],
        "dynamo" or "dynamo-constant" or "dynamo-kalman" => [Target(Objectives), Least(FromOne)],
        "aibrix-optimizer" => [Target(Objectives), Least(FromOne), Down(0, 60, 600), Up(30)],
        "inferno" => [Target(Objectives), Least(FromOne), Down(0, 60, 120, 600), Up(30)],
        "sageserve" => [Target([0.2, 0.3, 0.4, 0.6, 0.7, 0.8]), Least(FromOne)],
        _ => [],
    };

    /// <summary>Targets of a curve: the dial that each has.</summary>
    public static ImmutableArray<RivalKnobs> Curve(string rival) =>
        Of(rival).FirstOrDefault(knob => knob.Name == "target") is { } target ? [.. target.Tries.Select(turn => turn(RivalKnobs.Defaults))] : [];

    private static Knob Target(ImmutableArray<double> values) =>
        new("target", [.. values.Select(value => new Func<RivalKnobs, RivalKnobs>(knobs => knobs with { Target = value }))]);

    private static Knob Least(ImmutableArray<int> values) =>
        new("min", [.. values.Select(value => new Func<RivalKnobs, RivalKnobs>(knobs => knobs with { MinReplicas = value }))]);

    private static Knob Tolerance() =>
        new("tolerance", [.. ((ReadOnlySpan<double>)[0.02, 0.2]).ToArray().Select(value => new Func<RivalKnobs, RivalKnobs>(knobs => knobs with { Tolerance = value }))]);

    private static Knob Up(params ReadOnlySpan<int> seconds) =>
        new("up window", [.. seconds.ToArray().Select(value => new Func<RivalKnobs, RivalKnobs>(knobs => knobs with { UpWindow = TimeSpan.FromSeconds(value) }))]);

    private static Knob Down(params ReadOnlySpan<int> seconds) =>
        new("down window", [.. seconds.ToArray().Select(value => new Func<RivalKnobs, RivalKnobs>(knobs => knobs with { DownWindow = TimeSpan.FromSeconds(value) }))]);

    private static Knob Zero(params ReadOnlySpan<int> seconds) =>
        new("to zero", [.. seconds.ToArray().Select(value => new Func<RivalKnobs, RivalKnobs>(knobs => knobs with { ZeroAfter = TimeSpan.FromSeconds(value) }))]);
}
