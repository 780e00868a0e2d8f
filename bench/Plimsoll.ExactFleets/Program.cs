using System.Globalization;
using Plimsoll.Simulation.Tests.Plans;

// The planner beside the cheapest fleet on small random fleets, the same for the same seeds. Arguments: [FLEETS [FIRST-SEED [fleets|models|grown]]];
// grown: of fleets whose demand was another before, after some hours with what it is now.
CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
if (!int.TryParse(args.ElementAtOrDefault(0) ?? "500", NumberStyles.None, CultureInfo.InvariantCulture, out var fleets) || fleets is < 1 or > 1_000_000
    || !int.TryParse(args.ElementAtOrDefault(1) ?? "1", NumberStyles.None, CultureInfo.InvariantCulture, out var first))
{
    Console.Error.WriteLine("Plimsoll.ExactFleets: expected [FLEETS [FIRST-SEED [fleets|models|grown]]], whole numbers");
    return 2;
}

if (args.ElementAtOrDefault(2) == "grown") return GrownFleets.Write(fleets, first, each: args.Length > 3);

var (held, possible, open, ratios) = (0, 0, 0, new List<(double Ratio, int Seed)>());
var lost = new List<int>();
for (var seed = first; seed < first + fleets; seed++)
{
    var one = AgainstExact.Of(RandomFleets.Of(seed));
    if (!one.Exact.Proven) open++;
    if (one.Exact.Cost is not null) possible++;
    if (one.Exact.Cost is not null && !one.Held) lost.Add(seed);
    if (one.Held) held++;
    if (one.Ratio is { } ratio) ratios.Add((ratio, seed));
    if (args.Length > 2 && args[2] == "models")
    {
        foreach (var line in one.Lines) Console.WriteLine($"{seed,6} {line}");
    }
    if (args.Length > 2) Console.WriteLine($"{seed,6} held {one.Held,-5} ${one.Usd,8:0.00} exact {(one.Exact.Cost is { } cost ? $"${cost.Dollars:0.00}" : "none"),9}{(one.Exact.Proven ? "" : " not proven")}{(one.Ratio is > 1.0001 ? $" {one.Ratio:0.000}" : "")}");
}

ratios.Sort();
Console.WriteLine($"{fleets} fleets from seed {first}: all can be held in {possible} (search not ended in {open}); the planner holds {held}");
Console.WriteLine($"not held where the cheapest fleet holds it: {lost.Count} ({100.0 * lost.Count / Math.Max(1, possible):0.0} %): seeds {string.Join(' ', lost.Take(20))}");
Console.WriteLine($"cost over the cheapest: mean {ratios.Average(one => one.Ratio):0.0000}, p50 {ratios[ratios.Count / 2].Ratio:0.000}, p90 {ratios[ratios.Count * 9 / 10].Ratio:0.000}, p99 {ratios[ratios.Count * 99 / 100].Ratio:0.000}, most {ratios[^1].Ratio:0.000} (seeds {string.Join(' ', ratios.TakeLast(8).Select(one => one.Seed))})");
return 0;
