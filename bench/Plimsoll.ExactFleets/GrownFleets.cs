using Plimsoll.Simulation.Bounds;
using Plimsoll.Simulation.Tests.Plans;

/// <summary>Fleets that have run for a while beside the cheapest that hold the same demand.</summary>
internal static class GrownFleets
{
    public static int Write(int fleets, int first, bool each)
    {
        var (held, possible, settled, starts, ratios) = (0, 0, 0, 0, new List<(double Ratio, int Seed)>());
        var (paid, least) = (0.0, 0.0);
        for (var seed = first; seed < first + fleets; seed++)
        {
            var grown = GrownFleet.Of(RandomFleets.Of(seed), seed);
            var exact = CheapestFleet.Of(grown.Fleet);
            if (grown.Settled) settled++;
            if (each) Console.WriteLine(string.Join('\n', grown.Lines.Concat(exact.Replicas.Select(model => $"  exact {model.Key}: {string.Join(", ", model.Value.Where(count => count.Replicas > 0).Select(count => $"{count.Replicas} x {count.Variant}"))}"))));
            starts += grown.Starts;
            if (exact is not { Proven: true, Cost: { Micro: > 0 } cost }) continue;
            possible++;
            if (!grown.Held)
            {
                if (each) Console.WriteLine($"{seed,6} not held");
                continue;
            }

            held++;
            (paid, least) = (paid + grown.Usd, least + cost.Dollars);
            ratios.Add((grown.Usd / cost.Dollars, seed));
            if (each) Console.WriteLine($"{seed,6} ${grown.Usd,8:0.00} exact ${cost.Dollars,8:0.00} {grown.Usd / cost.Dollars:0.000} starts {grown.Starts}{(grown.Settled ? "" : " not settled")}");
        }

        ratios.Sort();
        if (ratios.Count == 0) return 1;
        Console.WriteLine($"{fleets} fleets from seed {first} that have grown: all can be held in {possible}; what runs holds {held}; settled {settled}; {starts} starts since demand is what it is");
        Console.WriteLine($"cost over the cheapest: of all {paid / least:0.0000}, mean {ratios.Average(one => one.Ratio):0.0000}, p50 {ratios[ratios.Count / 2].Ratio:0.000}, p90 {ratios[ratios.Count * 9 / 10].Ratio:0.000}, p99 {ratios[ratios.Count * 99 / 100].Ratio:0.000}, most {ratios[^1].Ratio:0.000} (seeds {string.Join(' ', ratios.TakeLast(8).Select(one => one.Seed))})");
        return 0;
    }
}
