namespace Plimsoll.Artifacts;

/// <summary>What a layer mixes tokens with: attention or a state. It knows its tensors and what it keeps.</summary>
internal abstract record Mixer
{
    private Mixer() { }

    public abstract LayerCache Cache { get; }

    /// <summary>Writes down its tensors, whose names begin with <paramref name="at"/>.</summary>
    public abstract void Plan(TensorPlan plan, string at, long hidden);

    /// <summary>Nothing: a layer that is only a feed-forward part.</summary>
    public sealed record Nothing : Mixer
    {
        public override LayerCache Cache => LayerCache.None;

        public override void Plan(TensorPlan plan, string at, long hidden) { }
    }

    /// <summary>Attention with keys and values for each key-value head: all heads, groups of them, or one.</summary>
    public sealed record Attention(int Heads, int KvHeads, int HeadWidth) : Mixer
    {
        /// <summary>Elements of a value; those of a key unless said.</summary>
        public int ValueWidth { get; init; } = HeadWidth;

        public bool QueryBias { get; init; }

        public bool KeyBias { get; init; }

        public bool ValueBias { get; init; }

        public bool OutBias { get; init; }

        /// <summary>Query and key norms: none, one head wide, or all heads wide.</summary>
        public QkNorm QkNorm { get; init; }

        public bool QkNormBias { get; init; }

        /// <summary>The query projection also gives a gate on the output, as wide as the queries.</summary>
        public bool Gated { get; init; }

        /// <summary>Keys serve as values: no value projection.</summary>
        public bool KeysAreValues { get; init; }

        /// <summary>Keys and values come from an earlier layer: no projections and no cache.</summary>
        public bool Shared { get; init; }

        public int? Window { get; init; }

        /// <summary>The name of one learned logit a head that takes up attention; null for none.</summary>
        public string? Sinks { get; init; }

        public AttentionNames Names { get; init; } = AttentionNames.Llama;

        public override LayerCache Cache => Shared ? LayerCache.None : new LayerCache
        {
            Kind = CacheKind.KeyValue,
            KvHeads = KvHeads,
            KeyWidth = HeadWidth,
            ValueWidth = ValueWidth,
            Window = Window,
        };

        public override void Plan(TensorPlan plan, string at, long hidden)
        {
            var (queries, keys, values) = ((long)Heads * HeadWidth, (long)KvHeads * HeadWidth, (long)KvHeads * ValueWidth);
            var module = $"{at}.{Names.Module}";
            if (Names.Fused is { } fused)
            {
                plan.Linear($"{module}.{fused}", queries + keys + values, hidden, QueryBias);
            }
            else
            {
                plan.Linear($"{module}.{Names.Query}", Gated ? 2 * queries : queries, hidden, QueryBias);
                if (!Shared)
                {
                    plan.Linear($"{module}.{Names.Key}", keys, hidden, KeyBias);
                    if (!KeysAreValues)
                        plan.Linear($"{module}.{Names.Value}", values, hidden, ValueBias);
                }
            }

            plan.Linear($"{module}.{Names.Out}", hidden, (long)Heads * ValueWidth, OutBias);
            if (Sinks is not null)
                plan.Plain($"{module}.{Sinks}", Heads);
            if (QkNorm == QkNorm.None)
                return;
            plan.Norm($"{module}.{Names.QueryNorm}", QkNorm == QkNorm.Head ? HeadWidth : queries, QkNormBias);
            if (!Shared)
                plan.Norm($"{module}.{Names.KeyNorm}", QkNorm == QkNorm.Head ? HeadWidth : keys, QkNormBias);
        }
    }

    /// <summary>
    /// Multi-head latent attention (DeepSeek-AI 2024, section 2.1): one compressed vector a token with a rotary part,
    /// on every rank; optionally a lightning indexer (DeepSeek-V3.2) whose keys are kept at a byte an element.
    /// </summary>
    public sealed record LatentAttention(int Heads, int LatentWidth, int RotaryWidth, int PlainWidth, int ValueWidth) : Mixer
    {
        /// <summary>Width the queries are compressed to; 0 for not at all.</summary>
        public int QueryLatent { get; init; }

        public bool Bias { get; init; }

        /// <summary>A gate on the output, as wide as the values.</summary>
        public bool OutputGate { get; init; }

        public int IndexHeads { get; init; }

        public int IndexWidth { get; init; }

        // An indexed key is IndexWidth float8 elements and a float32 scale for each 128 of them.
        public override LayerCache Cache => new()
        {
            Kind = CacheKind.Latent,
            KeyWidth = LatentWidth + RotaryWidth,
            LatentHeadWidth = PlainWidth + ValueWidth,
            ExtraBytesPerToken = IndexHeads > 0 ? IndexWidth + ((IndexWidth + 127) / 128 * 4) : 0,
        };

        public override void Plan(TensorPlan plan, string at, long hidden)
        {
            var module = $"{at}.self_attn";
            var queries = (long)Heads * (PlainWidth + RotaryWidth);
            if (QueryLatent > 0)
            {
                plan.Linear($"{module}.q_a_proj", QueryLatent, hidden, Bias);
                plan.Norm($"{module}.q_a_layernorm", QueryLatent);
                plan.Linear($"{module}.q_b_proj", queries, QueryLatent);
            }
            else
            {
                plan.Linear($"{module}.q_proj", queries, hidden);
            }

            plan.Linear($"{module}.kv_a_proj_with_mqa", LatentWidth + RotaryWidth, hidden, Bias);
            plan.Norm($"{module}.kv_a_layernorm", LatentWidth);
            plan.Linear($"{module}.kv_b_proj", (long)Heads * (PlainWidth + ValueWidth), LatentWidth);
            plan.Linear($"{module}.o_proj", hidden, (long)Heads * ValueWidth, Bias);
            if (OutputGate)
                plan.Linear($"{module}.g_proj", (long)Heads * ValueWidth, hidden);
            if (IndexHeads == 0)
                return;
            plan.Linear($"{module}.indexer.wq_b", (long)IndexHeads * IndexWidth, QueryLatent);
            plan.Linear($"{module}.indexer.wk", IndexWidth, hidden);
            plan.Norm($"{module}.indexer.k_norm", IndexWidth, bias: true);
            plan.Plain($"{module}.indexer.weights_proj.weight", IndexHeads, hidden);
        }
    }

    /// <summary>A mixer of its own: the function writes down its tensors.</summary>
    public sealed record Own(LayerCache Kept, Action<TensorPlan, string, long> Write) : Mixer
    {
        public override LayerCache Cache => Kept;

        public override void Plan(TensorPlan plan, string at, long hidden) => Write(plan, at, hidden);
    }
}

internal enum QkNorm { None, Head, Full }

/// <summary>How an attention's tensors are called.</summary>
internal sealed record AttentionNames(string Module, string Query, string Key, string Value, string Out, string? Fused = null)
{
    public static readonly AttentionNames Llama = new("self_attn", "q_proj", "k_proj", "v_proj", "o_proj");

    public string QueryNorm { get; init; } = "q_norm";

    public string KeyNorm { get; init; } = "k_norm";
}
