using System.Globalization;
using Plimsoll.Cli.FleetFiles;
using Plimsoll.Simulation.Plans;
using Plimsoll.Simulation.Traces;

namespace Plimsoll.Cli.Plans;

/// <summary>Demand and counts as they are written on the command line or in a file.</summary>
internal static class DemandText
{
    private const int EntriesMax = 20_000;
    private const double RateMax = 1e6;
    private const int NodesMax = 10_000;
    private const string Form = "llama=4,encoder=30..80 (requests a second, or the mean and the peak), or a CSV file of model,rate,peak";

    /// <summary>Of models by name.</summary>
    /// <param name="text">MODEL=RATE,MODEL=RATE..PEAK, or a CSV file's path; null for none.</param>
    /// <exception cref="CommandException">It is none of these; the message says where.</exception>
    public static Dictionary<string, KnownDemand> Read(string? text)
    {
        var demand = new Dictionary<string, KnownDemand>(StringComparer.Ordinal);
        if (text is null) return demand;
        if (!text.Contains('=', StringComparison.Ordinal)) return ReadFile(text);
        foreach (var (name, value) in Pairs("--demand", text, Form))
        {
            var parts = value.Split("..", 2);
            if (!IsRate(parts[0], out var rate) || !IsRate(parts[^1], out var peak) || peak < rate)
                throw Wrong($"--demand of {Show.Text(name)} is \"{Show.Text(value)}\"; a rate such as 4, or 4..10 with the peak after the mean, would do");
            if (!demand.TryAdd(name, new KnownDemand(rate, peak))) throw Wrong($"--demand names {Show.Text(name)} twice");
        }

        return demand;
    }

    /// <summary>How many nodes there are of groups, by name: GROUP=COUNT,…</summary>
    /// <exception cref="CommandException">It is not.</exception>
    public static Dictionary<string, int> Nodes(string? text)
    {
        var nodes = new Dictionary<string, int>(StringComparer.Ordinal);
        if (text is null) return nodes;
        foreach (var (name, value) in Pairs("--nodes", text, "h100=4,l4=6"))
        {
            if (!int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var count) || count is < 1 or > NodesMax)
                throw Wrong($"--nodes of {Show.Text(name)} is \"{Show.Text(value)}\"; 1 to {NodesMax} would do");
            if (!nodes.TryAdd(name, count)) throw Wrong($"--nodes names {Show.Text(name)} twice");
        }

        return nodes;
    }

    private static IEnumerable<(string Name, string Value)> Pairs(string option, string text, string form)
    {
        foreach (var part in text.Split(','))
        {
            var at = part.IndexOf('=', StringComparison.Ordinal);
            if (at < 1 || at == part.Length - 1) throw Wrong($"{option} has \"{Show.Text(part)}\"; {form} would do");
            yield return (part[..at].Trim(), part[(at + 1)..].Trim());
        }
    }

    private static Dictionary<string, KnownDemand> ReadFile(string path)
    {
        if (!File.Exists(path)) throw Wrong($"--demand {Show.Text(path, 200)}: there is no such file; {Form} would do");
        var demand = new Dictionary<string, KnownDemand>(StringComparer.Ordinal);
        foreach (var (number, line) in BoundedLines.Read(path))
        {
            var text = number == 1 ? line.TrimStart('\uFEFF') : line;
            if (string.IsNullOrWhiteSpace(text)) continue;
            var fields = text.Split(',');
            if (number == 1 && fields[0].Trim() == "model") continue;
            var at = string.Create(CultureInfo.InvariantCulture, $"{Show.Text(path, 200)}:{number}");
            if (fields.Length is < 2 or > 3) throw Wrong($"{at}: found {fields.Length} fields; model,rate or model,rate,peak would do");
            if (!IsRate(fields[1].Trim(), out var rate)) throw Wrong($"{at}: rate: found \"{Show.Text(fields[1])}\"; requests a second from 0 to 1000000 would do");
            var peak = rate;
            if (fields.Length == 3 && (!IsRate(fields[2].Trim(), out peak) || peak < rate)) throw Wrong($"{at}: peak: found \"{Show.Text(fields[2])}\"; requests a second, no fewer than the rate, would do");
            if (!demand.TryAdd(fields[0].Trim(), new KnownDemand(rate, peak))) throw Wrong($"{at}: model: {Show.Text(fields[0].Trim())} is there a second time");
            if (demand.Count > EntriesMax) throw Wrong($"{at}: more than {EntriesMax} models");
        }

        return demand;
    }

    private static bool IsRate(string text, out double rate) =>
        double.TryParse(text, NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent, CultureInfo.InvariantCulture, out rate) && rate is >= 0 and <= RateMax;

    private static CommandException Wrong(string message) => new(ExitCode.BadInput, message);
}
