using System.Diagnostics;
using System.Globalization;
using System.Text;
using Plimsoll.Footprints.Memory;

namespace Plimsoll.Prediction.Loads;

/// <summary>Load times: priors against published ones, and what is learned from load after load.</summary>
internal static class LoadsCommand
{
    private static readonly (string Name, string File)[] Archives =
    [
        ("base models of a production fleet", "production_genai/basemodel_update_latency_anon.tar.gz"),
        ("pipelines of a production fleet", "production_genai/pipeline_update_latency_anon.tar.gz"),
    ];

    public static int Report(string page)
    {
        if (Folder() is not { } data) return Skipped();
        var text = new StringBuilder();
        var date = TimeProvider.System.GetUtcNow().ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);
        text.Append(CultureInfo.InvariantCulture, $"## Measured\n\n{date}, commit {Commit()}, {Environment.ProcessorCount} cores of a shared virtual machine, its disk virtual too; no GPU of our own. Written by `dotnet run --project bench/Plimsoll.Prediction -c Release -- loads`, with `PLIMSOLL_DATA` naming the folder of measurements.\n\n");
        text.Append("### Before anything was seen: stages and priors\n\n");
        PriorTables.Write(text, PublishedLoads.Read(data), [.. PublishedLoads.StartUps(data)]);
        Streams(text, data);
        MarkdownSection.Write(page, "load times", text.ToString());
        Console.Write(text);
        return 0;
    }

    /// <summary>What the rule was chosen by: the calibration containers, and synthetic streams of another seed than the page's.</summary>
    public static int Try()
    {
        if (Folder() is not { } data) return Skipped();
        var text = new StringBuilder(StreamTables.Header);
        foreach (var (name, file) in Archives)
        {
            var (calibration, _) = ProductionStreams.Read(Path.Combine(data, file));
            StreamTables.Write(text, name, calibration, _ => 10, "ten seconds");
        }

        for (var kind = 0; kind < SyntheticStreams.Kinds.Length; kind++)
            StreamTables.Write(text, SyntheticStreams.Kinds[kind].Name, SyntheticStreams.Draw(kind, SyntheticStreams.ChosenWith), _ => 10, "ten seconds");
        PriorTables.Write(text, PublishedLoads.Read(data), [.. PublishedLoads.StartUps(data)]);
        Console.Write(text);
        return 0;
    }

    private static void Streams(StringBuilder text, string data)
    {
        text.Append("\n### After five loads: what the next will take\n\nPinball losses are over the mean time of the stream; the least of each column is bold. The rules before were chosen by other streams than these.\n\n");
        text.Append(StreamTables.Header);
        var (floors, notMet) = (new List<string>(), new List<string>());
        void Set(string name, IReadOnlyList<LoadStream> streams, Func<LoadStream, double> nominalSeconds, string nominal)
        {
            notMet.AddRange(StreamTables.Write(text, name, streams, nominalSeconds, nominal));
            floors.Add(string.Create(CultureInfo.InvariantCulture, $"{name} {100 * StreamTables.Floor(streams):F1} %"));
        }

        var local = LocalLoads.Measure();
        double OverNominal(LoadStream stream) => stream.Size.Value / local.NominalBytesPerSecond;
        Set("local, from the disk", local.Cold, OverNominal, "nominal bandwidth");
        Set("local, page cache warm", local.Warm, OverNominal, "nominal bandwidth");
        Set("local, dropped or not by a coin", local.Mixed, OverNominal, "nominal bandwidth");
        for (var kind = 0; kind < SyntheticStreams.Kinds.Length; kind++)
        {
            var streams = SyntheticStreams.Draw(kind, SyntheticStreams.JudgedWith);
            Set($"synthetic, {SyntheticStreams.Kinds[kind].Name}", streams, stream => stream.Seconds.Take(StreamJudge.FirstJudged).Min(), "nominal: the least of the first five");
        }

        foreach (var (name, file) in Archives)
        {
            var (calibration, validation) = ProductionStreams.Read(Path.Combine(data, file));
            var typical = StreamJudge.Quantile(calibration.SelectMany(one => one.Seconds), 0.5);
            Set(name + ", the other half of its containers", validation, _ => typical, "nominal: the other half's median");
        }

        text.Append(CultureInfo.InvariantCulture, $"\nThe median error of a constant that knows the whole stream, its median, is what scatter leaves to anyone who is told no more: {string.Join("; ", floors)}.\n\n");
        text.Append("Aimed at, and not met:\n\n");
        foreach (var miss in notMet) text.Append(CultureInfo.InvariantCulture, $"- {miss}.\n");
        text.Append(CultureInfo.InvariantCulture, $"\nThe best cold load here read {local.NominalBytesPerSecond / 1e9:F2} GB/s, which stands for the nominal bandwidth. ");
        text.Append(CultureInfo.InvariantCulture, $"Memory was given back at {local.UnloadBytesPerSecond / 1e9:F1} GB/s (median).\n\n");
        text.Append("Cold loads at the same time, until the last is in memory: ");
        text.Append(string.Join("; ", local.Contended.Select(one => string.Create(CultureInfo.InvariantCulture, $"{one.Loads} of 256 MB take {one.Measured:F3} s, where sharing the bandwidth evenly says {one.Shared:F3} s"))));
        text.Append(".\n");
    }

    private static string? Folder()
    {
        var data = Environment.GetEnvironmentVariable("PLIMSOLL_DATA") ?? "../shared/data";
        return Directory.Exists(Path.Combine(data, "production_genai")) && Directory.Exists(Path.Combine(data, "loadtime")) ? data : null;
    }

    private static int Skipped()
    {
        Console.Error.WriteLine("skipped: no folders 'production_genai' and 'loadtime' under PLIMSOLL_DATA");
        return Environment.GetEnvironmentVariable("CI") == "true" ? 1 : 0;
    }

    private static string Commit()
    {
        using var git = Process.Start(new ProcessStartInfo("git", "rev-parse --short HEAD") { RedirectStandardOutput = true });
        return git!.StandardOutput.ReadToEnd().Trim();
    }
}
