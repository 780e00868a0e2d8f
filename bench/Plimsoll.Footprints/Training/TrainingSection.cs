using System.Globalization;

namespace Plimsoll.Footprints.Training;

/// <summary>
/// The training part of docs/benchmarks/footprint.md: the rows of memory/training_memory_measured.csv against what the
/// formulas give, by rows that were fitted on and rows that were not.
/// </summary>
internal static class TrainingSection
{
    /// <param name="data">The folder of data.</param>
    /// <param name="weigh">A model's footprint by the name of its configuration.</param>
    public static IEnumerable<string> Lines(string data, Func<string, Footprint?> weigh)
    {
        var rows = TrainingRows.Read(Path.Combine(data, "memory", "training_memory_measured.csv"));
        var judged = rows.Select(row => Judged.Of(row, weigh)).ToList();
        var measured = judged.Where(one => one is { ErrorPercent: not null }).ToList();

        yield return "## Training";
        yield return "";
        yield return "Measured peaks of public fine-tuning and pre-training runs against what the formulas give for the same settings.";
        yield return "lit-gpt's and torchtune's numbers are what PyTorch had allocated, torchtitan's what its allocator held; the prediction";
        yield return "is of the same kind and in the row's own unit.";
        yield return "";
        yield return Summary("validation", measured);
        yield return Summary("calibration", measured);
        foreach (var source in measured.GroupBy(one => one.Row.Program).OrderBy(group => group.Key, StringComparer.Ordinal))
            yield return Summary($"validation, {source.Key}", [.. source]);
        yield return "";
        yield return "Fitted on calibration rows: an eager RMS norm keeps two copies of its input (lit-gpt's LLaMA-Adapter rows of Llama 2:";
        yield return "19.98 GB leave 38 to 39 × hidden bytes a token and layer, of which 34 are the other tensors), a loss compiled with the head keeps";
        yield return "4 bytes a logit (the H200 rows), and the allocator holds 2 % more than is in use (the context-parallel rows). All else is";
        yield return "derived from the tensors that automatic differentiation saves. That lit-gpt's FSDP leaves frozen weights gathered was";
        yield return "seen on the sharded rows themselves, which are validation rows; it has no coefficient.";
        yield return "";
        yield return "| run | micro-batch × tokens | measured | predicted | error | split |";
        yield return "| --- | --- | ---: | ---: | ---: | --- |";
        foreach (var one in measured)
        {
            yield return Text($"| {one.Row.Name} | {one.Run!.MicroBatch} × {one.Run.Sequence} | {one.Row.Peak:0.0#} {one.Row.Unit} | {one.Predicted!.Value:0.0#} | {one.ErrorPercent!.Value:+0.0;-0.0} % | {one.Row.Split} |");
        }

        yield return "";
        yield return "### Runs that ran out of memory";
        yield return "";
        var ranOut = judged.Where(one => one.Row.RanOut).ToList();
        var falseFits = ranOut.Where(one => one.Report is { Fits: true }).ToList();
        yield return Text($"{ranOut.Count} rows ran out of memory; {falseFits.Count} of them would fit by the formulas{(falseFits.Count == 0 ? "" : ": " + string.Join("; ", falseFits.Select(one => one.Row.Name)))}.");
        var refused = measured.Where(one => !one.Report!.Fits).ToList();
        yield return Text($"{measured.Count} rows ran; {refused.Count} of them would be refused{(refused.Count == 0 ? "" : ": " + string.Join("; ", refused.Select(one => one.Row.Name)))}.");
        yield return "";
        yield return "| run | needs, by the formulas | has | fails on |";
        yield return "| --- | ---: | ---: | --- |";
        foreach (var one in ranOut)
            yield return $"| {one.Row.Name} | {one.Report?.PerDevice.Total} | {one.Report?.PerDevice.Budget} | {one.Report?.Failure?.Term ?? "nothing: a false fit"} |";

        yield return "";
        yield return "### Undetermined";
        yield return "";
        foreach (var group in judged.Where(one => one.Undetermined is not null).GroupBy(one => one.Undetermined!))
            yield return $"- {string.Join("; ", group.Select(one => one.Row.Name))}: {group.Key}.";
    }

    private static string Summary(string name, IReadOnlyCollection<Judged> rows)
    {
        var split = name.Split(',')[0];
        var errors = rows.Where(one => one.Row.Split == split).Select(one => Math.Abs(one.ErrorPercent!.Value)).Order().ToList();
        if (errors.Count == 0) return $"- {name}: no row";
        var median = errors.Count % 2 == 1 ? errors[errors.Count / 2] : (errors[errors.Count / 2 - 1] + errors[errors.Count / 2]) / 2;
        return Text($"- {name}: n = {errors.Count}, median error {median:0.0} %, worst {errors[^1]:0.0} %");
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}

/// <summary>A row with what the formulas say of it, or why they can't.</summary>
internal sealed record Judged(TrainingRow Row, TrainingRun? Run, TrainReport? Report, double? Predicted, string? Undetermined)
{
    public double? ErrorPercent => Row.Peak is { } peak && Predicted is { } predicted ? 100 * (predicted / peak - 1) : null;

    public static Judged Of(TrainingRow row, Func<string, Footprint?> weigh)
    {
        var (model, run, why) = MeasuredRuns.Of(row);
        if (run is null) return new(row, null, null, null, why);
        if (weigh(model!) is not { } footprint) return new(row, null, null, null, $"the configuration of {model} is not at hand");
        var report = TrainFit.Of(footprint, run);
        var need = report.PerDevice;
        // What a trainer counts: allocated, or reserved by its allocator; never the context or the collectives.
        var counted = row.Program != "torchtitan" ? need.Allocated.Value
            : need.Allocated.Value + TrainFit.AllocatorShare * (need.Activations.Bytes.Value + need.Logits.Bytes.Value + need.Buffers.Bytes.Value);
        return new(row, run, report, row.Peak is null ? null : counted / (row.Unit == "GB" ? 1e9 : 1L << 30), null);
    }
}
