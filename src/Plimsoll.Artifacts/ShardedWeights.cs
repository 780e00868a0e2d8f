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
        var names = index.Shards.ToImmutableArray();
        var parts = ReadParts(indexFile, names, read);
        var unnamed = Unnamed(indexFile.Name, index, names, parts);
        var weights = Joined(names, parts);
        var notes = weights.Notes.ToBuilder();
        if (unnamed.Count > 0)
            notes.Add($"The shards hold tensors that the index does not name, and they are counted: {Messages.Some(unnamed, 3)}.");
        if (index.TotalBytes is { } claimed && claimed != weights.Bytes)
            notes.Add($"The index claims {claimed} bytes of tensors, and its shards hold {weights.Bytes}.");
        return weights with
        {
            Files = weights.Files.Insert(0, new ModelFile(indexFile.Name, indexFile.Length) { Validator = indexFile.Validator }),
            Notes = notes.ToImmutable(),
        };
    }

    /// <summary>Reads files beside another that are one model and have no index, in the order given.</summary>
    public static StoredWeights Read(ByteSource beside, ImmutableArray<string> names, Func<ByteSource, StoredWeights> read)
    {
        var parts = ReadParts(beside, names, read);
        var fileOf = new Dictionary<string, int>(StringComparer.Ordinal);
        for (var i = 0; i < parts.Length; i++)
        {
            foreach (var tensor in parts[i].Tensors)
            {
                if (!fileOf.TryAdd(tensor.Name, i))
                {
                    throw new ArtifactException($"Beside {beside.Name}, tensor '{Messages.Shown(tensor.Name)}' is in two files, "
                        + $"'{Messages.Shown(names[fileOf[tensor.Name]])}' and '{Messages.Shown(names[i])}'.");
                }
            }
        }

        return Joined(names, parts);
    }

    // Several at once where they may be; of several errors the first file's, whichever thread came first.
    private static StoredWeights[] ReadParts(ByteSource beside, ImmutableArray<string> names, Func<ByteSource, StoredWeights> read)
    {
        beside.ExpectBeside(names);
        var parts = new StoredWeights[names.Length];
        var errors = new ArtifactException?[names.Length];
        long tensors = 0;
        if (beside.ReadsInParallel && names.Length > 1)
            Parallel.For(0, names.Length, ReadOne);
        else
            for (var i = 0; i < names.Length && (i == 0 || errors[i - 1] is null); i++) ReadOne(i);
        if (tensors > TensorsMax)
            throw new ArtifactException($"{beside.Name} has more than {TensorsMax} tensors, and no more are accepted.");
        return Array.Find(errors, error => error is not null) is { } first ? throw first : parts;

        void ReadOne(int i)
        {
            // Thousands of shards of as many tensors as one may have are not all held before they are counted.
            if (Interlocked.Read(ref tensors) > TensorsMax)
                return;
            try
            {
                using var file = beside.OpenBeside(names[i])
                    ?? throw new ArtifactException($"{beside.Name} names the file '{Messages.Shown(names[i])}', which does not exist.");
                parts[i] = read(file);
                Interlocked.Add(ref tensors, parts[i].Tensors.Length);
            }
            catch (ArtifactException e)
            {
                errors[i] = e;
            }
        }
    }

    private static StoredWeights Joined(ImmutableArray<string> names, StoredWeights[] parts)
    {
        var tensors = ImmutableArray.CreateBuilder<StoredTensor>(parts.Sum(part => part.Tensors.Length));
        foreach (var part in parts)
            tensors.AddRange(part.Tensors);
        return new StoredWeights
        {
            Files = [.. parts.SelectMany((part, i) => part.Files.Select(file => file with { Name = names[i] }))],
            Tensors = tensors.MoveToImmutable(),
            StorageBytes = parts.Any(part => part.StorageBytes is not null) ? parts.Sum(part => part.Bytes) : null,
            Metadata = parts[0].Metadata,
            Notes = [.. parts.SelectMany(part => part.Notes).Distinct()],
        };
    }

    // Every tensor must lie in the shard that the index says, and nowhere else. One look-up each: a model of experts stored
    // one by one has 100,000 of them.
    private static List<string> Unnamed(string indexName, ShardIndex index, ImmutableArray<string> names, StoredWeights[] parts)
    {
        // The file each was found in.
        var unnamed = new Dictionary<string, string>(StringComparer.Ordinal);
        var found = 0;
        for (var i = 0; i < parts.Length; i++)
        {
            foreach (var tensor in parts[i].Tensors)
            {
                var isNamed = index.ShardOf.TryGetValue(tensor.Name, out var shard);
                if (isNamed && shard == names[i])
                    found++;
                else if (isNamed)
                    throw new ArtifactException($"{indexName} keeps tensor '{Messages.Shown(tensor.Name)}' in '{Messages.Shown(shard!)}', and '{Messages.Shown(names[i])}' has one too.");
                else if (!unnamed.TryAdd(tensor.Name, names[i]))
                    throw new ArtifactException($"{indexName} does not name tensor '{Messages.Shown(tensor.Name)}', which both '{Messages.Shown(unnamed[tensor.Name])}' and '{Messages.Shown(names[i])}' hold.");
            }
        }

        if (found < index.ShardOf.Count && parts.All(part => part.StorageBytes is null))
            CheckMissing(indexName, index, parts);
        return [.. unnamed.Keys];
    }

    private static void CheckMissing(string indexName, ShardIndex index, StoredWeights[] parts)
    {
        var held = parts.SelectMany(part => part.Tensors.Select(tensor => tensor.Name).Concat(part.SecondNames)).ToHashSet(StringComparer.Ordinal);
        var missing = index.ShardOf.Keys.Where(name => !held.Contains(name)).Order(StringComparer.Ordinal).ToList();
        if (missing.Count > 0)
        {
            throw new ArtifactException(
                $"{indexName} names {Messages.Some(missing, 3)}, and '{Messages.Shown(index.ShardOf[missing[0]])}' does not hold it.");
        }
    }
}
