using System.Collections.Immutable;

namespace Plimsoll;

/// <summary>What is known of a replica's files beside the artefact.</summary>
public sealed record StorageOptions
{
    /// <summary>The engine's image as pulled, compressed.</summary>
    public Bytes ImageCompressed { get; init; } = Bytes.GiB(9);

    /// <summary>The same unpacked.</summary>
    public Bytes ImageUnpacked { get; init; } = Bytes.GiB(20);

    /// <summary>Compiled kernels and graphs the engine keeps beside the model.</summary>
    public Bytes EngineCaches { get; init; } = Bytes.GiB(1);

    /// <summary>Adapters and tables fetched apart from the artefact.</summary>
    public Bytes Adapters { get; init; }

    /// <summary>Whether a download keeps a second copy until it is complete (an archive that is unpacked).</summary>
    public bool Unpacks { get; init; }

    /// <summary>How fast a load should be done; decides the bandwidth asked for.</summary>
    public TimeSpan LoadWithin { get; init; } = TimeSpan.FromMinutes(2);
}

/// <summary>Bytes on a node's disk at one moment.</summary>
/// <param name="Moment">"download", "unpack", "serve", "update" or "update with image".</param>
/// <param name="Disk">Bytes of this model's files and its engine's.</param>
/// <param name="From">What they are.</param>
public sealed record StorageMoment(string Moment, Bytes Disk, string From);

/// <summary>What a model asks of a node's disk, moment by moment, and of its bandwidth while it loads.</summary>
public sealed record StorageNeeds
{
    public required ImmutableArray<StorageMoment> Moments { get; init; }

    /// <summary>The largest of them: what must be free for every moment to be safe.</summary>
    public Bytes Peak => Moments.Max(moment => moment.Disk);

    /// <summary>Read from disk by one load: once where ranks share the page cache.</summary>
    public required Bytes ReadPerLoad { get; init; }

    /// <summary>Disk bandwidth that a load within the time asked for needs.</summary>
    public required BytesPerSecond DiskBandwidth { get; init; }

    /// <summary>Network bandwidth that a fetch within the same time needs, with nothing on the node.</summary>
    public required BytesPerSecond NetworkBandwidth { get; init; }

    /// <summary>The needs of one model on one node.</summary>
    public static StorageNeeds Of(Footprint footprint, StorageOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(footprint);
        var o = options ?? new StorageOptions();
        var model = footprint.OnDisk + o.Adapters;
        var unpacking = o.Unpacks ? model + footprint.OnDisk : model;
        var serving = model + o.EngineCaches + o.ImageUnpacked;
        var seconds = Math.Max(1, o.LoadWithin.TotalSeconds);
        return new StorageNeeds
        {
            Moments =
            [
                new StorageMoment("download", model + o.ImageCompressed + o.ImageUnpacked, "the artefact, the image packed and unpacked"),
                new StorageMoment("unpack", unpacking + o.ImageUnpacked, o.Unpacks ? "the archive beside its content" : "nothing to unpack"),
                new StorageMoment("serve", serving, "the artefact, the image, the engine's caches"),
                new StorageMoment("update", serving + unpacking + o.EngineCaches, "both copies of the artefact and of the caches"),
                new StorageMoment(
                    "update with image", serving + unpacking + o.EngineCaches + o.ImageCompressed + o.ImageUnpacked,
                    "both copies of everything"),
            ],
            ReadPerLoad = model,
            DiskBandwidth = new BytesPerSecond(Math.Max(1, (long)Math.Ceiling(model.Value / seconds))),
            NetworkBandwidth = new BytesPerSecond(
                Math.Max(1, (long)Math.Ceiling((model.Value + o.ImageCompressed.Value) / seconds))),
        };
    }
}
