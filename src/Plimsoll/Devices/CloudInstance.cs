namespace Plimsoll;

/// <summary>A machine that a cloud rents, with its accelerators and what it cost on a given day.</summary>
public sealed record CloudInstance
{
    /// <summary>"aws", "gcp", "azure" and so on, lower case.</summary>
    public required string Provider { get; init; }

    /// <summary>As the provider names it ("p5.48xlarge"), which is also a node's instance-type label.</summary>
    public required string Type { get; init; }

    /// <summary>The catalogue's name of its accelerator.</summary>
    public required string Accelerator { get; init; }

    public required int Devices { get; init; }

    /// <summary>On demand, for the whole machine, at <see cref="Date"/>; null when no price was published.</summary>
    public UsdPerHour? Price { get; init; }

    /// <summary>Virtual processors; zero when not known.</summary>
    public Cores Cores { get; init; }

    /// <summary>Host memory; zero when not known.</summary>
    public Bytes Memory { get; init; }

    /// <summary>Local disks that come with it, all together; zero without any, or when not known.</summary>
    public Bytes LocalDisk { get; init; }

    /// <summary>Network bandwidth, one direction; zero when not known.</summary>
    public BytesPerSecond Network { get; init; }

    /// <summary>Where the price holds ("us-east-1"); null when not said.</summary>
    public string? Region { get; init; }

    /// <summary>Day or month of the price, ISO 8601 ("2026-07-20", "2025-03").</summary>
    public required string Date { get; init; }

    public required string Source { get; init; }

    /// <summary>The price of one device with its share of the machine; null when no price was published.</summary>
    public UsdPerHour? PricePerDevice => Price is { } price ? new UsdPerHour(price.Micro / Devices) : null;
}
