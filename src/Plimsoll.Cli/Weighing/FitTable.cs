using System.Collections.Immutable;
using System.Globalization;
using Plimsoll.Cli.FleetFiles;
using Plimsoll.Cli.Fleets;

namespace Plimsoll.Cli.Weighing;

/// <summary>A fit for people: 80 columns, the terms as bars against the budget.</summary>
public static class FitTable
{
    private const int Width = 80;
    private const int BarColumns = 30;

    public static IEnumerable<string> Lines(FitListing fit, DeviceNeed worst)
    {
        ArgumentNullException.ThrowIfNull(fit);
        ArgumentNullException.ThrowIfNull(worst);
        var (variant, device) = (fit.Variant, fit.PerDevice);
        yield return $"{Show.Text(fit.Source, 400)}";
        foreach (var line in FleetTable.Wrap($"on {Shape(variant)}, {variant.Engine} {variant.EngineVersion}, {Count(variant.Concurrency)} × "
            + $"{Count(variant.Context)} tokens, {Memory(variant)}", Width - 2))
            yield return "  " + line;
        yield return "";
        foreach (var line in FleetTable.Wrap((fit.Fits ? "fits: " : "DOES NOT FIT: ") + Show.Text(fit.Reason, 600), Width)) yield return line;
        foreach (var change in fit.Failure?.Changes.Skip(1).Take(4) ?? []) yield return "  or with " + Show.Text(change, 200);
        yield return "";
        yield return fit.Stages is { Length: > 1 } stages
            ? $"each device of stage {device.Stage + 1} of {stages.Length}, the fullest ({device.Layers} layers)"
            : variant.Devices > 1 ? $"each of the {variant.Devices} devices" : "the device";
        var terms = new[] { ("weights", worst.Weights), ("KV cache", worst.Kv), ("activation", worst.Activation), ("overhead", worst.Overhead) };
        foreach (var (name, term) in terms.Where(one => one.Item2.Bytes.Value > 0)) yield return Term(name, term, device.BudgetBytes);
        var share = device.TotalBytes / (double)Math.Max(1, device.BudgetBytes);
        yield return $"  {"total",-12}{new Bytes(device.TotalBytes),10}  {share.ToString("P0", CultureInfo.InvariantCulture).Replace(" ", "", StringComparison.Ordinal)} of "
            + $"{new Bytes(device.BudgetBytes)}, {(device.HeadroomBytes < 0 ? $"{new Bytes(-device.HeadroomBytes)} too much" : $"{new Bytes(device.HeadroomBytes)} left")}";
        if (device.OutsideBytes > 0)
        {
            var beside = FleetTable.Wrap(Show.Text(worst.Outside.From, 200), Width - 26);
            foreach (var (line, n) in beside.Select((line, n) => (line, n)))
                yield return (n == 0 ? $"  {"outside it",-12}{new Bytes(device.OutsideBytes),10}  " : new string(' ', 26)) + line.TrimStart();
        }

        yield return "";
        foreach (var (name, term) in terms.Where(one => one.Item2.Bytes.Value > 0))
        {
            var lines = FleetTable.Wrap($"{name}: {Show.Text(term.From, 300)}", Width - 4);
            foreach (var (line, n) in lines.Select((line, n) => (line, n))) yield return (n == 0 ? "  " : "    ") + line;
        }

        yield return "";
        if (fit.KvBytesPerToken > 0)
        {
            yield return $"  room for {Count(fit.KvTokens)} tokens: {Count(fit.MaxConcurrency)} {(fit.MaxConcurrency == 1 ? "sequence" : "sequences")} of {Count(variant.Context)}";
            if (fit.MaxConcurrency * (decimal)variant.Context > fit.KvTokens)
                yield return "    (the engine counts a token in every layer; those with a window keep fewer)";
        }

        yield return $"  host memory {new Bytes(fit.HostLoadPeakBytes)} while loading, {new Bytes(fit.HostSteadyBytes)} after; "
            + $"disk {new Bytes(fit.Storage.PeakBytes)} at most";
        foreach (var note in fit.Notes)
        {
            foreach (var line in FleetTable.Wrap(Show.Text(note, 600), Width - 2)) yield return "  " + line;
        }
    }

    public static IEnumerable<string> Lines(string source, ServingVariant variant, ImmutableArray<ShapeListing> shapes)
    {
        ArgumentNullException.ThrowIfNull(variant);
        yield return Show.Text(source, 400);
        yield return $"the fewest devices that hold it: {variant.Engine.Name} {variant.Engine.Version}, {Count(variant.Concurrency)} × "
            + $"{(variant.Context > 0 ? Count(variant.Context) + " tokens" : "its longest context")}";
        yield return "";
        var caches = shapes.Any(shape => shape.KvTokens > 0);
        yield return $"{"device",-22}{"shape",12}{"each",11}{"of",11}{"KV tokens",13}{"$/h",9}";
        foreach (var shape in shapes.Where(one => one.Fits).OrderBy(one => one.UsdPerHour ?? double.MaxValue)
            .ThenBy(one => one.Devices).ThenBy(one => one.Device, StringComparer.Ordinal))
        {
            var split = shape.Devices == 1 ? "1"
                : shape.PipelineParallel == 1 ? $"tp {shape.TensorParallel}" : $"tp {shape.TensorParallel} pp {shape.PipelineParallel}";
            yield return $"{Cut(shape.Device, 22),-22}{split,12}{new Bytes(shape.TotalBytes!.Value),11}{new Bytes(shape.BudgetBytes!.Value),11}"
                + $"{(caches ? Count(shape.KvTokens!.Value) : "-"),13}{(shape.UsdPerHour is { } price ? price.ToString("0.00", CultureInfo.InvariantCulture) : "-"),9}";
        }

        yield return "";
        yield return "$/h: by the cheapest machine that plimsoll devices --instances lists";
        yield return "by memory alone: whether the engine runs on a device at all is not judged";
        var none = shapes.Where(one => !one.Fits).Select(one => one.Device).Order(StringComparer.Ordinal).ToList();
        if (none.Count == 0) yield break;
        foreach (var line in FleetTable.Wrap("on none: " + string.Join(", ", none), Width)) yield return line;
    }

    private static string Memory(VariantListing variant)
    {
        var parts = new List<string>();
        if (variant.QuantizeOnLoad is { } quantized) parts.Add($"quantised to {quantized}");
        if (variant.WeightDtype != "auto") parts.Add($"in {variant.WeightDtype}");
        if (variant.KvDtype != "auto") parts.Add($"KV cache in {variant.KvDtype}");
        var fraction = variant.MemoryFraction.ToString("0.###", CultureInfo.InvariantCulture);
        var share = variant.MemoryShare.ToString("0.###", CultureInfo.InvariantCulture);
        parts.Add(variant.MemoryShare >= 1 ? variant.MemoryFraction >= 1 ? "all of the memory" : $"{fraction} of the memory"
            : variant.MemoryFraction >= 1 ? $"a share of {share} of the memory" : $"{fraction} of a share of {share} of the memory");
        return string.Join(", ", parts);
    }

    private static string Shape(VariantListing variant)
    {
        if (variant.Devices == 1) return $"one {variant.Device}";
        var split = new List<string> { $"tp {variant.TensorParallel}" };
        if (variant.PipelineParallel > 1) split.Add($"pp {variant.PipelineParallel}");
        if (variant.ExpertParallel > 1) split.Add($"ep {variant.ExpertParallel}");
        return $"{variant.Devices} × {variant.Device} ({string.Join(", ", split)})";
    }

    private static string Term(string name, MemoryTerm term, long budget) =>
        $"  {name,-12}{term.Bytes,10}  {Bars.Of(term.Bytes.Value / (double)Math.Max(1, budget), BarColumns),-BarColumns}  {ScalarKind.NameOf(term.Certainty)}";

    private static string Cut(string text, int columns) => text.Length <= columns ? text : text[..(columns - 1)] + "…";

    private static string Count(long n) => n.ToString("#,0", CultureInfo.InvariantCulture);
}
