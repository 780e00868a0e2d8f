using System.CommandLine;
using System.Text.Json;
using Plimsoll.Cli.Commands;

namespace Plimsoll.Cli.Weighing;

/// <summary>The command <c>plimsoll train-fit</c>: whether a training run fits its devices, or the fewest that train a model.</summary>
public static class TrainFitCommand
{
    public static Command Create(TimeProvider time)
    {
        var source = SourceWeigher.Argument();
        var options = new TrainOptions();
        var json = StatusCommand.JsonOption();
        var command = new Command("train-fit", "Say whether training fits, or how many devices it takes") { source };
        options.AddTo(command);
        command.Add(json);
        command.SetAction((parsed, cancellationToken) =>
        {
            var catalogue = DevicesCommand.Open(parsed.GetValue(options.Catalogue));
            var run = options.Run(parsed, catalogue);
            var weighed = SourceWeigher.Weigh(parsed.GetValue(source)!, time, cancellationToken);
            var others = catalogue.Accelerators.Where(one => one.SliceOf is null && one.Vendor == run.Device.Vendor).ToList();
            // With no split named the question is how many devices it takes; where none do, the one device's report says why.
            var sought = !options.IsSplitNamed(parsed);
            var report = (sought ? SmallestCluster.Of(weighed.Footprint, run) : null) ?? TrainFit.Of(weighed.Footprint, run, others);
            var (output, listing) = (parsed.InvocationConfiguration.Output, TrainListing.Of(weighed.Shown, report, sought && report.Fits));
            if (parsed.GetValue(json)) output.WriteLine(JsonSerializer.Serialize(listing, CommandJson.Default.TrainListing));
            else foreach (var line in TrainTable.Lines(listing)) output.WriteLine(line);
            return Task.FromResult(report.Fits ? ExitCode.Ok : ExitCode.Refused);
        });
        return command;
    }
}
