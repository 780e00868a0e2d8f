namespace Plimsoll.Artifacts;

/// <summary>Mixers that keep a state of constant size: gated delta rule, Mamba 2, Kimi's delta attention.</summary>
internal static class StateMixers
{
    /// <summary>
    /// Gated DeltaNet as Qwen builds it (Yang et al. 2024): per value head a key × value matrix, and the last inputs of a
    /// short convolution. Counted in elements of two bytes, the matrix twice where it is kept in float32.
    /// </summary>
    /// <param name="config">Its linear_* fields.</param>
    /// <param name="joined">One projection for queries, keys, values and gate, one for both coefficients (Qwen3-Next).</param>
    public static Mixer GatedDelta(ModelConfig config, bool joined)
    {
        var (keyHeads, valueHeads) = (config.Positive("linear_num_key_heads"), config.Positive("linear_num_value_heads"));
        var (keyWidth, valueWidth) = (config.Positive("linear_key_head_dim"), config.Positive("linear_value_head_dim"));
        var kernel = config.Int("linear_conv_kernel_dim", 4);
        long keys = checked((long)keyHeads * keyWidth), values = checked((long)valueHeads * valueWidth);
        var convolved = (2 * keys) + values;
        var matrix = checked((long)valueHeads * keyWidth * valueWidth);
        return new Mixer.Own(State((kernel - 1) * convolved, matrix, config.Text("mamba_ssm_dtype") == "float32"), (plan, at, hidden) =>
        {
            var module = $"{at}.linear_attn";
            if (joined)
            {
                plan.Linear($"{module}.in_proj_qkvz", convolved + values, hidden);
                plan.Linear($"{module}.in_proj_ba", 2L * valueHeads, hidden);
            }
            else
            {
                plan.Linear($"{module}.in_proj_qkv", convolved, hidden);
                plan.Linear($"{module}.in_proj_z", values, hidden);
                plan.Linear($"{module}.in_proj_b", valueHeads, hidden);
                plan.Linear($"{module}.in_proj_a", valueHeads, hidden);
            }

            plan.Plain($"{module}.conv1d.weight", convolved, 1, kernel);
            plan.Plain($"{module}.dt_bias", valueHeads);
            plan.Plain($"{module}.A_log", valueHeads);
            plan.Norm($"{module}.norm", valueWidth);
            plan.Linear($"{module}.out_proj", hidden, values);
        });
    }

    /// <summary>Mamba 2 (Dao and Gu 2024): per head a width × state matrix, and the last inputs of a convolution.</summary>
    public static Mixer Mamba2(ModelConfig config)
    {
        var heads = config.Positive("mamba_num_heads", "mamba_n_heads", "num_heads");
        var width = config.Positive("mamba_head_dim", "mamba_d_head", "head_dim");
        var state = config.Positive("ssm_state_size", "mamba_d_state", "state_size");
        var groups = config.Positive("n_groups", "mamba_n_groups");
        var kernel = config.OptionalInt("conv_kernel", "mamba_d_conv") ?? 4;
        long inner = checked((long)heads * width), convolved = checked(inner + (2L * groups * state));
        var bias = config.Bool("use_bias", config.Bool("mamba_proj_bias"));
        var kept = State((kernel - 1) * convolved, checked(inner * state), config.Text("mamba_ssm_cache_dtype") == "float32");
        return new Mixer.Own(kept, (plan, at, hidden) =>
        {
            var module = $"{at}.mixer";
            plan.Linear($"{module}.in_proj", checked((2 * inner) + (2L * groups * state) + heads), hidden, bias);
            plan.Plain($"{module}.conv1d.weight", convolved, 1, kernel);
            if (config.Bool("use_conv_bias", config.Bool("mamba_conv_bias", true)))
                plan.Plain($"{module}.conv1d.bias", convolved);
            plan.Plain($"{module}.A_log", heads);
            plan.Plain($"{module}.D", heads);
            plan.Plain($"{module}.dt_bias", heads);
            plan.Norm($"{module}.norm", inner);
            plan.Linear($"{module}.out_proj", hidden, inner, bias);
        });
    }

    /// <summary>Mamba (Gu and Dao 2023): a state for each inner channel.</summary>
    public static Mixer Mamba(ModelConfig config, int hidden) => Selective(new Scan(
        "mixer",
        config.OptionalInt("intermediate_size", "d_inner") ?? checked(hidden * (config.OptionalInt("expand", "mamba_expand") ?? 2)),
        config.OptionalInt("state_size", "mamba_d_state", "d_state") ?? 16,
        config.OptionalInt("conv_kernel", "mamba_d_conv", "d_conv") ?? 4,
        config.OptionalInt("time_step_rank", "mamba_dt_rank") ?? (hidden + 15) / 16,
        config.Bool("use_bias"), config.Bool("use_conv_bias", true), HasNorms: false));

    /// <summary>Jamba's Mamba, with norms on time step, input and output.</summary>
    public static Mixer Jamba(ModelConfig config, int hidden) => Selective(new Scan(
        "mamba",
        checked(hidden * config.Int("mamba_expand", 2)),
        config.Int("mamba_d_state", 16),
        config.Int("mamba_d_conv", 4),
        config.OptionalInt("mamba_dt_rank") ?? (hidden + 15) / 16,
        config.Bool("mamba_proj_bias"), config.Bool("mamba_conv_bias", true), HasNorms: true));

    private sealed record Scan(string Module, int Inner, int State, int Kernel, int Rank, bool Bias, bool ConvolutionBias, bool HasNorms);

    private static Mixer.Own Selective(Scan scan)
    {
        var (inner, state) = (scan.Inner, scan.State);
        return new Mixer.Own(State((long)(scan.Kernel - 1) * inner, (long)inner * state, wide: true), (plan, at, hidden) =>
        {
            var module = $"{at}.{scan.Module}";
            plan.Linear($"{module}.in_proj", 2L * inner, hidden, scan.Bias);
            plan.Plain($"{module}.conv1d.weight", inner, 1, scan.Kernel);
            if (scan.ConvolutionBias)
                plan.Plain($"{module}.conv1d.bias", inner);
            plan.Linear($"{module}.x_proj", scan.Rank + (2L * state), inner);
            plan.Linear($"{module}.dt_proj", inner, scan.Rank, bias: true);
            plan.Plain($"{module}.A_log", inner, state);
            plan.Plain($"{module}.D", inner);
            if (scan.HasNorms)
            {
                plan.Norm($"{module}.dt_layernorm", scan.Rank);
                plan.Norm($"{module}.b_layernorm", state);
                plan.Norm($"{module}.c_layernorm", state);
            }

            plan.Linear($"{module}.out_proj", hidden, inner, scan.Bias);
        });
    }

    /// <summary>Kimi Delta Attention (Moonshot 2025): a gated delta rule whose decay differs by channel.</summary>
    public static Mixer KimiDelta(ModelConfig linear)
    {
        var (heads, width) = (linear.Positive("num_heads"), linear.Positive("head_dim"));
        var kernel = linear.Int("short_conv_kernel_size", 4);
        var all = checked((long)heads * width);
        var full = linear.Bool("use_full_rank_gate");
        return new Mixer.Own(State((kernel - 1) * 3 * all, checked(all * width), wide: true), (plan, at, hidden) =>
        {
            var module = $"{at}.self_attn";
            foreach (var part in (ReadOnlySpan<string>)["q", "k", "v"])
            {
                plan.Linear($"{module}.{part}_proj", all, hidden);
                plan.Plain($"{module}.{part}_conv1d.weight", all, 1, kernel);
            }

            plan.Plain($"{module}.A_log", 1, 1, heads, 1);
            plan.Plain($"{module}.dt_bias", all);
            plan.Linear($"{module}.f_a_proj", width, hidden);
            plan.Linear($"{module}.f_b_proj", all, width);
            plan.Linear($"{module}.b_proj", heads, hidden);
            if (full)
            {
                plan.Linear($"{module}.g_proj", all, hidden);
            }
            else
            {
                plan.Linear($"{module}.g_a_proj", width, hidden);
                plan.Linear($"{module}.g_b_proj", all, width);
            }

            plan.Norm($"{module}.o_norm", width);
            plan.Linear($"{module}.o_proj", hidden, all);
        });
    }

    private static LayerCache State(long convolution, long matrix, bool wide) => new()
    {
        Kind = CacheKind.State,
        StateElements = checked(convolution + (wide ? 2 * matrix : matrix)),
        StateElementBytes = 2,
    };
}
