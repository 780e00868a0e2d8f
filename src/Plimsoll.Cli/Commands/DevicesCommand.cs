using System.Collections.Immutable;
using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Plimsoll.Cli.FleetFiles;
using Plimsoll.Cli.Weighing;
using Spectre.Console;

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

/// <summary>The catalogue as tables of at most 80 columns.</summary>
internal static class DeviceTables
{
    public static void Accelerators(ImmutableArray<Accelerator> found, TextWriter output)
    {
        var table = New("device", ">memory", ">GB/s", ">bf16", ">fp8", "link", ">GB/s", ">of");
        foreach (var one in found)
        {
            table.AddRow(
                one.SliceOf is null ? one.Name : "  " + one.Name[(one.SliceOf.Length + 1)..],
                one.Memory + (one.MemoryCertainty == Certainty.Exact ? " " : "~"),
                Giga(one.MemoryBandwidth),
                Tera(one, "bfloat16", "float16"),
                Tera(one, "float8"),
                one.Link ?? "",
                one.Link is null ? "" : Giga(one.LinkBandwidth),
                one.Link is null ? "" : one.LinkDomainDevices.ToString(CultureInfo.InvariantCulture));
        }

        Write(table, output);
        foreach (var line in EightyColumns.Hung("memory: what an engine sees, ~ where assumed; bf16 and fp8: dense TFLOP/s; of: devices in a link domain")) output.WriteLine(line);
        if (found is [var single, ..] && found.All(one => one == single || one.SliceOf == single.Name)) foreach (var line in EightyColumns.Hung($"source: {single.Source}")) output.WriteLine(line);
    }

    public static void Instances(ImmutableArray<CloudInstance> found, TextWriter output)
    {
        var table = New("instance", "cloud", ">n", "device", ">$/h", ">$/h each", "price of");
        foreach (var one in found)
        {
            table.AddRow(
                one.Type, one.Provider, one.Devices.ToString(CultureInfo.InvariantCulture), one.Accelerator,
                Dollars(one.Price), Dollars(one.PricePerDevice), one.Date);
        }

        Write(table, output);
    }

    // A name that begins with '>' is a column of numbers.
    private static Table New(params string[] columns)
    {
        var table = new Table().Border(TableBorder.None).Collapse();
        foreach (var column in columns)
        {
            var number = column[0] == '>';
            var shown = new TableColumn(number ? column[1..] : column) { NoWrap = true, Padding = new Padding(0, 0, 1, 0) };
            table.AddColumn(number ? shown.RightAligned() : shown.LeftAligned());
        }

        return table;
    }

    private static void Write(Table table, TextWriter output)
    {
        using var text = new StringWriter();
        var console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = AnsiSupport.No,
            ColorSystem = ColorSystemSupport.NoColors,
            Out = new AnsiConsoleOutput(text),
        });
        console.Profile.Width = Math.Max(200, StatusCommand.Width());
        console.Write(table);
        foreach (var line in text.ToString().TrimEnd('\n').Split('\n')) output.WriteLine(line.TrimEnd());
    }

    private static string Giga(BytesPerSecond bandwidth) =>
        bandwidth.Value == 0 ? "?" : (bandwidth.Value / 1e9).ToString("0.#", CultureInfo.InvariantCulture);

    private static string Tera(Accelerator one, params string[] dtypes) =>
        dtypes.Where(one.FlopsPerSecond.ContainsKey).Select(dtype => (one.FlopsPerSecond[dtype] / 1e12).ToString("0", CultureInfo.InvariantCulture))
            .FirstOrDefault() ?? "-";

    private static string Dollars(UsdPerHour? price) => price is { } known ? known.Dollars.ToString("0.00", CultureInfo.InvariantCulture) : "?";
}

/// <summary>One accelerator as <c>plimsoll devices --json</c> prints it; what is not known is left out.</summary>
public sealed record AcceleratorListing
{
    public required string Name { get; init; }

    public required string Vendor { get; init; }

    public required ImmutableArray<string> Aliases { get; init; }

    public required long MemoryBytes { get; init; }

    public required string MemoryCertainty { get; init; }

    public long? DriverMemoryBytes { get; init; }

    public long? MemoryBytesPerSecond { get; init; }

    public required ImmutableSortedDictionary<string, double> FlopsPerSecond { get; init; }

    public string? Link { get; init; }

    public long? LinkBytesPerSecond { get; init; }

    public required int LinkDomainDevices { get; init; }

    public long? HostBytesPerSecond { get; init; }

    public string? SliceOf { get; init; }

    public required string Source { get; init; }

    public static AcceleratorListing Of(Accelerator one)
    {
        ArgumentNullException.ThrowIfNull(one);
        return new AcceleratorListing
        {
            Name = one.Name,
            Vendor = one.Vendor,
            Aliases = one.Aliases,
            MemoryBytes = one.Memory.Value,
            MemoryCertainty = ScalarKind.NameOf(one.MemoryCertainty),
            DriverMemoryBytes = Known(one.DriverMemory.Value),
            MemoryBytesPerSecond = Known(one.MemoryBandwidth.Value),
            FlopsPerSecond = one.FlopsPerSecond,
            Link = one.Link,
            LinkBytesPerSecond = Known(one.LinkBandwidth.Value),
            LinkDomainDevices = one.LinkDomainDevices,
            HostBytesPerSecond = Known(one.HostBandwidth.Value),
            SliceOf = one.SliceOf,
            Source = one.Source,
        };
    }

    internal static long? Known(long value) => value > 0 ? value : null;
}

/// <summary>One machine as <c>plimsoll devices --instances --json</c> prints it; what is not known is left out.</summary>
public sealed record InstanceListing
{
    public required string Provider { get; init; }

    public required string Type { get; init; }

    public required string Accelerator { get; init; }

    public required int Devices { get; init; }

    public double? UsdPerHour { get; init; }

    public double? UsdPerHourPerDevice { get; init; }

    public string? Region { get; init; }

    public required string Date { get; init; }

    public double? Cores { get; init; }

    public long? MemoryBytes { get; init; }

    public long? LocalDiskBytes { get; init; }

    public long? NetworkBytesPerSecond { get; init; }

    public required string Source { get; init; }

    public static InstanceListing Of(CloudInstance one)
    {
        ArgumentNullException.ThrowIfNull(one);
        return new InstanceListing
        {
            Provider = one.Provider,
            Type = one.Type,
            Accelerator = one.Accelerator,
            Devices = one.Devices,
            UsdPerHour = one.Price?.Dollars,
            UsdPerHourPerDevice = one.PricePerDevice?.Dollars,
            Region = one.Region,
            Date = one.Date,
            Cores = one.Cores == Plimsoll.Cores.Zero ? null : one.Cores.Count,
            MemoryBytes = AcceleratorListing.Known(one.Memory.Value),
            LocalDiskBytes = AcceleratorListing.Known(one.LocalDisk.Value),
            NetworkBytesPerSecond = AcceleratorListing.Known(one.Network.Value),
            Source = one.Source,
        };
    }
}
