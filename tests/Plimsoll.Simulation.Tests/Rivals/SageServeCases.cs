using System.Text.Json;
using Plimsoll.Simulation.Rivals.SageServe;

namespace Plimsoll.Simulation.Tests.Rivals;

internal static class SageServeCases
{
    public static void Check(RivalVector vector)
    {
        var inputs = vector.Inputs;
        if (inputs.Has("counter")) Gate(vector);
        else if (inputs["n"].ValueKind == JsonValueKind.Array) Regions(vector);
        else
            vector.Expect("delta", SageServePlanner.Plan(
                inputs.Number("forecast"), [new SageServeType(inputs.Count("n"), inputs.Number("tps"))]).Single());
    }

    private static void Regions(RivalVector vector)
    {
        var inputs = vector.Inputs;
        var type = new SageServeType(0, inputs.Number("tps"), inputs.Number("cost"), inputs.Number("startup"));
        var (counts, forecasts) = (Matrix(inputs["n"]), Matrix(inputs["forecast"]));
        var deltas = forecasts.Select((row, region) => row.Select((forecast, model) =>
            (double)SageServePlanner.Plan(forecast, [type with { Instances = (int)counts[region][model] }]).Single()).ToArray());
        Assert.Equal(Matrix(vector.Expected["delta[region][model]"]), deltas);
    }

    private static double[][] Matrix(JsonElement rows) =>
        [.. rows.EnumerateArray().Select(row => row.EnumerateArray().Select(cell => cell.GetDouble()).ToArray())];

    private static void Gate(RivalVector vector)
    {
        var actions = vector.Inputs.Counts("counter").Zip(vector.Inputs.Numbers("util"))
            .Select(row => SageServeGate.Decide(new(), row.First, row.Second).Action.ToString().ToLowerInvariant());
        Assert.Equal(vector.Expected.List("action").Select(action => action.GetString()!), actions);
    }
}
