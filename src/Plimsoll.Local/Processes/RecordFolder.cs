using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Plimsoll.Local.Processes;

/// <summary>The folders of records that a fleet keeps.</summary>
internal static class RecordFolder
{
    public static RecordFolder<ReplicaRecord> OfReplicas(string folder) => new(folder, LocalJson.Default.ReplicaRecord, record => record.Replica.Value);

    public static RecordFolder<JobRecord> OfJobs(string folder) => new(folder, LocalJson.Default.JobRecord, record => record.Job.Value);
}

/// <summary>One small file per thing that outlives a controller, in a folder.</summary>
/// <param name="folder">Made when it is not there.</param>
/// <param name="type">How one is written.</param>
/// <param name="nameOf">What one is called.</param>
internal sealed class RecordFolder<T>(string folder, JsonTypeInfo<T> type, Func<T, string> nameOf)
    where T : class
{
    private const int RecordBytesMax = 1024 * 1024;
    private const int RecordsMax = 10_000;

    public void Write(T record) => AtomicFile.Write(PathOf(record), JsonSerializer.SerializeToUtf8Bytes(record, type));

    public void Delete(T record) => File.Delete(PathOf(record));

    /// <summary>All records, ordered by name; what cannot be read is set aside and named.</summary>
    public (ImmutableArray<T> Records, ImmutableArray<string> Unreadable) ReadAll()
    {
        Directory.CreateDirectory(folder);
        var records = ImmutableArray.CreateBuilder<T>();
        var unreadable = ImmutableArray.CreateBuilder<string>();
        foreach (var path in Directory.EnumerateFiles(folder, "*.json").Order(StringComparer.Ordinal).Take(RecordsMax))
        {
            T? record = null;
            try
            {
                if (new FileInfo(path).Length <= RecordBytesMax)
                    record = JsonSerializer.Deserialize(File.ReadAllBytes(path), type);
            }
            catch (Exception e) when (e is JsonException or IOException or UnauthorizedAccessException)
            {
                record = null;
            }

            if (record is not null)
            {
                records.Add(record);
                continue;
            }

            unreadable.Add(Path.GetFileName(path));
            File.Move(path, path + ".unreadable", overwrite: true);
        }

        return (records.ToImmutable(), unreadable.ToImmutable());
    }

    // A model's name may hold slashes.
    private string PathOf(T record) => Path.Combine(folder, Uri.EscapeDataString(nameOf(record)) + ".json");
}
