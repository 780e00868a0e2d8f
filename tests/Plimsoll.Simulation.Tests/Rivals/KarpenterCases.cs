using System.Collections.Immutable;
using System.Text.Json;
using Plimsoll.Simulation.Rivals.Karpenter;

namespace Plimsoll.Simulation.Tests.Rivals;

internal static class KarpenterCases
{
    private static readonly KarpenterSettings Settings = new();

    public static void Check(RivalVector vector)
    {
        var inputs = vector.Inputs;
        if (inputs.Has("podArrivals")) Batch(vector);
        else if (inputs.Has("types")) Fit(vector);
        else if (inputs.Has("removing")) Replace(vector);
        else vector.Expect("allowed", KarpenterConsolidation.Allowed(
            inputs.Count("nodes"), int.Parse(inputs.Text("budget")!.TrimEnd('%'), System.Globalization.CultureInfo.InvariantCulture)));
    }

    private static void Batch(RivalVector vector)
    {
        double[] arrivals;
        if (vector.Inputs["podArrivals"].ValueKind == JsonValueKind.String)
        {
            Assert.Equal("every 0.5 s for 30 s", vector.Inputs.Text("podArrivals"));
            arrivals = [.. Enumerable.Range(0, 61).Select(i => i * 0.5)];
        }
        else
        {
            arrivals = vector.Inputs.Numbers("podArrivals");
        }

        var closes = KarpenterProvisioner.BatchCloses(Settings, arrivals.Select(RivalVector.At));
        vector.ExpectNear("closesAt", (closes - RivalVector.Start).TotalSeconds, 0, 1e-6);
    }

    private static void Fit(RivalVector vector)
    {
        var inputs = vector.Inputs;
        var pods = inputs.List("pods").Select((pod, i) => Pod(i, pod.GetProperty("gpu").GetInt32()));
        var packing = KarpenterProvisioner.Pack(Settings, [], [.. inputs.List("types").Select(Type)], pods);
        Assert.Empty(packing.Unplaced);
        Assert.Equal(
            vector.Expected.List("nodes").Select(node => (node[0].GetString()!, node[1].GetInt32())),
            packing.Planned.Select(node => (node.Cheapest.Name, node.Pods.Length)));
        vector.ExpectNear("cost", packing.Planned.Sum(node => node.Cheapest.Price), 0, 1e-9);
    }

    /// <summary>Types are named by the GPUs they have ("2g"), so a row without counts has them too.</summary>
    private static KarpenterType Type(JsonElement row)
    {
        var name = row[0].GetString()!;
        var gpus = int.Parse(name.TrimEnd('g'), System.Globalization.CultureInfo.InvariantCulture);
        return new(name, new(1000, 1e15, gpus), row[row.GetArrayLength() - 1].GetDouble());
    }

    private static KarpenterPod Pod(int i, int gpus) => new($"pod-{i}", new(1, 1e9, gpus));

    /// <summary>What is to be judged is a trial packing's outcome: one new node of the row's options, or as many as it says.</summary>
    private static void Replace(RivalVector vector)
    {
        var inputs = vector.Inputs;
        var removed = inputs.List("removing").Select((row, i) => new KarpenterNode($"node-{i}", Type(row), [Pod(i, 1)], RivalVector.Start))
            .ToImmutableArray();
        ImmutableArray<KarpenterType> options = inputs.Has("options") ? [.. inputs.List("options").Select(Type)] : [.. removed.Select(node => node.Type)];
        var planned = Enumerable.Range(0, inputs.CountOrNull("needsNewNodes") ?? 1).Select(i => new KarpenterPlannedNode([Pod(i, 1)], options));
        var packing = new KarpenterPacking(ImmutableSortedDictionary<string, string>.Empty, [.. planned], []);
        var command = KarpenterConsolidation.Judge(Settings, removed, packing, "single-node");
        if (vector.Expected.Has("action")) Assert.Equal((vector.Expected.Text("action"), false), (command.Method, command.Acts));
        else Assert.Equal([vector.Expected.Text("replacement")!], command.Replacement.Select(type => type.Name));
    }
}
