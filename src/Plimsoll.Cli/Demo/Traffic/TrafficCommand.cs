using System.Collections.Immutable;
using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Plimsoll.Cli.Load.Traces;
using Plimsoll.Simulation.Traces;

namespace Plimsoll.Cli.Demo.Traffic;

/// <summary>
/// The hidden command <c>plimsoll traffic</c>: <c>fit FOLDER</c> makes the data file the demo's traffic comes from,
/// <c>check</c> says how close streams made from it are to what was measured.
/// </summary>
public static class TrafficCommand
{
    private const int Seeds = 50;

    private static readonly TimeSpan Half = TimeSpan.FromMinutes(30);

    public static Command Create(TimeProvider time)
    {
        var folder = new Argument<string>("FOLDER") { Description = "Holds azure_llm_2023_code.csv and azure_llm_2023_conv.csv" };
        var fit = new Command("fit", "Fit the demo's traffic to the first half hour of the Azure LLM 2023 traces") { folder };
        fit.SetAction(parsed => Fit(parsed.GetRequiredValue(folder), time, parsed.InvocationConfiguration));
        var check = new Command("check", "Compare made-up streams with the measured half hours");
        check.SetAction(parsed =>
        {
            foreach (var stream in TrafficFitFile.Embedded.Streams)
                foreach (var line in Compare(stream)) parsed.InvocationConfiguration.Output.WriteLine(line);
        });
        return new Command("traffic", "Fit and check the demo's traffic") { Hidden = true, Subcommands = { fit, check } };
    }

    /// <summary>Rows of moments: the fitted half hour, the held-out one, and the median and range of many seeds.</summary>
    public static IEnumerable<string> Compare(FittedStream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        var made = Enumerable.Range(1, Seeds)
            .Select(seed => StreamMoments.Of(stream.Model.Requests((ulong)seed), TimeSpan.Zero, Half)).ToList();
        yield return $"{stream.Model.Name,-20}{"fitted on",10}{"held out",10}{"made",10}{"p10",10}{"p90",10}";
        yield return Row("requests/s", m => m.PerSecond);
        yield return Row("gap CV", m => m.GapCv);
        yield return Row("dispersion, 10 s", m => m.Dispersion10);
        yield return Row("dispersion, 60 s", m => m.Dispersion60);
        yield return Row("share of empty 10 s", m => m.Empty10);
        yield return Row("tokens, mean", m => m.TokensMean);
        yield return Row("tokens, median", m => m.Tokens50);
        yield return Row("tokens, p90", m => m.Tokens90);

        string Row(string name, Func<StreamMoments, double> of)
        {
            var values = made.Select(of).Order().ToList();
            return $"{name,-20}{Show(of(stream.FittedOn))}{Show(of(stream.CheckedOn))}{Show(QuantileTable.QuantileOf(values, 0.5))}"
                + $"{Show(QuantileTable.QuantileOf(values, 0.1))}{Show(QuantileTable.QuantileOf(values, 0.9))}";
        }

        static string Show(double value) =>
            value.ToString(value >= 100 ? "0" : value >= 10 ? "0.0" : "0.00", CultureInfo.InvariantCulture).PadLeft(10);
    }

    private static int Fit(string folder, TimeProvider time, InvocationConfiguration console)
    {
        try
        {
            var file = new TrafficFitFile
            {
                Source = "Azure/AzurePublicDataset, AzureLLMInferenceTrace 2023 (code and conv), one hour each",
                Licence = "CC-BY-4.0; these are parameters fitted to it, not its rows",
                Fitted = time.GetUtcNow().ToString("yyyy-MM-dd", CultureInfo.InvariantCulture),
                Note = "Fitted on the first half hour, checked on the second. Made by: plimsoll traffic fit FOLDER",
                Streams = [Stream("code", folder), Stream("conv", folder)],
            };
            console.Output.WriteLine(JsonSerializer.Serialize(file, TrafficJson.Default.TrafficFitFile));
            return 0;
        }
        catch (TraceException problem)
        {
            console.Error.WriteLine($"plimsoll traffic: {problem.Message}");
            return 2;
        }
    }

    private static FittedStream Stream(string name, string folder)
    {
        var requests = TraceReader.Read(Path.Combine(folder, $"azure_llm_2023_{name}.csv")).ToImmutableArray();
        return new FittedStream(
            StreamFit.Fit(name, requests, Half), StreamMoments.Of(requests, TimeSpan.Zero, Half),
            StreamMoments.Of(requests, Half, requests[^1].At));
    }
}
