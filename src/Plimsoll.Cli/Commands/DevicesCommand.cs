using System.Collections.Immutable;
using System.CommandLine;
using System.Text.Json;
using Plimsoll.Cli.FleetFiles;

namespace Plimsoll.Cli.Commands;

/// <summary>The command <c>plimsoll devices</c>: the catalogue of accelerators and of the clouds' machines with them.</summary>
public static class DevicesCommand
{
    public static Command Create()
    {
        var filter = new Argument<string?>("FILTER")
        {
            Description = "A name, the beginning of a word of one, or a vendor, such as h100 or amd; a product's name as nvidia-smi tells it",
            Arity = ArgumentArity.ZeroOrOne,
        };
        var instances = new Option<bool>("--instances") { Description = "List the clouds' machines, by price per device" };
        var slices = new Option<bool>("--slices") { Description = "List slices of devices too (MIG)" };
        var file = new Option<string?>("--catalogue") { Description = "A file of your own entries, which go over the built-in ones", HelpName = "FILE" };
        var json = StatusCommand.JsonOption();
        var command = new Command("devices", "List known accelerators, or the cloud machines that have them")
        {
            filter, instances, slices, file, json,
        };
        command.SetAction(parsed =>
        {
            var catalogue = Open(parsed.GetValue(file));
            var (output, wanted) = (parsed.InvocationConfiguration.Output, parsed.GetValue(filter));
            if (parsed.GetValue(instances)) ListInstances(catalogue, wanted, parsed.GetValue(json), output);
            else ListAccelerators(catalogue, wanted, parsed.GetValue(slices), parsed.GetValue(json), output);
            return ExitCode.Ok;
        });
        return command;
    }

    /// <summary>The built-in catalogue, with the file's entries over it where one is named.</summary>
    /// <exception cref="CommandException">The file cannot be used.</exception>
    public static DeviceCatalogue Open(string? path)
    {
        if (path is null) return DeviceCatalogue.BuiltIn;
        try
        {
            var file = new FileInfo(path);
            if (!file.Exists) throw new CommandException(ExitCode.BadInput, $"{Show.Text(path, 200)}: there is no such file");
            if (file.Length > DeviceCatalogue.FileBytesMax)
                throw new CommandException(ExitCode.BadInput, $"{Show.Text(path, 200)} has {new Bytes(file.Length)}; a catalogue of devices has at most {new Bytes(DeviceCatalogue.FileBytesMax)}");
            // A pipe or a device has no length; it is read no further than a file may go.
            using var stream = file.OpenRead();
            var bytes = new byte[DeviceCatalogue.FileBytesMax + 1];
            var read = stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
            return DeviceCatalogue.BuiltInWith(bytes.AsMemory(0, read), Show.Text(path, 200));
        }
        catch (CatalogueException mistake)
        {
            throw new CommandException(ExitCode.BadInput, Show.Text(mistake.Message, 400));
        }
    }

    private static void ListAccelerators(DeviceCatalogue catalogue, string? wanted, bool slices, bool json, TextWriter output)
    {
        var meant = Meant(catalogue, wanted);
        var found = catalogue.Accelerators
            .Where(one => meant.Contains(one.Name) || (one.SliceOf is { } whole && meant.Contains(whole) && (slices || meant.Count == 1)))
            .OrderBy(one => one.Vendor, StringComparer.Ordinal).ThenBy(one => one.SliceOf ?? one.Name, StringComparer.Ordinal)
            .ThenBy(one => one.SliceOf is not null).ThenBy(one => one.Memory).ThenBy(one => one.Name, StringComparer.Ordinal).ToImmutableArray();
        if (found.IsEmpty) throw None(catalogue, wanted!);
        if (json) output.WriteLine(JsonSerializer.Serialize([.. found.Select(AcceleratorListing.Of)], CommandJson.Default.ImmutableArrayAcceleratorListing));
        else DeviceTables.Accelerators(found, output);
    }

    private static void ListInstances(DeviceCatalogue catalogue, string? wanted, bool json, TextWriter output)
    {
        var meant = Meant(catalogue, wanted);
        var found = catalogue.Instances
            .Where(one => wanted is null || meant.Contains(one.Accelerator) || meant.Contains(catalogue.Find(one.Accelerator)!.SliceOf ?? "")
                || one.Type.StartsWith(wanted, StringComparison.OrdinalIgnoreCase) || one.Provider.Equals(wanted, StringComparison.OrdinalIgnoreCase))
            .OrderBy(one => one.PricePerDevice is null).ThenBy(one => one.PricePerDevice?.Micro).ThenBy(one => one.Devices)
            .ThenBy(one => one.Provider, StringComparer.Ordinal).ThenBy(one => one.Type, StringComparer.Ordinal).ToImmutableArray();
        if (found.IsEmpty) throw None(catalogue, wanted!);
        if (json) output.WriteLine(JsonSerializer.Serialize([.. found.Select(InstanceListing.Of)], CommandJson.Default.ImmutableArrayInstanceListing));
        else DeviceTables.Instances(found, output);
    }

    // A whole name is that one alone; the beginning of a word of a name, or a vendor, all that have it; else an alias.
    private static HashSet<string> Meant(DeviceCatalogue catalogue, string? wanted)
    {
        var whole = catalogue.Accelerators.Where(one => one.SliceOf is null);
        if (wanted is null) return [.. whole.Select(one => one.Name)];
        if (catalogue.Find(wanted) is { } named && named.Name.Equals(wanted, StringComparison.OrdinalIgnoreCase)) return [named.Name];
        var begins = whole.Where(one => one.Vendor.Equals(wanted, StringComparison.OrdinalIgnoreCase)
            || ("-" + one.Name).Contains("-" + wanted, StringComparison.OrdinalIgnoreCase)).Select(one => one.Name).ToHashSet();
        return begins.Count > 0 ? begins : catalogue.Find(wanted) is { } known ? [known.Name] : [];
    }

    private static CommandException None(DeviceCatalogue catalogue, string wanted) =>
        new(ExitCode.Failed, $"the catalogue has nothing like '{Show.Text(wanted)}'"
            + (catalogue.Suggest(wanted) is [_, ..] near ? $"; did you mean {string.Join(" or ", near)}?" : "; plimsoll devices lists it"));
}
