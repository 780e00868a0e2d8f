using System.Globalization;
using Plimsoll.Cli.FleetFiles;

namespace Plimsoll.Cli.Weighing;

/// <summary>A footprint for people: the parts as bars, each number with how sure it is.</summary>
public static class InspectTable
{
    private const int BarColumns = 24;
    private const string NotKnown = "not known";

    public static IEnumerable<string> Lines(InspectReport report)
    {
        ArgumentNullException.ThrowIfNull(report);
        yield return Show.Text(report.Source, 400);
        foreach (var line in EightyColumns.Hung(string.Join(" · ", Facts(report)), "  ", "  ")) yield return line;
        yield return "";
        foreach (var (name, value, number) in Numbers(report))
            yield return $"  {name,-22}{value,20}  {(From(report, number) is { } from && value != NotKnown ? from.Certainty : "")}".TrimEnd();
        foreach (var line in Parts("by part", report.Components.Select(part => (part.Component, part.WeightBytes, part.Parameters ?? 0))))
            yield return line;
        foreach (var line in Parts("by dtype", report.ByDtype.Select(dtype => (dtype.Dtype, dtype.WeightBytes, 0L))))
            yield return line;
        foreach (var line in Sources(report)) yield return line;
        if (report.Notes.Length > 0) yield return "";
        foreach (var line in report.Notes.SelectMany(note => EightyColumns.Hung(note))) yield return line;
    }

    private static IEnumerable<string> Facts(InspectReport report)
    {
        if (report.Architecture is { } architecture) yield return Show.Text(architecture, 80);
        if (report.Task is { } task) yield return task;
        yield return FormatName(report.Format);
        if (report.Quantization is { } quantization && quantization != report.Format) yield return Show.Text(quantization, 40);
        if (report.Layers is > 0 and var layers) yield return $"{EightyColumns.Count(layers)} layers";
        if (report.MaxPositions is { } positions) yield return $"{EightyColumns.Count(positions)} positions";
        yield return report.Files == 1 ? "1 file" : $"{EightyColumns.Count(report.Files)} files";
    }

    private static string FormatName(string format) => format switch
    {
        "gguf" => "GGUF",
        "onnx" => "ONNX",
        "hugging-face" => "Hugging Face",
        "py-torch" => "PyTorch",
        "tensor-rt" => "TensorRT plan",
        "triton-repository" => "Triton repository",
        "lora" => "LoRA adapter",
        "diffusers" => "diffusion pipeline",
        "unknown" => "unknown format",
        _ => format,
    };

    private static IEnumerable<(string Name, string Value, string Number)> Numbers(InspectReport report)
    {
        yield return ("parameters", report.Parameters is { } all ? EightyColumns.Count(all) : NotKnown, "parameters");
        if (report.ActiveParameters is { } active && active != report.Parameters)
            yield return ("active per token", EightyColumns.Count(active), "activeParameters");
        yield return ("weights", new Bytes(report.WeightBytes).ToString(), "weightBytes");
        yield return ("on disk", new Bytes(report.DiskBytes).ToString(), "diskBytes");
        if (report.LargestTensorBytes is { } largest)
            yield return ("largest tensor", new Bytes(largest).ToString(), "largestTensorBytes");
        if (report.KvBytesPerToken is { } perToken and > 0)
            yield return ("KV cache per token", new Bytes(perToken).ToString(), "kvBytesPerToken");
        if (report.StateBytesPerSequence > 0)
            yield return ("state per sequence", new Bytes(report.StateBytesPerSequence).ToString(), "stateBytesPerSequence");
        if (report.ActivationBytes is { } activation) yield return ("activation peak", new Bytes(activation).ToString(), "activationBytes");
        if (report.OverheadBytes is { } overhead) yield return ("runtime overhead", new Bytes(overhead).ToString(), "overheadBytes");
        if (report.HostLoadPeakBytes is { } peak)
            yield return ("host, while loading", new Bytes(peak).ToString(), "hostLoadPeakBytes");
        if (report.HostSteadyBytes is { } steady)
            yield return ("host, once loaded", new Bytes(steady).ToString(), "hostSteadyBytes");
        if (report.TrainingCheckpointBytes is { } checkpoint)
            yield return ("training checkpoint", new Bytes(checkpoint).ToString(), "trainingCheckpointBytes");
    }

    private static ProvenanceListing? From(InspectReport report, string number) => report.Provenance.FirstOrDefault(one => one.Number == number);

    // By what rule each number was come by; those of one rule in one line.
    private static IEnumerable<string> Sources(InspectReport report)
    {
        var shown = Numbers(report).Where(one => one.Value != NotKnown).Select(one => (one.Name, From: From(report, one.Number))).Where(one => one.From is not null)
            .GroupBy(one => (one.From!.Certainty, one.From.From)).ToList();
        if (shown.Count > 0) yield return "";
        foreach (var group in shown)
        {
            var names = string.Join(", ", group.Select(one => one.Name));
            foreach (var line in EightyColumns.Hung($"{group.Key.Certainty}: {names}: {group.Key.From}", "", "  ")) yield return line;
        }
    }

    private static IEnumerable<string> Parts(string title, IEnumerable<(string Name, long Bytes, long Parameters)> parts)
    {
        var ordered = parts.OrderByDescending(part => part.Bytes).ThenBy(part => part.Name, StringComparer.Ordinal).ToList();
        var total = ordered.Sum(part => part.Bytes);
        if (ordered.Count == 0 || total <= 0) yield break;
        yield return "";
        yield return title;
        foreach (var (name, bytes, parameters) in ordered)
        {
            var share = bytes / (double)total;
            var count = parameters > 0 ? Rounded(parameters) : "";
            yield return $"  {EightyColumns.Cut(Show.Text(name, 40), 16),-17}{new Bytes(bytes),10}{count,9} {EightyColumns.Percent(share, "P1"),6}  {Bars.Of(share, BarColumns)}";
        }
    }

    /// <summary>"8.03 B", "124 M": three significant digits, as model cards say it.</summary>
    public static string Rounded(long parameters)
    {
        var (value, unit) = parameters switch
        {
            >= 1_000_000_000_000 => (parameters / 1e12, "T"),
            >= 1_000_000_000 => (parameters / 1e9, "B"),
            >= 1_000_000 => (parameters / 1e6, "M"),
            >= 1_000 => (parameters / 1e3, "K"),
            _ => (parameters, ""),
        };
        var format = unit.Length == 0 || value >= 99.95 ? "0" : value >= 9.995 ? "0.0" : "0.00";
        return (value.ToString(format, CultureInfo.InvariantCulture) + " " + unit).TrimEnd();
    }
}
