using System.Collections.Immutable;
using k8s.Models;

namespace Plimsoll.Kubernetes.Resources;

/// <summary>
/// Which of a target's writers left its replicas as they were. The API server keeps one time for all the fields that a writer
/// has: who made the object with its replicas and rolls out a new image an hour later seems to have written both just now.
/// </summary>
public sealed record ReplicaWrites
{
    /// <summary>Nothing was seen of the target yet: what was written before is taken as it stands.</summary>
    public static ReplicaWrites None { get; } = new();

    private string Uid { get; init; } = "";

    private int Replicas { get; init; }

    private long Generation { get; init; }

    private ImmutableHashSet<(string?, string?, string?, DateTime?)> Seen { get; init; } = [];

    private ImmutableHashSet<(string?, string?, string?, DateTime?)> Harmless { get; init; } = [];

    /// <summary>
    /// The same after the target was seen again. New writes are of other fields where the replicas are what they were, and no
    /// more than one change of the spec lies between: two might be of the replicas, there and back.
    /// </summary>
    /// <param name="uid">Of the target.</param>
    /// <param name="replicas">Its spec.replicas.</param>
    /// <param name="generation">Its metadata.generation.</param>
    /// <param name="fields">Its metadata.managedFields.</param>
    public ReplicaWrites Then(string uid, int replicas, long generation, IEnumerable<V1ManagedFieldsEntry> fields)
    {
        ArgumentNullException.ThrowIfNull(fields);
        var seen = fields.Where(entry => entry is not null).Select(KeyOf).ToImmutableHashSet();
        var same = uid == Uid && replicas == Replicas && generation - Generation is 0 or 1;
        return new ReplicaWrites
        {
            Uid = uid,
            Replicas = replicas,
            Generation = generation,
            Seen = seen,
            Harmless = same ? [.. seen.Where(one => Harmless.Contains(one) || !Seen.Contains(one))] : [],
        };
    }

    /// <summary>Whether what an entry tells of left the replicas alone.</summary>
    public bool LeftThem(V1ManagedFieldsEntry entry)
    {
        ArgumentNullException.ThrowIfNull(entry);
        return Harmless.Contains(KeyOf(entry));
    }

    private static (string?, string?, string?, DateTime?) KeyOf(V1ManagedFieldsEntry entry) =>
        (entry.Manager, entry.Operation, entry.Subresource, entry.Time);
}
