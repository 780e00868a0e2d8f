using System.Collections.Immutable;

namespace Plimsoll.Artifacts;

/// <summary>Weights spread over several files of one format.</summary>
internal static class ShardedWeights
{
    private const int TensorsMax = 2_000_000;

    /// <summary>Reads the shards that an index names, and holds the two against each other.</summary>
    public static StoredWeights ReadIndexed(ByteSource indexFile, Func<ByteSource, StoredWeights> read)
    {
        var index = ShardIndex.Read(indexFile);
        var weights = Read(indexFile, [.. index.Shards], read);
        var notes = weights.Notes.ToBuilder();
        if (weights.StorageBytes is null)
            CheckNames(indexFile.Name, index, weights, notes);
        if (index.TotalBytes is { } claimed && claimed != weights.Bytes)
            notes.Add($"The index claims {claimed} bytes of tensors, and its shards hold {weights.Bytes}.");
        return weights with
        {
            Files = weights.Files.Insert(0, new ModelFile(indexFile.Name, indexFile.Length) { Validator = indexFile.Validator }),
            Notes = notes.ToImmutable(),
        };
    }

    /// <summary>Reads files beside another that are one model, several at once where they may be, in the order given.</summary>
    public static StoredWeights Read(ByteSource beside, ImmutableArray<string> names, Func<ByteSource, StoredWeights> read)
    {
        beside.ExpectBeside(names);
        return Join(beside.Name, names, beside.ReadsInParallel, name => beside.OpenBeside(name)
            ?? throw new ArtifactException($"{beside.Name} names the file '{Messages.Shown(name)}', which does not exist."), read);
    }

    public static StoredWeights Join(
        string whole, ImmutableArray<string> names, bool parallel, Func<string, ByteSource> open, Func<ByteSource, StoredWeights> read)
    {
        var parts = new StoredWeights[names.Length];
        var errors = new ArtifactException?[names.Length];
        if (parallel && names.Length > 1)
            Parallel.For(0, names.Length, ReadOne);
        else
            for (var i = 0; i < names.Length && (i == 0 || errors[i - 1] is null); i++) ReadOne(i);
        // The same one each time, whichever thread came first.
        if (errors.FirstOrDefault(error => error is not null) is { } first)
            throw first;
        if (parts.Sum(part => (long)part.Tensors.Length) > TensorsMax)
            throw new ArtifactException($"{whole} has more than {TensorsMax} tensors, and no more are accepted.");
        CheckTwice(whole, names, parts);
        return new StoredWeights
        {
            Files = [.. parts.SelectMany((part, i) => part.Files.Select(file => file with { Name = names[i] }))],
            Tensors = [.. parts.SelectMany(part => part.Tensors)],
            StorageBytes = parts.Any(part => part.StorageBytes is not null) ? parts.Sum(part => part.Bytes) : null,
            Metadata = parts.Length > 0 ? parts[0].Metadata : ImmutableDictionary<string, string>.Empty,
            Notes = [.. parts.SelectMany(part => part.Notes).Distinct()],
        };

        void ReadOne(int i)
        {
            try
            {
                using var file = open(names[i]);
                parts[i] = read(file);
            }
            catch (ArtifactException e)
            {
                errors[i] = e;
            }
        }
    }

    private static void CheckTwice(string whole, ImmutableArray<string> names, StoredWeights[] parts)
    {
        var fileOf = new Dictionary<string, int>(StringComparer.Ordinal);
        for (var i = 0; i < parts.Length; i++)
        {
            foreach (var tensor in parts[i].Tensors)
            {
                if (!fileOf.TryAdd(tensor.Name, i))
                {
                    throw new ArtifactException($"{whole} has tensor '{Messages.Shown(tensor.Name)}' in two files, "
                        + $"'{Messages.Shown(names[fileOf[tensor.Name]])}' and '{Messages.Shown(names[i])}'.");
                }
            }
        }
    }

    private static void CheckNames(string indexName, ShardIndex index, StoredWeights weights, ImmutableArray<string>.Builder notes)
    {
        var found = weights.Tensors.Select(tensor => tensor.Name).ToHashSet(StringComparer.Ordinal);
        var missing = index.ShardOf.Keys.Where(name => !found.Contains(name)).Order(StringComparer.Ordinal).ToList();
        if (missing.Count > 0)
        {
            throw new ArtifactException(
                $"{indexName} names {Messages.Some(missing, 3)}, and '{Messages.Shown(index.ShardOf[missing[0]])}' does not hold it.");
        }

        var unnamed = weights.Tensors.Select(tensor => tensor.Name).Where(name => !index.ShardOf.ContainsKey(name)).ToList();
        if (unnamed.Count > 0)
            notes.Add($"The shards hold tensors that the index does not name, and they are counted: {Messages.Some(unnamed, 3)}.");
    }
}
