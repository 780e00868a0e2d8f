using System.Collections.Immutable;
using System.Globalization;
using Plimsoll.Local;

namespace Plimsoll.Cli.FleetFiles;

/// <summary>Makes the training jobs of a fleet file ones that can be planned and started.</summary>
/// <param name="file">What was read.</param>
internal sealed class JobResolver(FleetFile file)
{
    private const int DefaultPriority = -1;

    public ImmutableArray<TrainingSpec> Specs() => [.. file.Document.Training.Select(Of).OrderBy(job => job.Id)];

    /// <summary>How each is started; what cannot be is a problem of its field.</summary>
    public ImmutableSortedDictionary<JobId, JobLaunch> Launches()
    {
        var launches = ImmutableSortedDictionary.CreateBuilder<JobId, JobLaunch>();
        for (var i = 0; i < file.Document.Training.Length; i++)
        {
            var (job, path) = (file.Document.Training[i], string.Create(CultureInfo.InvariantCulture, $"training[{i}]"));
            var folder = Path.GetFullPath(job.WorkingFolder ?? ".", file.Folder);
            if (!Directory.Exists(folder)) file.Problems.Add($"{path}.workingFolder", $"{folder} does not exist; a folder to run the command in would do");
            launches[JobId.Of(job.Name!)] = new JobLaunch
            {
                Command = OwnCommand.Found(job.Command, path, file),
                Environment = job.Env ?? ImmutableSortedDictionary<string, string>.Empty,
                WorkingDirectory = folder,
                Grace = job.Grace ?? TimeSpan.FromMinutes(5),
            };
        }

        return launches.ToImmutable();
    }

    // It saves as trainers do, when it is told to end.
    private static TrainingSpec Of(JobDocument job)
    {
        var (devices, host, each) = (job.Devices ?? 0, job.Memory!.Value, job.DeviceMemory);
        return new TrainingSpec
        {
            Id = JobId.Of(job.Name!),
            NeedsPerMember = new ReplicaNeeds
            {
                Host = new MemoryNeed(host, host),
                Devices = devices,
                PerDevice = devices > 0 && each is { } memory ? new MemoryNeed(memory, memory) : null,
                Cores = job.Cores ?? Cores.Zero,
                Disk = Bytes.Zero,
            },
            DeviceKind = job.Device is { } device ? FleetSettings.KindOf(device) : null,
            Priority = job.Priority ?? DefaultPriority,
            Preemptible = job.Preemptible ?? true,
            CheckpointSize = job.Checkpoint ?? Bytes.Zero,
            SavesOnStop = true,
        };
    }
}
