using System.Collections.Immutable;
using System.Text.Json;
using Plimsoll.Simulation.Rivals.Wva;

namespace Plimsoll.Simulation.Tests.Rivals;

internal static class WvaCases
{
    private static readonly WvaSettings Settings = new();
    private static readonly string[] Pair = ["v1", "v2"];

    public static void Check(RivalVector vector)
    {
        var inputs = vector.Inputs;
        if (vector.Rival == "WVA V1") CheckV1(vector);
        else if (inputs.Has("replicas")) Analyze(vector);
        else if (inputs.Has("values")) Medians(vector);
        else if (inputs.Has("stored")) Stored(vector);
        else if (inputs.Has("required")) Optimize(vector);
        else
            vector.ExpectNear("k2", WvaTokens.ComputeBound(inputs.Number("B"), inputs.Number("S"), inputs.Number("I"), inputs.Number("O")), 0, 0);
    }

    private static void Analyze(RivalVector vector)
    {
        var inputs = vector.Inputs;
        var arguments = inputs.Find("params") is { } given ? Arguments(given) : null;
        var replicas = inputs.List("replicas").Select(r => new WvaReplica(
            Text(r, "v"), Long(r, "u"), Long(r, "K"), (double)Long(r, "u") / Long(r, "K"), (int)Long(r, "w"), Long(r, "I"), Long(r, "O"))).ToImmutableArray();
        var variants = inputs.List("variants").Select(v => new WvaVariant(
            Text(v, "v"), "gpu", (int)Long(v, "current"), (int)Long(v, "pending"), Arguments: arguments)).ToImmutableArray();
        var state = WvaState.Fresh;
        if (inputs.NumberOrNull("hist") is { } history)
            state = state with { Computed = state.Computed.Add(WvaTokens.HistoryKey("gpu", replicas[0].MeanOutput), [(long)history]) };
        var hit = inputs.NumberOrNull("hit") ?? 0;
        var queue = inputs.Find("sq") is { } waiting ? new WvaSchedulerQueue((int)Long(waiting, "size"), Long(waiting, "bytes"), hit) : null;
        var analysis = WvaSaturation.Analyze(Settings, state, replicas, variants, queue);
        var expected = vector.Expected;
        if (expected.Find("capacity") is { } capacities)
            foreach (var capacity in capacities.EnumerateObject()) Assert.Equal(capacity.Value.GetInt64(), analysis.Capacity[capacity.Name]);
        Near("demand", analysis.Demand);
        Near("supply", analysis.Supply);
        Near("required", analysis.Required);
        Near("spare", analysis.Spare);

        void Near(string field, double actual)
        {
            if (expected.Has(field)) vector.ExpectNear(field, actual, 0, 0.005);
        }
    }

    private static WvaEngineArguments Arguments(JsonElement given) => new(
        given.TryGetProperty("B", out var batched) ? batched.GetInt32() : given.GetProperty("effective").GetInt32(),
        given.TryGetProperty("S", out var sequences) ? sequences.GetInt32() : 256,
        given.TryGetProperty("K", out var tokens) ? tokens.GetInt64() : null);

    private static void Medians(RivalVector vector)
    {
        var lists = vector.Inputs.List("values").Select(list => WvaTokens.Median(list.EnumerateArray().Select(value => value.GetInt64())));
        Assert.Equal(vector.Expected.Counts("median").Select(value => (long)value), lists);
    }

    private static void Stored(RivalVector vector)
    {
        var inputs = vector.Inputs;
        Assert.Equal("deployment", Text(inputs["stored"], "from"));
        var capacity = WvaTokens.StoredCapacity(
            Settings, Arguments(inputs["stored"]), null, (long?)inputs.NumberOrNull("siblingLiveCapacity"), inputs.Number("I"), inputs.Number("O"));
        vector.ExpectNear("capacity", capacity, 0, 0);
    }

    private static void Optimize(RivalVector vector)
    {
        var inputs = vector.Inputs;
        var current = inputs["current"];
        var options = inputs.List("variants").Select(v => new WvaOption(
            Text(v, "v"), Long(v, "cost"), Long(v, "c"), (int)Long(current, Text(v, "v")))).ToImmutableArray();
        Targets(vector, WvaCostOptimizer.Decide(options, inputs.Number("required"), inputs.Number("spare")));
    }

    private static void CheckV1(RivalVector vector)
    {
        var inputs = vector.Inputs;
        if (inputs.Has("replicas"))
        {
            var (up, safe) = WvaPercentage.Analyze(
                Settings, inputs.List("replicas").Select(r => (r.GetProperty("kv").GetDouble(), r.GetProperty("queue").GetDouble())));
            if (vector.Expected.Has("scaleUp")) vector.Expect("scaleUp", up);
            if (vector.Expected.Has("scaleDownSafe")) vector.Expect("scaleDownSafe", safe);
            return;
        }

        var rows = inputs.Has("variants")
            ? inputs.List("variants").Select(v => (
                Variant: new WvaVariant(v[0].GetString()!, "gpu", v[2].GetInt32(), 0, Cost: v[1].GetDouble()), Metrics: v[2].GetInt32())).ToArray()
            : Pair.Select(name => (
                Variant: new WvaVariant(name, "gpu", (int)Long(inputs[name], "current"), 0, (int)Long(inputs[name], "desired")),
                Metrics: (int)Long(inputs[name], "metrics"))).ToArray();
        var reporting = rows.ToDictionary(row => row.Variant.Name, row => row.Metrics);
        Targets(vector, WvaPercentage.Decide(
            Settings, [.. rows.Select(row => row.Variant)], reporting, inputs.Flag("scaleUp"), inputs.Flag("scaleDownSafe")));
    }

    private static void Targets(RivalVector vector, ImmutableSortedDictionary<string, int> targets)
    {
        var expected = vector.Expected["targets"].EnumerateObject().ToDictionary(target => target.Name, target => target.Value.GetInt32());
        Assert.Equal(expected.OrderBy(target => target.Key, StringComparer.Ordinal), targets.OrderBy(target => target.Key, StringComparer.Ordinal));
    }

    private static long Long(JsonElement element, string name) => element.GetProperty(name).GetInt64();

    private static string Text(JsonElement element, string name) => element.GetProperty(name).GetString()!;
}
