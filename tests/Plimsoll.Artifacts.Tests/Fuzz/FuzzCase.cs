namespace Plimsoll.Artifacts.Tests;

/// <summary>One damaged artefact, the same for the same seed, target and number, and what came of reading it.</summary>
internal static class FuzzCase
{
    /// <summary>Bytes that reading one of these small artefacts may allocate. The windows and the tail of an archive take
    /// most of it; a length that was believed takes more.</summary>
    public const long AllocatedMax = 4 << 20;

    /// <summary>What came of it: weighed, refused by its reader, or read and refused a footprint.</summary>
    internal enum Outcome { Weighed, NotRead, NotWeighed }

    /// <exception cref="InvalidOperationException">It crashed, contradicted itself, or allocated too much; the message tells
    /// the case.</exception>
    public static (Outcome Outcome, long Allocated) Run(FuzzTarget target, ulong seed, int number)
    {
        // The seed is mixed first: the generator steps by the constant that would set neighbouring seeds apart.
        var random = new SplitMix(unchecked(new SplitMix(seed).Next() + (ulong)number));
        var folder = Damaged(target, random);
        var before = GC.GetAllocatedBytesForCurrentThread();
        var outcome = Outcome.NotRead;
        try
        {
            var header = Read(target, folder);
            Bounded(before, AllocatedMax);
            outcome = Outcome.NotWeighed;
            WeighingCase.Run(header, random);
            outcome = Outcome.Weighed;
        }
        catch (ArtifactException e) when (e.Message.EndsWith('.') && !e.Message.AsSpan().ContainsAny('\n', '\0'))
        {
        }
        catch (Exception e)
        {
            throw new InvalidOperationException($"{target.Name}, seed {seed}, case {number}: {e.GetType().Name}: {e.Message}{At(e)}", e);
        }

        return (outcome, Bounded(before, outcome == Outcome.NotRead ? AllocatedMax : WeighingCase.AllocatedMax));

        long Bounded(long from, long most)
        {
            var allocated = GC.GetAllocatedBytesForCurrentThread() - from;
            return allocated <= most ? allocated
                : throw new InvalidOperationException($"{target.Name}, seed {seed}, case {number}: it allocated {allocated} bytes");
        }
    }

    // The innermost frames of ours, which tell findings apart.
    private static string At(Exception e) => string.Concat((e.StackTrace ?? "").Split('\n').Where(line => line.Contains("Plimsoll", StringComparison.Ordinal)).Take(2)
        .Select(line => line.IndexOf('(', StringComparison.Ordinal) is > 0 and var end ? line[..end].Trim() : line.Trim()).Select(line => $" {line}"));

    private static MemoryFolder Damaged(FuzzTarget target, SplitMix random)
    {
        var folder = target.Folder.Copy();
        if (target.Configs is { } configs)
        {
            folder.With("config.json", ConfigMutator.Mutate(configs[random.Below(configs.Length)], SmallConfigs.All[random.Below(SmallConfigs.All.Length)], random));
            if (random.Below(4) > 0) return folder;
        }

        var contents = folder.Contents;
        var names = contents.Keys.ToList();
        var name = names[random.Below(names.Count)];
        var other = contents[names[random.Below(names.Count)]];
        var content = name.EndsWith(".json", StringComparison.Ordinal) && random.Below(2) > 0
            ? ConfigMutator.Mutate(contents[name], other, random) : HeaderMutator.Mutate(contents[name], other, random);
        // Some claim to be longer than what was written: those bytes are zeros.
        return folder.With(name, content, content.LongLength + (random.Below(8) == 0 ? random.Below(100_000) : 0));
    }

    // What was read must be such that its sums can be taken.
    private static ArtifactHeader Read(FuzzTarget target, MemoryFolder folder)
    {
        using var file = target.File is null ? null : folder.Open(target.File);
        var header = file is null ? ArtifactReader.Read(folder) : ArtifactReader.Read(file);
        foreach (var one in header.Parts.Select(part => part.Header).Append(header))
        {
            if (one.Files.Sum(f => f.Bytes) < 0 || one.Tensors.Sum(tensor => tensor.Bytes) < 0 || one.Tensors.Sum(tensor => tensor.Elements) < 0 || one.StorageBytes < 0)
                throw new InvalidOperationException("a negative sum");
        }

        return header;
    }
}
