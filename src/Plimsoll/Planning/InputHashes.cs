using System.Text.Json.Serialization;
using Plimsoll.Json;

namespace Plimsoll;

/// <summary>
/// What a plan was derived from: SHA-256 over the canonical JSON of each input, in hex. Taken when first asked for: of a large
/// cluster it is as much work as the plan itself, and a body without a journal never asks.
/// </summary>
public sealed class InputHashes : IEquatable<InputHashes>
{
    private readonly Lazy<string> _spec;
    private readonly Lazy<string> _snapshot;
    private readonly Lazy<string> _knowledge;

    [JsonConstructor]
    public InputHashes(string spec, string snapshot, string knowledge)
        : this(new Lazy<string>(spec), new Lazy<string>(snapshot), new Lazy<string>(knowledge))
    {
    }

    private InputHashes(Lazy<string> spec, Lazy<string> snapshot, Lazy<string> knowledge) =>
        (_spec, _snapshot, _knowledge) = (spec, snapshot, knowledge);

    public string Spec => _spec.Value;

    public string Snapshot => _snapshot.Value;

    public string Knowledge => _knowledge.Value;

    public static InputHashes Of(FleetSpec spec, FleetSnapshot snapshot, Knowledge knowledge) => new(
        new Lazy<string>(() => PlimsollJson.Hash(spec, PlimsollJson.Default.FleetSpec)),
        new Lazy<string>(() => PlimsollJson.Hash(snapshot, PlimsollJson.Default.FleetSnapshot)),
        new Lazy<string>(() => PlimsollJson.Hash(knowledge, PlimsollJson.Default.Knowledge)));

    public bool Equals(InputHashes? other) =>
        other is not null && Spec == other.Spec && Snapshot == other.Snapshot && Knowledge == other.Knowledge;

    public override bool Equals(object? obj) => Equals(obj as InputHashes);

    public override int GetHashCode() => HashCode.Combine(Spec, Snapshot, Knowledge);
}
