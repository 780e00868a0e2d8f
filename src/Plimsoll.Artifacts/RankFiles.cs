using System.Collections.Immutable;

namespace Plimsoll.Artifacts;

/// <summary>Files of one model that TensorRT-LLM parted over its ranks: "rank0.engine", "rank1.engine" and on, or the same of a checkpoint's
/// safetensors.</summary>
internal static class RankFiles
{
    /// <summary>The names by rank where they are those of one model, from 0 on without a gap; null where there is one name or another's.</summary>
    public static ImmutableArray<string>? Of(IReadOnlyCollection<string> names, string ending)
    {
        ImmutableArray<string> ranks = [.. Enumerable.Range(0, names.Count).Select(rank => $"rank{rank}{ending}")];
        return ranks.Length > 1 && ranks.All(names.Contains) ? ranks : null;
    }

    public static string Note(int ranks) => $"Its {ranks} files are one model, a part for each rank; all are counted.";

    /// <summary>Reads a checkpoint's ranks. Each has a part of every tensor under the same name, which its rank's goes before.</summary>
    public static StoredWeights Read(ByteFolder folder, ImmutableArray<string> ranks)
    {
        using var beside = folder.Open(ranks[0])!;
        return ShardedWeights.Read(beside, ranks, file =>
        {
            var rank = Path.GetFileNameWithoutExtension(file.Name);
            var weights = SafetensorsReader.Read(file);
            return weights with { Tensors = [.. weights.Tensors.Select(tensor => tensor with { Name = $"{rank}.{tensor.Name}" })] };
        });
    }
}
