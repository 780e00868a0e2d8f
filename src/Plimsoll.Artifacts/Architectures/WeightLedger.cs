using System.Collections.Immutable;
using System.Runtime.InteropServices;

namespace Plimsoll.Artifacts;

/// <summary>Adds tensors up by where they belong, then by layer into runs of equal layers.</summary>
internal sealed class WeightLedger(ArchitectureSpec? spec, int layers, string? component = null)
{
    private readonly record struct Place(ModelSection Section, int Layer, string Component, WeightSplit Split);

    private readonly record struct Sum(long Parameters, long Bytes)
    {
        public static Sum operator +(Sum one, Sum other) =>
            new(checked(one.Parameters + other.Parameters), checked(one.Bytes + other.Bytes));
    }

    private readonly TensorPlaces _places = new(spec?.EncoderDecoder ?? false, layers);
    private readonly Dictionary<(Place Place, string Dtype), Sum> _sums = [];
    private readonly Dictionary<Place, long> _scales = [];
    private readonly SortedDictionary<string, long> _byDtype = new(StringComparer.Ordinal);

    public long Bytes { get; private set; }

    public IReadOnlyDictionary<string, long> ByDtype => _byDtype;

    public bool HasHead { get; private set; }

    public void Add(WeighedTensor tensor)
    {
        var bytes = checked(tensor.Bytes * tensor.Count);
        Bytes = checked(Bytes + bytes);
        _byDtype[tensor.Dtype] = checked(_byDtype.GetValueOrDefault(tensor.Dtype) + bytes);
        var at = component is null ? _places.Of(tensor.Name)
            : new TensorPlace(ModelSection.Before, 0, component, WeightSplit.Replicated);
        HasHead |= at is { Section: ModelSection.After, Component: "head", Split: WeightSplit.Vocabulary };
        // Keys and values of layers that keep none by head (encoders, linear attention) split as heads of their own do.
        var split = at.Split == WeightSplit.KeyValueHeads && spec is not null && at.Section == ModelSection.Layers
            && at.Layer < spec.Layers.Length && spec.Layers[at.Layer].Cache.KvHeads == 0 ? WeightSplit.Tensor : at.Split;
        var place = new Place(at.Section, at.Layer, at.Component, split);
        if (StoredParameters.IsScale(tensor.Name, tensor.Dtype))
        {
            _scales[place] = checked(_scales.GetValueOrDefault(place) + bytes);
            return;
        }

        var sum = new Sum(checked(tensor.Parameters * tensor.Count), bytes);
        if (at.Fused && KeyValuePart(at.Layer) is { } part)
        {
            var keyValue = new Sum(Share(sum.Parameters, part), Share(sum.Bytes, part));
            Put(place with { Split = WeightSplit.KeyValueHeads }, tensor.Dtype, keyValue);
            sum = new Sum(sum.Parameters - keyValue.Parameters, sum.Bytes - keyValue.Bytes);
        }

        Put(place, tensor.Dtype, sum);
    }

    /// <summary>Adds bytes that are stored and belong to no tensor that is known: no parameters, and whole on every rank.</summary>
    public void AddUnnamed(long bytes)
    {
        if (bytes == 0)
            return;
        const string Unknown = "unknown";
        Bytes = checked(Bytes + bytes);
        _byDtype[Unknown] = checked(_byDtype.GetValueOrDefault(Unknown) + bytes);
        Put(new Place(ModelSection.Before, 0, component ?? "other", WeightSplit.Replicated), Unknown, new Sum(0, bytes));
    }

    /// <summary>Groups outside the layers, ordered by component, split and dtype.</summary>
    public ImmutableArray<WeightGroup> Outside(ModelSection section) => Groups(section, 0);

    /// <summary>The layers in order, equal consecutive ones in one run.</summary>
    public ImmutableArray<LayerRun> Runs()
    {
        Settle();
        var byLayer = _sums.Where(sum => sum.Key.Place.Section == ModelSection.Layers)
            .GroupBy(sum => sum.Key.Place.Layer).ToDictionary(group => group.Key, group => Ordered(group));
        var count = spec?.Layers.Length ?? (byLayer.Count == 0 ? 0 : byLayer.Keys.Max() + 1);
        var runs = ImmutableArray.CreateBuilder<LayerRun>();
        for (var i = 0; i < count; i++)
        {
            var run = Described(i, byLayer.GetValueOrDefault(i, []));
            if (runs.Count > 0 && Alike(runs[^1], run))
                runs[^1] = runs[^1] with { Count = runs[^1].Count + 1 };
            else
                runs.Add(run);
        }

        return runs.ToImmutable();
    }

    /// <summary>Parameters and bytes by component over the whole model, ordered by name.</summary>
    public ImmutableArray<ComponentWeight> Components()
    {
        Settle();
        return [.. _sums.GroupBy(sum => sum.Key.Place.Component, StringComparer.Ordinal).Select(group => new ComponentWeight(
            group.Key, group.Sum(sum => sum.Value.Parameters), new Bytes(group.Sum(sum => sum.Value.Bytes))))
            .OrderBy(component => component.Component, StringComparer.Ordinal)];
    }

    public long Parameters() => _sums.Where(sum => sum.Key.Place.Section != ModelSection.NotServed).Sum(sum => sum.Value.Parameters);

    /// <summary>
    /// Parameters one token of text passes: all but the experts it does not choose, and encoders of images and sound.
    /// Null where there are experts and nothing says how many a token chooses.
    /// </summary>
    public long? Active()
    {
        long active = 0;
        foreach (var (key, sum) in _sums.Where(sum => sum.Key.Place.Section != ModelSection.NotServed))
        {
            if (key.Place.Component is "vision" or "audio")
                continue;
            if (key.Place.Component != "experts")
            {
                active = checked(active + sum.Parameters);
                continue;
            }

            if (spec is null || key.Place.Layer >= spec.Layers.Length || MixtureOf(spec.Layers[key.Place.Layer].FeedForward) is not { } mixture)
                return null;
            active = checked(active + (long)((Int128)sum.Parameters * mixture.PerToken / mixture.Experts));
        }

        return active;
    }

    /// <summary>The head moves to what is not served: it repeats the embedding, and engines load that.</summary>
    public void DropHead()
    {
        foreach (var (key, sum) in _sums.Where(sum => sum.Key.Place is { Section: ModelSection.After, Component: "head", Split: WeightSplit.Vocabulary }).ToList())
        {
            _sums.Remove(key);
            Put(key.Place with { Section = ModelSection.NotServed }, key.Dtype, sum);
        }
    }

    private void Put(Place place, string dtype, Sum sum)
    {
        ref var all = ref CollectionsMarshal.GetValueRefOrAddDefault(_sums, (place, dtype), out _);
        all += sum;
    }

    // Scales belong to the weights they scale: to the largest group at their place.
    private void Settle()
    {
        if (_scales.Count == 0)
            return;
        var owners = new Dictionary<Place, (string Dtype, long Bytes)>();
        foreach (var ((place, dtype), sum) in _sums)
        {
            if (!owners.TryGetValue(place, out var owner) || sum.Bytes > owner.Bytes
                || (sum.Bytes == owner.Bytes && string.CompareOrdinal(dtype, owner.Dtype) < 0))
                owners[place] = (dtype, sum.Bytes);
        }

        foreach (var (place, bytes) in _scales)
            Put(place, owners.TryGetValue(place, out var owner) ? owner.Dtype : "float32", new Sum(0, bytes));
        _scales.Clear();
    }

    private ImmutableArray<WeightGroup> Groups(ModelSection section, int layer)
    {
        Settle();
        return Ordered(_sums.Where(sum => sum.Key.Place.Section == section && sum.Key.Place.Layer == layer));
    }

    private static ImmutableArray<WeightGroup> Ordered(IEnumerable<KeyValuePair<(Place Place, string Dtype), Sum>> sums) =>
        [.. sums.Select(sum => new WeightGroup(
                sum.Key.Place.Component, sum.Key.Place.Split, sum.Value.Parameters, new Bytes(sum.Value.Bytes), sum.Key.Dtype))
            .OrderBy(group => group.Component, StringComparer.Ordinal).ThenBy(group => group.Split).ThenBy(group => group.Dtype, StringComparer.Ordinal)];

    private LayerRun Described(int layer, ImmutableArray<WeightGroup> weights)
    {
        if (spec is null)
            return new LayerRun { First = layer, Count = 1, Weights = weights, Cache = LayerCache.None };
        var described = spec.Layers[layer];
        var mixture = MixtureOf(described.FeedForward);
        var dense = described.FeedForward switch
        {
            FeedForward.Dense only => only.Width,
            FeedForward.Both both => both.Always.Width,
            _ => 0,
        };
        return new LayerRun
        {
            First = layer,
            Count = 1,
            Weights = weights,
            Cache = described.Cache,
            ActiveWidth = checked(dense + (mixture is null ? 0 : (mixture.PerToken * mixture.Width) + mixture.SharedWidth)),
            Experts = mixture?.Experts ?? 0,
            ExpertsPerToken = mixture?.PerToken ?? 0,
            ExpertWidth = mixture?.Width ?? 0,
        };
    }

    private static bool Alike(LayerRun one, LayerRun other) =>
        one.Cache == other.Cache && one.ActiveWidth == other.ActiveWidth && one.Experts == other.Experts
        && one.ExpertsPerToken == other.ExpertsPerToken && one.ExpertWidth == other.ExpertWidth
        && one.Weights.AsSpan().SequenceEqual(other.Weights.AsSpan());

    private static FeedForward.Mixture? MixtureOf(FeedForward part) => part switch
    {
        FeedForward.Mixture mixture => mixture,
        FeedForward.Both both => both.Routed,
        _ => null,
    };

    // Of a fused projection: rows of keys and values against all rows; null where the heads are not known.
    private (long Part, long Whole)? KeyValuePart(int layer)
    {
        if (spec is null || layer >= spec.Layers.Length || spec.Layers[layer].Mixer is not Mixer.Attention attention)
            return null;
        var queries = (long)attention.Heads * attention.HeadWidth;
        var rest = (long)attention.KvHeads * (attention.HeadWidth + attention.ValueWidth);
        // Of attention of no width no part is told apart: its tensors are not what the configuration says.
        return queries + rest > 0 ? (rest, queries + rest) : null;
    }

    private static long Share(long amount, (long Part, long Whole) of) => (long)((Int128)amount * of.Part / of.Whole);
}
