using System.CommandLine;
using System.Text.Json;
using Plimsoll.Cli.Commands;
using Plimsoll.Cli.FleetFiles;

namespace Plimsoll.Cli.Weighing;

/// <summary>The command <c>plimsoll fit</c>: whether a model fits a device, and on which it would.</summary>
public static class FitCommand
{
    public static Command Create(TimeProvider time)
    {
        var source = SourceWeigher.Argument();
        var options = new FitOptions();
        var json = StatusCommand.JsonOption();
        var command = new Command("fit", "Say whether a model fits a device, and what would make it fit") { source };
        options.AddTo(command);
        command.Add(options.DataParallel);
        command.Add(json);
        command.SetAction((parsed, cancellationToken) =>
        {
            var catalogue = DevicesCommand.Open(parsed.GetValue(options.Catalogue));
            var variant = options.Variant(parsed, catalogue);
            if (parsed.GetValue(options.Device) is null && options.IsSplitNamed(parsed))
                throw new CommandException(ExitCode.BadInput, "--tp, --pp, --dp and --ep split a model over a --device; name one, or leave them out for the fewest devices");
            var weighed = SourceWeigher.Weigh(parsed.GetValue(source)!, time, cancellationToken);
            if (weighed.Footprint.Format == ArtifactFormat.Unknown)
                throw new CommandException(ExitCode.Refused, $"{Show.Text(weighed.Shown, 200)}: what it takes is not known, as nothing in it is weights of a format that is read; a folder with weights, a file of them or hf://org/name would do");
            var (output, asJson) = (parsed.InvocationConfiguration.Output, parsed.GetValue(json));
            return Task.FromResult(parsed.GetValue(options.Device) is null
                ? ListShapes(weighed, variant, catalogue, asJson, output)
                : Report(weighed, variant, catalogue, asJson, output));
        });
        return command;
    }

    private static int Report(WeighedSource weighed, ServingVariant variant, DeviceCatalogue catalogue, bool json, TextWriter output)
    {
        var others = catalogue.Accelerators.Where(one => one.SliceOf is null && one.Vendor == variant.Device.Vendor).ToList();
        var report = Fit.Of(weighed.Footprint, variant, others);
        var listing = FitListing.Of(weighed.Shown, weighed.Footprint, report);
        if (json) output.WriteLine(JsonSerializer.Serialize(listing, CommandJson.Default.FitListing));
        else foreach (var line in FitTable.Lines(listing)) output.WriteLine(line);
        return report.Fits ? ExitCode.Ok : ExitCode.Refused;
    }

    private static int ListShapes(WeighedSource weighed, ServingVariant variant, DeviceCatalogue catalogue, bool json, TextWriter output)
    {
        // The engines' rules are those of their builds for these vendors' devices; others can be asked about by name.
        var devices = catalogue.Accelerators.Where(one => one.SliceOf is null && one.Vendor is "nvidia" or "amd").ToList();
        var shapes = new ShapesListing(weighed.Shown,
            [.. SmallestShapes.Of(weighed.Footprint, variant, devices).Select(shape => ShapeListing.Of(shape, catalogue))]);
        if (json) output.WriteLine(JsonSerializer.Serialize(shapes, CommandJson.Default.ShapesListing));
        else foreach (var line in FitTable.Lines(weighed.Shown, variant, shapes.Shapes)) output.WriteLine(line);
        return shapes.Shapes.Any(shape => shape.Fits) ? ExitCode.Ok : ExitCode.Refused;
    }
}
