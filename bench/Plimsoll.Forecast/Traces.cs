using System.Globalization;
using System.IO.Compression;
using System.Text.Json;

namespace Plimsoll.Forecast;

/// <summary>Reads the traces into series.</summary>
internal static class Traces
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    /// <summary>Null, and a line on standard error, where the folder is missing.</summary>
    public static List<Series>? Read(string dataFolder)
    {
        var traces = Path.Combine(dataFolder, "traces");
        if (!Directory.Exists(traces))
        {
            Console.Error.WriteLine($"no traces/ under {dataFolder}; PLIMSOLL_DATA names the folder that holds it");
            return null;
        }

        return
        [
            Hour("azure code", Part.Tuning, Azure(Path.Combine(traces, "azure_llm_2023_code.csv"))),
            Hour("azure conv", Part.HeldBack, Azure(Path.Combine(traces, "azure_llm_2023_conv.csv"))),
            Hour("mooncake", Part.HeldBack, Mooncake(Path.Combine(traces, "mooncake_conversation.jsonl"))),
            .. Clients(dataFolder, "m-small", "language__m-small", 12, rank => rank % 2 == 0 ? Part.Tuning : Part.HeldBack, whole: false),
            .. Clients(dataFolder, "m-mid", "language__m-mid", 10, _ => Part.HeldBack, whole: true),
            .. Clients(dataFolder, "deepseek-r1", "reason__deepseek-r1", 4, _ => Part.HeldBack, whole: true),
        ];
    }

    private static Series Hour(string name, Part part, IEnumerable<double> arrivalSeconds)
    {
        var at = arrivalSeconds.Order().ToArray();
        var rates = new double[(int)(at[^1] - at[0]) + 1];
        foreach (var second in at) rates[(int)(second - at[0])]++;
        return new Series("hours, 1 s", name, part, Second, 1, 600, rates);
    }

    private static IEnumerable<double> Azure(string file) => File.ReadLines(file).Skip(1).Select(line =>
        DateTime.Parse(line[..line.IndexOf(',', StringComparison.Ordinal)], CultureInfo.InvariantCulture).Ticks / (double)TimeSpan.TicksPerSecond);

    private static IEnumerable<double> Mooncake(string file) => File.ReadLines(file).Select(line =>
    {
        using var row = JsonDocument.Parse(line);
        return row.RootElement.GetProperty("timestamp").GetInt64() / 1000.0;
    });

    /// <summary>Clients of one ServeGen trace, the busiest first: arrivals a second in buckets of 10 min.</summary>
    public static (int Client, List<double> Rates)[] Ranked(string dataFolder, string file)
    {
        using var packed = File.OpenRead(Path.Combine(dataFolder, "traces", "servegen", file + "__client_rates.csv.gz"));
        using var reader = new StreamReader(new GZipStream(packed, CompressionMode.Decompress));
        reader.ReadLine();
        var clients = new SortedDictionary<int, List<double>>();
        while (reader.ReadLine() is { } line)
        {
            var fields = line.Split(',');
            var client = int.Parse(fields[0], CultureInfo.InvariantCulture);
            if (!clients.TryGetValue(client, out var rates)) clients[client] = rates = [];
            rates.Add(double.Parse(fields[2], CultureInfo.InvariantCulture));
        }

        return [.. clients.OrderByDescending(one => one.Value.Sum()).ThenBy(one => one.Key).Select(one => (one.Key, one.Value))];
    }

    // The busiest clients, each taken for a model of its own; and all clients together where the whole is asked for.
    private static IEnumerable<Series> Clients(
        string dataFolder, string group, string file, int count, Func<int, Part> part, bool whole)
    {
        var ranked = Ranked(dataFolder, file);
        for (var rank = 0; rank < count; rank++)
            yield return Days(group, $"{group} client {ranked[rank].Client}", part(rank + 1), ranked[rank].Rates);
        if (!whole) yield break;

        // Summed in the order of their names, so that the sum is the same to the last bit.
        var clients = ranked.OrderBy(one => one.Client).Select(one => one.Rates).ToArray();
        var buckets = clients.Min(rates => rates.Count);
        yield return Days(group, $"{group}, all clients", part(0),
            [.. Enumerable.Range(0, buckets).Select(i => clients.Sum(rates => rates[i]))]);
    }

    private static Series Days(string group, string name, Part part, List<double> rates) => new(
        $"{group}, 10 min", name, part, TimeSpan.FromMinutes(10), rates.Count > 288 ? 144 : 1, rates.Count > 288 ? 288 : 36, [.. rates]);
}
