using Plimsoll.Simulation.Rivals.Inferno;

namespace Plimsoll.Simulation.Tests.Rivals;

internal static class InfernoCases
{
    /// <summary>The peer computes in 32-bit numbers, and the rows are rounded to four places.</summary>
    private const double Relative = 1e-3;

    public static void Check(RivalVector vector)
    {
        var inputs = vector.Inputs;
        if (inputs.Has("batch")) Times(vector);
        else if (inputs.Has("arrivalPerMin")) Replicas(vector);
        else if (inputs.Has("rate")) Analyze(vector);
        else if (inputs.Has("ttft")) Size(vector);
        else Range(vector);
    }

    private static InfernoService Service(VectorFields inputs) => new(
        inputs.Number("alpha"), inputs.Number("beta"), inputs.Number("gamma"), inputs.Number("I"), inputs.Number("O"));

    private static InfernoQueue Queue(VectorFields inputs) => new(Service(inputs), inputs.Count("N"), inputs.Count("Q"));

    /// <summary>Rows of prefill and of decode have the same fields: only their names tell them apart.</summary>
    private static void Times(RivalVector vector)
    {
        var (service, batch) = (Service(vector.Inputs), vector.Inputs.Number("batch"));
        var prefill = vector.Name.StartsWith("prefill_time", StringComparison.Ordinal);
        vector.ExpectNear("ms", prefill ? service.Prefill(batch) : service.Decode(batch), 1e-9, 1e-9);
    }

    private static void Range(RivalVector vector)
    {
        var (least, most) = Queue(vector.Inputs).RateRange;
        vector.ExpectNear("min", least, Relative, 5e-5);
        vector.ExpectNear("max", most, Relative, 0);
    }

    private static void Analyze(RivalVector vector)
    {
        var metrics = Queue(vector.Inputs).Analyze(vector.Inputs.Number("rate"));
        foreach (var (field, actual) in new[]
                 {
                     ("thr", metrics.Throughput), ("wait", metrics.Wait), ("inserv", metrics.InService), ("prefill", metrics.PrefillTime),
                     ("itl", metrics.TokenTime), ("ttft", metrics.FirstTokenTime), ("rho", metrics.Utilization),
                 })
            vector.ExpectNear(field, actual, Relative, 5e-5);
    }

    private static void Size(RivalVector vector)
    {
        var inputs = vector.Inputs;
        var size = Queue(inputs).Size(inputs.Number("ttft"), inputs.Number("itl"), inputs.Number("tps"))!;
        vector.ExpectNear("lambdaStar", size.Rate, Relative, 0);
        vector.ExpectNear("throughput", size.Throughput, Relative, 0);
    }

    private static void Replicas(RivalVector vector)
    {
        var inputs = vector.Inputs;
        var service = inputs.Has("alpha") ? Service(inputs) : new InfernoService(7, 0.03, 3e-5, 512, 128);
        var demand = new InfernoDemand(
            service, inputs.CountOrNull("N") ?? 64, inputs.Number("arrivalPerMin"), inputs.NumberOrNull("ttft") ?? 0, inputs.NumberOrNull("itl") ?? 0,
            0, inputs.NumberOrNull("unitCost") ?? 1, inputs.CountOrNull("accelPerReplica") ?? 1, inputs.Count("minReplicas"), inputs.CountOrNull("Q"));
        var allocation = InfernoAllocation.For("gpu", demand)!;
        vector.Expect("replicas", allocation.Replicas);
        if (vector.Expected.Has("ratePerReplica")) vector.ExpectNear("ratePerReplica", allocation.RatePerReplica, Relative, 0);
        if (vector.Expected.Has("cost")) vector.ExpectNear("cost", allocation.Cost, 0, 1e-9);
    }
}
