using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using Plimsoll.Cli.Load.Sending;
using Plimsoll.Cli.Load.Traces;
using Plimsoll.Simulation.Traces;

namespace Plimsoll.Cli.Load;

/// <summary>One run of <c>plimsoll load</c>: look the models up, send the schedule, report.</summary>
public static class LoadRun
{
    private const int MostModels = 1000;

    /// <returns>0 when something was answered with success, 1 when nothing was, 2 for bad input.</returns>
    public static async Task<int> RunAsync(
        LoadArguments arguments, TextWriter output, TextWriter error, TimeProvider time, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(arguments);
        try
        {
            return await RunCheckedAsync(arguments, output, error, time, cancellationToken).ConfigureAwait(false);
        }
        catch (TraceException problem)
        {
            await error.WriteLineAsync($"plimsoll load: {problem.Message}").ConfigureAwait(false);
            return 2;
        }
    }

    private static async Task<int> RunCheckedAsync(
        LoadArguments arguments, TextWriter output, TextWriter error, TimeProvider time, CancellationToken cancellationToken)
    {
        if (arguments.Problem is { } problem) return await RefuseAsync(error, problem, 2).ConfigureAwait(false);
        var (models, longest) = Survey(arguments);
        var options = new SendingOptions
        {
            Gateway = arguments.Url,
            MaxInFlight = arguments.MaxInFlight,
            Timeout = arguments.Timeout,
            Seed = arguments.Seed,
            ApiKey = Environment.GetEnvironmentVariable("PLIMSOLL_API_KEY") is { Length: > 0 } key ? key : null,
        };
        var notes = ImmutableArray.CreateBuilder<string>();
        notes.AddRange(Notes(arguments, longest));
        var inputs = new Dictionary<ModelId, ModelInputs>();
        foreach (var model in models)
        {
            var found = await ModelLookup.AskAsync(options, model, time, cancellationToken).ConfigureAwait(false);
            if (found.Inputs is null) return await RefuseAsync(error, found.Note!, 1).ConfigureAwait(false);
            if (found.Note is not null) notes.Add(found.Note);
            if (found.Inputs.Problem(arguments.SequenceLength) is { } tooMuch)
                return await RefuseAsync(error, $"'{model}': {tooMuch}", 2).ConfigureAwait(false);
            inputs[model] = found.Inputs;
        }

        var recorder = new LoadRecorder(_ => arguments.Slo);
        using var generator = new LoadGenerator(options, inputs, time);
        var took = await generator.RunAsync(Schedule(arguments), recorder.Record, cancellationToken).ConfigureAwait(false);
        var report = recorder.Report(arguments.Url.ToString(), arguments.Seed, took, arguments.Slo, notes.ToImmutable());
        if (report.All.Due == 0 && !cancellationToken.IsCancellationRequested)
        {
            return await RefuseAsync(
                error, "no request was due in that time; a longer --duration, a higher rate or another --seed would do", ExitCode.Failed)
                .ConfigureAwait(false);
        }

        if (arguments.Json)
        {
            await output.WriteLineAsync(JsonSerializer.Serialize(report, LoadJson.Default.LoadReport)).ConfigureAwait(false);
        }
        else
        {
            foreach (var line in LoadTable.Lines(report)) await output.WriteLineAsync(line).ConfigureAwait(false);
        }

        return report.All.Succeeded > 0 ? 0 : 1;
    }

    /// <summary>The requests that are to be sent; lazy, and the same at each call.</summary>
    public static IEnumerable<ScheduledRequest> Schedule(LoadArguments arguments)
    {
        ArgumentNullException.ThrowIfNull(arguments);
        return arguments.Trace is { } file
            ? Schedules.Replay(
                TraceReader.Read(file), (_, request) => ModelFor(arguments, request), arguments.SpeedUp,
                arguments.KeepOneIn, arguments.SequenceLength, arguments.Duration ?? TimeSpan.MaxValue, arguments.Seed)
            : Schedules.Poisson(
                ModelId.Of(arguments.Model!), arguments.RatePerSecond!.Value, arguments.Duration ?? TimeSpan.FromSeconds(30),
                arguments.SequenceLength, arguments.Seed);
    }

    // A broken line at the end of a trace must show before the first request, not after an hour: it is read twice.
    private static (IReadOnlyCollection<ModelId> Models, int LongestTokens) Survey(LoadArguments arguments)
    {
        if (arguments.Trace is not { } file) return ([ModelId.Of(arguments.Model!)], arguments.SequenceLength);
        var models = new SortedSet<ModelId>();
        var longest = 0;
        foreach (var request in TraceReader.Read(file))
        {
            models.Add(ModelFor(arguments, request));
            if (models.Count > MostModels) throw new TraceException(file, 0, $"names more than {MostModels} models");
            longest = Math.Max(longest, request.Tokens);
        }

        return (models, longest);
    }

    private static ModelId ModelFor(LoadArguments arguments, TraceRequest request) =>
        ModelId.Of(arguments.Model ?? request.Model
            ?? throw new TraceException(arguments.Trace!, 0, "names no models; say with --model NAME where its requests go"));

    private static IEnumerable<string> Notes(LoadArguments arguments, int longestTokens)
    {
        if (arguments.Trace is null) yield break;
        var text = $"Trace {arguments.Trace} at {arguments.SpeedUp.ToString("0.##", CultureInfo.InvariantCulture)} times its speed";
        yield return arguments.KeepOneIn > 1 ? $"{text}, 1 request in {arguments.KeepOneIn} kept (seed {arguments.Seed})." : text + ".";
        if (longestTokens > arguments.SequenceLength)
            yield return $"Sizes above {arguments.SequenceLength} tokens were cut to it (the trace's longest: {longestTokens}).";
    }

    private static async Task<int> RefuseAsync(TextWriter error, string sentence, int exitCode)
    {
        await error.WriteLineAsync($"plimsoll load: {sentence}").ConfigureAwait(false);
        return exitCode;
    }
}
