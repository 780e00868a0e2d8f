using System.Collections.Frozen;
using System.Collections.Immutable;

namespace Plimsoll;

/// <summary>What a product's name led to: an accelerator, or a sentence why none.</summary>
public sealed record DeviceMatch(Accelerator? Accelerator, string? Problem);

/// <summary>
/// The accelerators and cloud instances that are known, by name: the built-in ones, and those of a user's file over
/// them. Immutable; lookups ignore case and find aliases.
/// </summary>
public sealed class DeviceCatalogue
{
    /// <summary>The largest file that is read.</summary>
    public const int FileBytesMax = CatalogueReader.FileBytesMax;

    /// <summary>Drivers round and reserve differently by version; kinds that share a name differ by far more.</summary>
    private const double MemoryTolerance = 0.1;

    private static readonly Lazy<DeviceCatalogue> Ours = new(() => Parse(Resource("accelerators.json"), "accelerators.json")
        .With(Parse(Resource("instances.json"), "instances.json")).Checked("the built-in catalogue"));

    private readonly FrozenDictionary<string, Accelerator> _byName;
    private readonly FrozenDictionary<string, ImmutableArray<Accelerator>> _byKey;

    private DeviceCatalogue(ImmutableArray<Accelerator> accelerators, ImmutableArray<CloudInstance> instances)
    {
        (Accelerators, Instances) = (accelerators, instances);
        _byName = accelerators.ToFrozenDictionary(one => one.Name, StringComparer.OrdinalIgnoreCase);
        _byKey = accelerators.Where(one => one.SliceOf is null)
            .SelectMany(one => one.Aliases.Prepend(one.Name).Select(alias => (Key: ProductName.Parse(alias)!.Key, Device: one)).Distinct())
            .GroupBy(pair => pair.Key, StringComparer.Ordinal)
            .ToFrozenDictionary(group => group.Key, group => group.Select(pair => pair.Device).ToImmutableArray(), StringComparer.Ordinal);
    }

    /// <summary>The built-in catalogue.</summary>
    public static DeviceCatalogue BuiltIn => Ours.Value;

    /// <summary>In the order of their files, a user's first; slices follow their whole device.</summary>
    public ImmutableArray<Accelerator> Accelerators { get; }

    public ImmutableArray<CloudInstance> Instances { get; }

    /// <summary>Reads one file's bytes, and nothing but that file.</summary>
    /// <param name="file">JSON, at most 4 MiB; docs/devices.md describes it.</param>
    /// <param name="origin">The file's name, for messages.</param>
    /// <exception cref="CatalogueException">It cannot be used; the message says which field and what would do.</exception>
    public static DeviceCatalogue Parse(ReadOnlyMemory<byte> file, string origin)
    {
        var (accelerators, instances) = CatalogueReader.Read(file, origin);
        if (accelerators.GroupBy(one => one.Name, StringComparer.Ordinal).FirstOrDefault(group => group.Count() > 1) is { } twice)
            throw new CatalogueException($"{origin}: the accelerator {twice.Key} is there twice; expected it once.");
        return new DeviceCatalogue(accelerators, instances);
    }

    /// <summary>
    /// This catalogue with another's entries over it: an accelerator of the same name replaces this one's and all its
    /// slices and keeps its aliases, an instance of the same provider and type replaces this one's, and the other's
    /// aliases are found first.
    /// </summary>
    public DeviceCatalogue With(DeviceCatalogue over)
    {
        ArgumentNullException.ThrowIfNull(over);
        var replaced = over.Accelerators.Select(one => one.Name).ToHashSet(StringComparer.OrdinalIgnoreCase);
        var types = over.Instances.Select(one => (one.Provider, one.Type)).ToHashSet();
        return new DeviceCatalogue(
            [.. over.Accelerators.Select(Named), .. Accelerators.Where(one => !replaced.Contains(one.Name) && (one.SliceOf is null || !replaced.Contains(one.SliceOf)))],
            [.. over.Instances, .. Instances.Where(one => !types.Contains((one.Provider, one.Type)))]);
    }

    private Accelerator Named(Accelerator over) => _byName.GetValueOrDefault(over.Name) is { Aliases.Length: > 0 } replaced
        ? over with { Aliases = [.. over.Aliases.Union(replaced.Aliases)] } : over;

    /// <summary>The built-in catalogue with a user's file over it.</summary>
    /// <exception cref="CatalogueException">The file cannot be used, or names an accelerator that nobody describes.</exception>
    public static DeviceCatalogue BuiltInWith(ReadOnlyMemory<byte> file, string origin) =>
        BuiltIn.With(Parse(file, origin)).Checked(origin);

    /// <summary>By the catalogue's name, an alias or a product's name; slices by name or as "H100 80GB HBM3 MIG 3g.40gb".</summary>
    public Accelerator? Find(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return _byName.TryGetValue(name.Trim(), out var named) ? named : ByProduct(name, null).Accelerator;
    }

    /// <summary>Up to three names that a mistyped one may have meant, nearest first.</summary>
    public ImmutableArray<string> Suggest(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return [.. NearMiss.Of(name.Trim(), _byName.Keys.Concat(_byKey.Keys), 3)];
    }

    /// <summary>By the name nvidia-smi, GPU feature discovery or a cloud gives it, and the memory they report.</summary>
    /// <param name="product">"NVIDIA A100-SXM4-80GB", "Tesla-T4-SHARED", "NVIDIA-H100-80GB-HBM3-MIG-3g.40gb".</param>
    /// <param name="memory">The driver's total (of the slice, for a slice); null when not known. It tells kinds apart that
    /// share a name, and a card that is none of them from all.</param>
    public DeviceMatch ByProduct(string product, Bytes? memory)
    {
        ArgumentNullException.ThrowIfNull(product);
        if (ProductName.Parse(product) is not { } name || !_byKey.TryGetValue(name.Key, out var kinds))
            return new(null, $"the catalogue has no accelerator '{Shown(product)}'{Hint(product)}");
        var candidates = name.Slice is null ? kinds
            : [.. kinds.Select(kind => _byName.GetValueOrDefault($"{kind.Name}-{name.Slice}")).OfType<Accelerator>()];
        if (candidates.IsEmpty) return new(null, $"the catalogue has no slice {Shown(name.Slice!)} of {kinds[0].Name}");
        if (memory is not { Value: > 0 } total) return new(candidates[0], null);
        var nearest = candidates.MinBy(one => Math.Abs(Total(one) - total.Value))!;
        return Math.Abs(Total(nearest) - total.Value) <= MemoryTolerance * total.Value ? new(nearest, null)
            : new(null, $"'{Shown(product)}' reports {total}, but {nearest.Name} has {new Bytes(Total(nearest))}; an entry of its own would tell");
    }

    /// <summary>The instance of that type; of several providers' the first. Null when not known.</summary>
    public CloudInstance? Instance(string type, string? provider = null) =>
        Instances.FirstOrDefault(one => one.Type.Equals(type, StringComparison.OrdinalIgnoreCase)
            && (provider is null || one.Provider.Equals(provider, StringComparison.OrdinalIgnoreCase)));

    private DeviceCatalogue Checked(string origin)
    {
        if (Instances.FirstOrDefault(one => !_byName.ContainsKey(one.Accelerator)) is { } lost)
            throw new CatalogueException($"{origin}: the instance {lost.Type} has the accelerator {lost.Accelerator}, which no entry describes{Hint(lost.Accelerator)}.");
        return this;
    }

    private string Hint(string name) => Suggest(name) is [var first, ..] near
        ? near.Length == 1 ? $"; {first} is the nearest" : $"; the nearest are {string.Join(", ", near)}" : "";

    private static long Total(Accelerator one) => one.DriverMemory.Value > 0 ? one.DriverMemory.Value : one.Memory.Value;

    private static string Shown(string name) => new([.. name.Take(80).Select(c => char.IsControl(c) ? '?' : c)]);

    private static ReadOnlyMemory<byte> Resource(string name)
    {
        using var stream = typeof(DeviceCatalogue).Assembly.GetManifestResourceStream(name)
            ?? throw new InvalidOperationException($"the resource {name} is not in this build");
        var bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        return bytes;
    }
}
