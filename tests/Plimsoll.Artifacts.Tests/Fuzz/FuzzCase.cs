namespace Plimsoll.Artifacts.Tests;

/// <summary>One damaged artefact, the same for the same seed, target and number, and what came of reading it.</summary>
internal static class FuzzCase
{
    /// <summary>Bytes that reading one of these small artefacts may allocate. The windows and the tail of an archive take
    /// most of it; a length that was believed takes more.</summary>
    public const long AllocatedMax = 4 << 20;

    internal enum Outcome { Read, Refused }

    /// <exception cref="InvalidOperationException">The reader crashed, or allocated too much; the message tells the case.</exception>
    public static (Outcome Outcome, long Allocated) Run(FuzzTarget target, ulong seed, int number)
    {
        var folder = Damaged(target, seed, number);
        var before = GC.GetAllocatedBytesForCurrentThread();
        var outcome = Outcome.Read;
        try
        {
            Read(target, folder);
        }
        catch (ArtifactException e) when (e.Message.EndsWith('.') && !e.Message.AsSpan().ContainsAny('\n', '\0'))
        {
            outcome = Outcome.Refused;
        }
        catch (Exception e)
        {
            throw new InvalidOperationException($"{target.Name}, seed {seed}, case {number}: {e.GetType().Name}: {e.Message}", e);
        }

        var allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        return allocated <= AllocatedMax ? (outcome, allocated)
            : throw new InvalidOperationException($"{target.Name}, seed {seed}, case {number}: it allocated {allocated} bytes");
    }

    private static MemoryFolder Damaged(FuzzTarget target, ulong seed, int number)
    {
        var random = new SplitMix(unchecked(seed * 0x9E3779B97F4A7C15 + (ulong)number));
        var contents = target.Folder.Contents;
        var names = contents.Keys.ToList();
        var name = names[random.Below(names.Count)];
        var content = HeaderMutator.Mutate(contents[name], contents[names[random.Below(names.Count)]], random);
        // Some claim to be longer than what was written: those bytes are zeros.
        return target.Folder.Copy().With(name, content, content.LongLength + (random.Below(8) == 0 ? random.Below(100_000) : 0));
    }

    // What was read must be such that its sums can be taken.
    private static void Read(FuzzTarget target, MemoryFolder folder)
    {
        using var file = target.File is null ? null : folder.Open(target.File);
        var header = file is null ? ArtifactReader.Read(folder) : ArtifactReader.Read(file);
        foreach (var one in header.Parts.Select(part => part.Header).Append(header))
        {
            if (one.Files.Sum(f => f.Bytes) < 0 || one.Tensors.Sum(tensor => tensor.Bytes) < 0 || one.Tensors.Sum(tensor => tensor.Elements) < 0 || one.StorageBytes < 0)
                throw new InvalidOperationException("a negative sum");
        }
    }
}
