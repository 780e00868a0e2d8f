namespace Plimsoll;

/// <summary>How sure a number is.</summary>
public enum Certainty
{
    /// <summary>Read or computed from the artefact itself; right to the byte.</summary>
    Exact,

    /// <summary>From a formula whose coefficients were fitted on measurements.</summary>
    Fitted,

    /// <summary>From a rule of thumb or a default, because nothing better was at hand.</summary>
    Assumed,
}

/// <summary>Where one number of a footprint comes from.</summary>
/// <param name="Number">The property's name in JSON ("weightBytes", "kvBytesPerToken").</param>
/// <param name="Certainty">How sure it is.</param>
/// <param name="From">The file and the field, or the rule ("config.json: num_key_value_heads × head_dim × 2").</param>
public sealed record Provenance(string Number, Certainty Certainty, string From);
