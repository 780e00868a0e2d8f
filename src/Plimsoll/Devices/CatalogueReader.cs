using System.Collections.Immutable;
using System.Text.Json;

namespace Plimsoll;

/// <summary>
/// Reads a catalogue file: JSON with "format": 1, "accelerators" and "instanceLists", either of which may be left out.
/// docs/devices.md describes the fields.
/// </summary>
internal static class CatalogueReader
{
    public const int FileBytesMax = 4 * 1024 * 1024;
    private const int AcceleratorsMax = 2000;
    private const int InstancesMax = 20_000;
    private const int ListsMax = 200;
    private const int SlicesMax = 64;
    private const int AliasesMax = 64;
    private const int DevicesMax = 65_536;

    /// <exception cref="CatalogueException">The file cannot be used.</exception>
    public static (ImmutableArray<Accelerator> Accelerators, ImmutableArray<CloudInstance> Instances) Read(
        ReadOnlyMemory<byte> file, string origin)
    {
        if (file.Length > FileBytesMax)
            throw new CatalogueException($"{origin} has {new Bytes(file.Length)}; a catalogue of devices has at most {new Bytes(FileBytesMax)}.");
        try
        {
            using var json = JsonDocument.Parse(file, new JsonDocumentOptions
            {
                MaxDepth = 8,
                CommentHandling = JsonCommentHandling.Skip,
                AllowTrailingCommas = true,
            });
            return Read(new CatalogueFields(json.RootElement, origin, ""));
        }
        catch (Exception malformed) when (malformed is JsonException or InvalidOperationException)
        {
            // GetString throws InvalidOperationException on a lone surrogate.
            throw new CatalogueException($"{origin} is no JSON a catalogue could be: {malformed.Message}", malformed);
        }
    }

    private static (ImmutableArray<Accelerator>, ImmutableArray<CloudInstance>) Read(CatalogueFields file)
    {
        if (file.CountOrNull("format", 1_000) is var format && format != 1)
            throw file.Wrong("format", format is null ? "is not there" : $"is {format}", "1");
        var accelerators = ImmutableArray.CreateBuilder<Accelerator>();
        foreach (var (json, path) in file.List("accelerators", AcceleratorsMax))
            accelerators.AddRange(WithSlices(file.Child(json, path)));
        var instances = ImmutableArray.CreateBuilder<CloudInstance>();
        foreach (var (json, path) in file.List("instanceLists", ListsMax))
            instances.AddRange(Instances(file.Child(json, path)));
        file.End();
        return (accelerators.ToImmutable(), instances.ToImmutable());
    }

    private static IEnumerable<Accelerator> WithSlices(CatalogueFields fields)
    {
        var whole = Whole(fields);
        yield return whole;
        foreach (var (json, path) in fields.List("slices", SlicesMax)) yield return Slice(whole, fields.Child(json, path));
        fields.End();
    }

    private static Accelerator Whole(CatalogueFields fields)
    {
        var name = Name(fields, "name");
        var vendor = fields.Text("vendor");
        var aliases = Aliases(fields);
        var memory = fields.Size("memory");
        var certainty = Certainty(fields);
        var memoryFrom = fields.TextOrNull("memoryFrom");
        var driverMemory = fields.SizeOrNull("driverMemory") ?? Bytes.Zero;
        var link = fields.ObjectOrNull("link");
        var (kind, linkBandwidth, linkDevices) = (link?.Text("kind"), link?.BandwidthOrNull("bandwidth"), link?.CountOrNull("devices", DevicesMax));
        link?.End();
        var whole = new Accelerator
        {
            Name = name,
            Vendor = vendor,
            Aliases = aliases,
            Memory = memory,
            MemoryCertainty = certainty,
            DriverMemory = driverMemory,
            MemoryBandwidth = fields.BandwidthOrNull("memoryBandwidth") ?? default,
            FlopsPerSecond = Flops(fields),
            Link = kind,
            LinkBandwidth = linkBandwidth ?? default,
            LinkDomainDevices = linkDevices ?? 1,
            HostBandwidth = fields.BandwidthOrNull("hostBandwidth") ?? default,
            Source = Source(fields, memoryFrom),
        };
        return driverMemory.Value > 0 && driverMemory < memory
            ? throw fields.Wrong("memory", $"is {memory}, more than the driver's {driverMemory}", "no more than that") : whole;
    }

    private static Accelerator Slice(Accelerator whole, CatalogueFields fields)
    {
        var profile = Name(fields, "profile");
        var memory = fields.Size("memory");
        if (memory > whole.Memory) throw fields.Wrong("memory", $"is {memory}, more than the whole device's {whole.Memory}", "no more than that");
        var compute = fields.NumberOrNull("compute", 1) ?? throw fields.Wrong("compute", "is not there", "the share of the device's FLOP/s");
        var bandwidth = fields.NumberOrNull("bandwidth", 1) ?? throw fields.Wrong("bandwidth", "is not there", "the share of the device's bandwidth");
        var certainty = Certainty(fields);
        fields.End();
        return whole with
        {
            Name = $"{whole.Name}-{profile}",
            Aliases = [],
            Memory = memory,
            DriverMemory = Bytes.Zero,
            MemoryCertainty = certainty,
            MemoryBandwidth = new BytesPerSecond((long)(whole.MemoryBandwidth.Value * bandwidth)),
            FlopsPerSecond = whole.FlopsPerSecond.ToImmutableSortedDictionary(pair => pair.Key, pair => pair.Value * compute, StringComparer.Ordinal),
            // Slices reach no other device over the link.
            Link = null,
            LinkBandwidth = default,
            LinkDomainDevices = 1,
            SliceOf = whole.Name,
        };
    }

    private static IEnumerable<CloudInstance> Instances(CatalogueFields list)
    {
        var (provider, date, source) = (Name(list, "provider"), list.Text("date"), list.Text("source"));
        var region = list.TextOrNull("region");
        foreach (var (json, path) in list.List("instances", InstancesMax))
        {
            var fields = list.Child(json, path);
            yield return new CloudInstance
            {
                Provider = provider,
                Region = region,
                Date = date,
                Source = source,
                Type = fields.Text("type"),
                Accelerator = Name(fields, "accelerator"),
                Devices = fields.CountOrNull("devices", 1024) ?? throw fields.Wrong("devices", "is not there", "a whole number from 1 to 1024"),
                Price = fields.NumberOrNull("usdPerHour", 1e6) is { } dollars ? UsdPerHour.Of(dollars) : null,
                Cores = Cores.Of(fields.CountOrNull("cores", 100_000) ?? 0),
                Memory = fields.SizeOrNull("memory") ?? Bytes.Zero,
                LocalDisk = fields.SizeOrNull("localDisk") ?? Bytes.Zero,
                Network = new BytesPerSecond((long)((fields.NumberOrNull("networkMbps", 1e9) ?? 0) * 1e6 / 8)),
            };
            fields.End();
        }

        list.End();
    }

    private static string Name(CatalogueFields fields, string field)
    {
        var name = fields.Text(field);
        return name.Length is > 0 and <= 64 && char.IsAsciiLetterOrDigit(name[0]) && name.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c is '-' or '.') ? name
            : throw fields.Wrong(field, $"is '{name}'", "up to 64 small letters, digits, dashes and dots, beginning with a letter or digit");
    }

    private static ImmutableArray<string> Aliases(CatalogueFields fields) =>
    [
        .. fields.List("aliases", AliasesMax).Select(member =>
            member.Json.ValueKind == JsonValueKind.String && ProductName.Parse(member.Json.GetString()!) is { Slice: null, Shared: false }
                ? member.Json.GetString()!
                : throw fields.Wrong("aliases", "has a member that is no product's name", $"names of up to {ProductName.LengthMax} characters")),
    ];

    private static Certainty Certainty(CatalogueFields fields) => fields.TextOrNull("memoryCertainty") switch
    {
        "exact" => Plimsoll.Certainty.Exact,
        "fitted" => Plimsoll.Certainty.Fitted,
        null or "assumed" => Plimsoll.Certainty.Assumed,
        var other => throw fields.Wrong("memoryCertainty", $"is '{other}'", "exact, fitted or assumed"),
    };

    private static ImmutableSortedDictionary<string, double> Flops(CatalogueFields fields)
    {
        var flops = ImmutableSortedDictionary.CreateBuilder<string, double>(StringComparer.Ordinal);
        if (fields.ObjectOrNull("teraflops") is not { } rates) return flops.ToImmutable();
        foreach (var dtype in rates.TakeNames())
            if (rates.NumberOrNull(dtype, 1e6) is { } teraflops) flops[dtype] = teraflops * 1e12;
        return flops.ToImmutable();
    }

    private static string Source(CatalogueFields fields, string? memoryFrom)
    {
        var (source, date) = (fields.Text("source"), fields.Text("date"));
        return memoryFrom is null ? $"{source} ({date})" : $"{source}; memory: {memoryFrom} ({date})";
    }
}
