using System.Text.Json.Serialization;
using Plimsoll.Json;

namespace Plimsoll;

/// <summary>An identity made of a string; ordered by its ordinal characters, so that every tie breaks the same way.</summary>
public interface IIdentity<TSelf> : IComparable<TSelf> where TSelf : struct, IIdentity<TSelf>
{
    string Value { get; }

    static abstract TSelf Of(string value);
}

/// <summary>The name a model is served under.</summary>
[JsonConverter(typeof(IdentityConverter<ModelId>))]
public readonly record struct ModelId(string Value) : IIdentity<ModelId>
{
    public static ModelId Of(string value) => new(value);

    public int CompareTo(ModelId other) => string.CompareOrdinal(Value, other.Value);

    public override string ToString() => Value;
}

/// <summary>One way to run a model (design §2); unique within its model.</summary>
[JsonConverter(typeof(IdentityConverter<VariantId>))]
public readonly record struct VariantId(string Value) : IIdentity<VariantId>
{
    public static VariantId Of(string value) => new(value);

    public int CompareTo(VariantId other) => string.CompareOrdinal(Value, other.Value);

    public override string ToString() => Value;
}

[JsonConverter(typeof(IdentityConverter<NodeId>))]
public readonly record struct NodeId(string Value) : IIdentity<NodeId>
{
    public static NodeId Of(string value) => new(value);

    public int CompareTo(NodeId other) => string.CompareOrdinal(Value, other.Value);

    public override string ToString() => Value;
}

/// <summary>A device, unique within its node ("gpu0", or the vendor's UUID).</summary>
[JsonConverter(typeof(IdentityConverter<DeviceId>))]
public readonly record struct DeviceId(string Value) : IIdentity<DeviceId>
{
    public static DeviceId Of(string value) => new(value);

    public int CompareTo(DeviceId other) => string.CompareOrdinal(Value, other.Value);

    public override string ToString() => Value;
}

/// <summary>
/// A replica: its model and an ordinal that is never used twice ("llama-7b-3"). Ordinals come from what was
/// observed, so a plan that was not applied proposes the same replica again.
/// </summary>
[JsonConverter(typeof(IdentityConverter<ReplicaId>))]
public readonly record struct ReplicaId(string Value) : IIdentity<ReplicaId>
{
    public static ReplicaId Of(string value) => new(value);

    public static ReplicaId Of(ModelId model, int ordinal) => new($"{model.Value}-{ordinal}");

    /// <summary>The number after the last dash, or -1 where the name has another shape.</summary>
    public int Ordinal =>
        Value.LastIndexOf('-') is var dash and >= 0
        && int.TryParse(Value.AsSpan(dash + 1), System.Globalization.NumberStyles.None, null, out var n) ? n : -1;

    public int CompareTo(ReplicaId other) => string.CompareOrdinal(Value, other.Value);

    public override string ToString() => Value;
}

/// <summary>A training job; its pods or processes are one gang.</summary>
[JsonConverter(typeof(IdentityConverter<JobId>))]
public readonly record struct JobId(string Value) : IIdentity<JobId>
{
    public static JobId Of(string value) => new(value);

    public int CompareTo(JobId other) => string.CompareOrdinal(Value, other.Value);

    public override string ToString() => Value;
}

/// <summary>A step's identity, derived from what it does and to what; equal across replans.</summary>
[JsonConverter(typeof(IdentityConverter<StepId>))]
public readonly record struct StepId(string Value) : IIdentity<StepId>
{
    public static StepId Of(string value) => new(value);

    public int CompareTo(StepId other) => string.CompareOrdinal(Value, other.Value);

    public override string ToString() => Value;
}
