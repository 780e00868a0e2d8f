namespace Plimsoll.Artifacts;

/// <summary>What a tensor is within its layer, by the names below the layer's index.</summary>
internal static class LayerParts
{
    private static readonly HashSet<string> Keys = new(StringComparer.Ordinal)
    {
        "k_proj", "v_proj", "k", "v", "key", "value", "attn_k", "attn_v", "wk", "wv", "k_lin", "v_lin", "kv_proj", "c_kv", "attn_kv",
    };

    private static readonly HashSet<string> FusedWords = new(StringComparer.Ordinal)
        { "qkv_proj", "query_key_value", "Wqkv", "c_attn", "attn_qkv", "qkv", "W_pack", "wqkv" };

    // Down-projections of latent attention, an indexer and a compressor: each rank needs all of them.
    private static readonly HashSet<string> WholeWords = new(StringComparer.Ordinal)
    {
        "q_a_proj", "kv_a_proj_with_mqa", "kv_a_proj", "wq_a", "wkv", "wkv_a", "attn_q_a", "attn_kv_a_mqa", "indexer", "compressor",
    };

    private static readonly HashSet<string> StateWords = new(StringComparer.Ordinal)
        { "in_proj", "out_proj", "conv1d", "A_log", "D", "dt_bias", "x_proj", "dt_proj", "A", "conv" };

    public static bool IsNorm(string part) =>
        part.Contains("norm", StringComparison.OrdinalIgnoreCase) || part.StartsWith("ln_", StringComparison.Ordinal)
        || part is "ln1" or "ln2" or "norm1" or "norm2" or "ln";

    public static (string Component, WeightSplit Split, bool Fused) Of(ReadOnlySpan<string> parts)
    {
        if (Any(parts, IsNorm))
            return ("norm", WeightSplit.Replicated, false);
        if (Any(parts, part => part.StartsWith("hc_", StringComparison.Ordinal)))
            return ("other", WeightSplit.Replicated, false);
        if (Any(parts, part => part.StartsWith("shared_expert", StringComparison.Ordinal) || part is "shared_mlp" or "share_expert"
            || part.EndsWith("_shexp", StringComparison.Ordinal)))
        {
            return Any(parts, part => part is "shared_expert_gate" or "ffn_gate_inp_shexp")
                ? ("router", WeightSplit.Replicated, false) : ("shared experts", WeightSplit.Tensor, false);
        }

        if (Any(parts, part => part is "experts" or "input_linear" or "output_linear" || part.EndsWith("_exps", StringComparison.Ordinal)))
            return ("experts", WeightSplit.Experts, false);
        if (Any(parts, part => part is "gate" or "ffn_gate_inp" or "e_score_correction_bias" or "exp_probs_b" or "tid2eid" or "wg"
            || part.StartsWith("router", StringComparison.Ordinal)))
            return ("router", WeightSplit.Replicated, false);
        if (Any(parts, part => part is "linear_attn" or "mamba" or "ssm" || part.StartsWith("ssm_", StringComparison.Ordinal))
            || (Any(parts, part => part is "mixer") && Any(parts, StateWords.Contains))
            || Any(parts, part => part is "A_log" or "dt_bias" or "conv1d" or "q_conv1d" or "k_conv1d" or "v_conv1d"))
            return ("state", WeightSplit.Tensor, false);
        if (Any(parts, WholeWords.Contains))
            return ("attention", WeightSplit.Replicated, false);
        if (Any(parts, Keys.Contains))
            return ("attention", WeightSplit.KeyValueHeads, false);
        if (Any(parts, FusedWords.Contains))
            return ("attention", WeightSplit.Tensor, true);
        if (Any(parts, part => part.Contains("attn", StringComparison.OrdinalIgnoreCase)
            || part.Contains("attention", StringComparison.OrdinalIgnoreCase)
            || part is "q_proj" or "o_proj" or "q_b_proj" or "kv_b_proj"))
            return ("attention", WeightSplit.Tensor, false);
        if (Any(parts, part => part.EndsWith("latent_proj", StringComparison.Ordinal) || part.StartsWith("routed_expert", StringComparison.Ordinal)))
            return ("mlp", WeightSplit.Replicated, false);
        return Any(parts, part => part.Contains("mlp", StringComparison.Ordinal) || part.Contains("ffn", StringComparison.Ordinal)
            || part.Contains("feed_forward", StringComparison.Ordinal) || part.EndsWith("up_proj", StringComparison.Ordinal)
            || part is "fc1" or "fc2" or "intermediate" or "output" or "DenseReluDense" or "gate_proj" or "down_proj" or "fc_in" or "fc_out"
                or "w1" or "w2" or "w3" or "dense_h_to_4h" or "dense_4h_to_h" or "c_fc")
            ? ("mlp", WeightSplit.Tensor, false)
            : ("other", WeightSplit.Replicated, false);
    }

    private static bool Any(ReadOnlySpan<string> parts, Func<string, bool> matches)
    {
        foreach (var part in parts)
        {
            if (matches(part))
                return true;
        }

        return false;
    }
}
