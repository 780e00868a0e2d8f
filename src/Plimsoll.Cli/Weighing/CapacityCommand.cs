using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Plimsoll.Cli.Commands;

namespace Plimsoll.Cli.Weighing;

/// <summary>The command <c>plimsoll capacity</c>: how many requests a second replicas carry within an objective.</summary>
public static class CapacityCommand
{
    public static Command Create(TimeProvider time)
    {
        var source = SourceWeigher.Argument();
        source.Arity = ArgumentArity.ZeroOrOne;
        var profile = new Option<string?>("--profile") { Description = "In place of SOURCE, of a model that answers at once: how long batches take, such as 1=8ms,8=18ms,32=52ms", HelpName = "TIMES" };
        var options = new FitOptions();
        var slo = new Option<string>("--slo") { Description = "Such as ttft-p95=1s,tpot-p99=60ms,e2e-p90=20s", HelpName = "TERMS", Required = true };
        var lengths = new Option<string?>("--lengths") { Description = "A CSV of requests with their tokens in and out", HelpName = "TRACE" };
        var input = FitOptions.Number("--input-tokens", "Of each prompt, without a trace", "N", 10_000_000);
        var output = FitOptions.Number("--output-tokens", "Of each answer, without a trace", "N", 10_000_000);
        var replicas = FitOptions.Number("--replicas", "That share the requests (default 1)", "N", 1000);
        var json = StatusCommand.JsonOption();
        var command = new Command("capacity", "Say how many requests a second replicas carry within an objective") { source, profile, slo, lengths, input, output, replicas };
        options.AddTo(command);
        command.Add(json);
        command.SetAction((parsed, cancellationToken) =>
        {
            var (targets, writer) = (SloText.Parse(parsed.GetValue(slo)!), parsed.InvocationConfiguration.Output);
            if (parsed.GetValue(profile) is { } times)
            {
                if (parsed.GetValue(source) is not null) throw new CommandException(ExitCode.BadInput, "--profile says how long requests take; leave SOURCE out");
                if (command.Options.FirstOrDefault(option => option != profile && option != slo && option != replicas && option != json && parsed.GetResult(option) is { Implicit: false }) is { } beside)
                    throw new CommandException(ExitCode.BadInput, $"--profile says how long requests take; leave {beside.Name} out");
                var profiled = ProfiledCapacity.Of(ProfiledCapacity.Parse(times), targets, parsed.GetValue(replicas) ?? 1);
                if (parsed.GetValue(json)) writer.WriteLine(JsonSerializer.Serialize(profiled, CommandJson.Default.ProfiledCapacity));
                else foreach (var line in profiled.Lines()) writer.WriteLine(line);
                return Task.FromResult(profiled.RequestsPerSecond > 0 ? ExitCode.Ok : ExitCode.Refused);
            }

            if (parsed.GetValue(source) is null) throw new CommandException(ExitCode.BadInput, "SOURCE is missing; a model's file, folder or address would do, or --profile");
            if (parsed.GetValue(options.Device) is null) throw new CommandException(ExitCode.BadInput, "--device is missing; name one of plimsoll devices, such as h100-80gb");
            var (from, sample) = Lengths(parsed.GetValue(lengths), parsed.GetValue(input), parsed.GetValue(output));
            var variant = options.Variant(parsed, DevicesCommand.Open(parsed.GetValue(options.Catalogue)));
            var weighed = SourceWeigher.Weigh(parsed.GetValue(source)!, time, cancellationToken);
            var listing = Listing(weighed, variant, targets, from, sample, parsed.GetValue(replicas) ?? 1);
            if (parsed.GetValue(json)) writer.WriteLine(JsonSerializer.Serialize(listing, CommandJson.Default.CapacityListing));
            else foreach (var line in CapacityTable.Lines(listing)) writer.WriteLine(line);
            return Task.FromResult(listing.RequestsPerSecond > 0 ? ExitCode.Ok : ExitCode.Refused);
        });
        return command;
    }

    private static (string From, RequestLengths Sample) Lengths(string? trace, int? input, int? output)
    {
        if (trace is not null && (input ?? output) is not null)
            throw new CommandException(ExitCode.BadInput, "--lengths and --input-tokens or --output-tokens say the same thing; give one of them");
        if (trace is not null)
        {
            var requests = LengthsFile.Read(trace);
            return (string.Create(CultureInfo.InvariantCulture, $"{Path.GetFileName(trace)}, {requests.Count} requests"), RequestLengths.Of(requests));
        }

        return (input, output) is ({ } prompt, { } answer)
            ? ("all alike", RequestLengths.Of([(prompt, answer)]))
            : throw new CommandException(ExitCode.BadInput, "the lengths of requests are missing; give --lengths TRACE, or --input-tokens and --output-tokens");
    }

    private static CapacityListing Listing(
        WeighedSource weighed, ServingVariant asked, IReadOnlyList<LatencyTarget> targets, string from, RequestLengths lengths, int replicas)
    {
        if (asked.Context > 0 && asked.Context < lengths.Longest)
            throw new CommandException(ExitCode.BadInput, string.Create(CultureInfo.InvariantCulture, $"--context is {asked.Context:N0}, and the longest request has {lengths.Longest:N0} tokens, which the engine would refuse; so many or more would do"));

        // As much context as the longest request takes, where none was named: the engine is started for what it is asked.
        var fit = Fit.Of(weighed.Footprint, asked.Context > 0 ? asked : asked with { Context = lengths.Longest }, []);
        if (!fit.Fits) throw new CommandException(ExitCode.Refused, $"it does not fit: {fit.Reason}; plimsoll fit says what would");
        var (replica, problem) = PredictedReplica.Of(weighed.Footprint, fit);
        if (replica is null) throw new CommandException(ExitCode.Refused, problem!);
        var spread = Math.Exp(1.645 * replica.Steps.LogSpread);
        double Rate(double pace) => new GroupCapacity(replica.Limits, replica.Times(pace), lengths).PerSecond(replicas, targets);
        var usual = new GroupCapacity(replica.Limits, replica.Times(), lengths);
        return new CapacityListing
        {
            Source = weighed.Shown,
            Variant = VariantListing.Of(fit.Variant),
            Replicas = replicas,
            Slo = [.. targets.Select(SloText.Of)],
            Lengths = from,
            MeanInputTokens = lengths.Prompt,
            MeanOutputTokens = lengths.Steps + 1,
            RequestsPerSecond = usual.PerSecond(replicas, targets),
            LowRequestsPerSecond = Rate(spread),
            HighRequestsPerSecond = Rate(1 / spread),
            SequencesMax = usual.Places,
            SequencesBoundBy = usual.Places < replica.Limits.Sequences ? "memory" : "batch",
            KvTokens = fit.KvTokens,
            StepTimes = replica.Steps.Source,
        };
    }
}
