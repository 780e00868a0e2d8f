using System.Collections.Immutable;
using System.Globalization;
using Plimsoll.Cli.FleetFiles;

namespace Plimsoll.Cli.Weighing;

/// <summary>A fit for people: the terms as bars against the budget.</summary>
public static class FitTable
{
    private const string Outside = "outside it";

    public static IEnumerable<string> Lines(FitListing fit)
    {
        ArgumentNullException.ThrowIfNull(fit);
        var (variant, device) = (fit.Variant, fit.PerDevice);
        yield return Show.Text(fit.Source, 400);
        var asked = $"on {Shape(variant)}, {variant.Engine} {variant.EngineVersion}, {EightyColumns.Count(variant.Concurrency)} × {EightyColumns.Count(variant.Context)} tokens, {Memory(variant)}";
        foreach (var line in EightyColumns.Hung(asked, "  ", "  ")) yield return line;
        yield return "";
        foreach (var line in EightyColumns.Hung((fit.Fits ? "fits: " : "DOES NOT FIT: ") + fit.Reason)) yield return line;
        foreach (var change in fit.Failure?.Changes.Skip(1).Take(4) ?? []) yield return "  or with " + Show.Text(change, 200);
        yield return "";
        yield return fit.Stages is { Length: > 1 } stages
            ? $"each device of stage {device.Stage + 1} of {stages.Length}, the fullest ({device.Layers} layers)"
            : variant.Devices > 1 ? $"each of the {variant.Devices} devices" : "the device";
        var terms = device.Terms.Where(term => term.Bytes > 0).Select(term => term with { Term = Named(term.Term) }).ToList();
        var (inside, outside) = (terms.Where(term => term.Term != Outside).ToList(), terms.Find(term => term.Term == Outside));
        foreach (var line in EightyColumns.Terms(inside, device.BudgetBytes)) yield return line;
        yield return EightyColumns.Total(device.TotalBytes, device.BudgetBytes)
            + (device.HeadroomBytes < 0 ? $", {new Bytes(-device.HeadroomBytes)} too much" : $", {new Bytes(device.HeadroomBytes)} left");
        if (outside is not null)
        {
            foreach (var line in EightyColumns.Hung(outside.From, $"  {Outside,-12}{new Bytes(outside.Bytes),10}  ", new string(' ', 26))) yield return line;
        }

        yield return "";
        foreach (var line in EightyColumns.Rules(inside)) yield return line;
        yield return "";
        if (fit.KvBytesPerToken > 0)
        {
            yield return $"  room for {EightyColumns.Count(fit.KvTokens)} tokens: {EightyColumns.Count(fit.MaxConcurrency)} "
                + $"{(fit.MaxConcurrency == 1 ? "sequence" : "sequences")} of {EightyColumns.Count(variant.Context)}";
            if (fit.MaxConcurrency * (decimal)variant.Context > fit.KvTokens)
                yield return "    (the engine counts a token in every layer; those with a window keep fewer)";
        }

        yield return $"  host memory {new Bytes(fit.HostLoadPeakBytes)} while loading, {new Bytes(fit.HostSteadyBytes)} after; "
            + $"disk {new Bytes(fit.Storage.PeakBytes)} at most";
        foreach (var line in fit.Notes.SelectMany(note => EightyColumns.Hung(note, "  ", "  "))) yield return line;
    }

    private static string Named(string term) => term switch { "kv" => "KV cache", "outside" => Outside, _ => term };

    public static IEnumerable<string> Lines(string source, ServingVariant variant, ImmutableArray<ShapeListing> shapes)
    {
        ArgumentNullException.ThrowIfNull(variant);
        yield return Show.Text(source, 400);
        yield return $"the fewest devices that hold it: {variant.Engine.Name} {variant.Engine.Version}, {EightyColumns.Count(variant.Concurrency)} × "
            + $"{(variant.Context > 0 ? EightyColumns.Count(variant.Context) + " tokens" : "its longest context")}";
        yield return "";
        var caches = shapes.Any(shape => shape.KvTokens > 0);
        yield return $"{"device",-22}{"shape",12}{"each",11}{"of",11}{"KV tokens",13}{"$/h",9}";
        foreach (var shape in shapes.Where(one => one.Fits).OrderBy(one => one.UsdPerHour ?? double.MaxValue)
            .ThenBy(one => one.Devices).ThenBy(one => one.Device, StringComparer.Ordinal))
        {
            var split = shape.Devices == 1 ? "1"
                : shape.PipelineParallel == 1 ? $"tp {shape.TensorParallel}" : $"tp {shape.TensorParallel} pp {shape.PipelineParallel}";
            yield return $"{EightyColumns.Cut(shape.Device, 22),-22}{split,12}{new Bytes(shape.TotalBytes!.Value),11}{new Bytes(shape.BudgetBytes!.Value),11}"
                + $"{(caches ? EightyColumns.Count(shape.KvTokens!.Value) : "-"),13}{(shape.UsdPerHour is { } price ? price.ToString("0.00", CultureInfo.InvariantCulture) : "-"),9}";
        }

        yield return "";
        yield return "$/h: these devices' part of the machine, of those that have as many the cheapest";
        yield return "by device (plimsoll devices --instances lists them)";
        yield return "by memory alone: whether the engine runs on a device at all is not judged";
        var none = shapes.Where(one => !one.Fits).Select(one => one.Device).Order(StringComparer.Ordinal).ToList();
        if (none.Count == 0) yield break;
        foreach (var line in EightyColumns.Hung("on none: " + string.Join(", ", none), charactersMax: int.MaxValue)) yield return line;
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
        if (variant.DataParallel is { } copies) split.Add($"dp {copies}");
        if (variant.ExpertParallel > 1) split.Add($"ep {variant.ExpertParallel}");
        return $"{variant.Devices} × {variant.Device} ({string.Join(", ", split)})";
    }
}
