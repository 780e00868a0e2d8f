namespace Plimsoll.Artifacts;

/// <summary>A layer's feed-forward part.</summary>
internal abstract record FeedForward
{
    private FeedForward() { }

    public abstract void Plan(TensorPlan plan, string at, long hidden);

    public sealed record Nothing : FeedForward
    {
        public override void Plan(TensorPlan plan, string at, long hidden) { }
    }

    /// <summary>Two matrices, or three with a gate.</summary>
    public sealed record Dense(int Width, bool Gated) : FeedForward
    {
        public bool Bias { get; init; }

        public DenseNames Names { get; init; } = DenseNames.Llama;

        public override void Plan(TensorPlan plan, string at, long hidden)
        {
            var module = Names.Module.Length == 0 ? at : $"{at}.{Names.Module}";
            if (Names.FusedGate is { } fused)
            {
                plan.Linear($"{module}.{fused}", 2L * Width, hidden, Bias);
            }
            else
            {
                if (Gated)
                    plan.Linear($"{module}.{Names.Gate}", Width, hidden, Bias);
                plan.Linear($"{module}.{Names.Up}", Width, hidden, Bias);
            }

            plan.Linear($"{module}.{Names.Down}", hidden, Width, Bias);
        }
    }

    /// <summary>A router and experts, of which a token passes some, and experts that every token passes.</summary>
    public sealed record Mixture(int Experts, int PerToken, int Width) : FeedForward
    {
        public bool Gated { get; init; } = true;

        public bool Bias { get; init; }

        public bool RouterBias { get; init; }

        /// <summary>Name of a per-expert correction of the router's scores; null for none.</summary>
        public string? Correction { get; init; }

        public int SharedWidth { get; init; }

        /// <summary>One learned scalar gate on the shared experts.</summary>
        public bool SharedGate { get; init; }

        /// <summary>Width the routed experts work in, with projections to and from it; 0 for the hidden size.</summary>
        public int Latent { get; init; }

        public string LatentIn { get; init; } = "fc1_latent_proj";

        public string LatentOut { get; init; } = "fc2_latent_proj";

        /// <summary>The experts of a layer lie in one tensor.</summary>
        public bool Stacked { get; init; }

        public MixtureNames Names { get; init; } = MixtureNames.Qwen;

        public override void Plan(TensorPlan plan, string at, long hidden)
        {
            var module = Names.Module.Length == 0 ? at : $"{at}.{Names.Module}";
            plan.Plain($"{module}.{Names.Router}.weight", Experts, hidden);
            if (RouterBias)
                plan.Plain($"{module}.{Names.Router}.bias", Experts);
            if (Correction is not null)
                plan.Fixed($"{module}.{Correction}", "float32", Experts);
            long inner = Latent > 0 ? Latent : hidden;
            if (Latent > 0)
            {
                plan.Linear($"{module}.{LatentIn}", Latent, hidden);
                plan.Linear($"{module}.{LatentOut}", hidden, Latent);
            }

            PlanExperts(plan, module, inner);
            if (SharedWidth == 0)
                return;
            if (Gated)
                plan.Linear($"{module}.{Names.Shared}.{Names.SharedGate}", SharedWidth, hidden);
            plan.Linear($"{module}.{Names.Shared}.{Names.SharedUp}", SharedWidth, hidden);
            plan.Linear($"{module}.{Names.Shared}.{Names.SharedDown}", hidden, SharedWidth);
            if (SharedGate)
                plan.Plain($"{module}.shared_expert_gate.weight", 1, hidden);
        }

        private void PlanExperts(TensorPlan plan, string module, long inner)
        {
            var experts = Names.Experts.Length == 0 ? module : $"{module}.{Names.Experts}";
            if (Stacked)
            {
                plan.Stacked($"{experts}.{Names.GateUp}", Experts, Gated ? 2L * Width : Width, inner);
                plan.Stacked($"{experts}.{Names.Down}", Experts, inner, Width);
                if (Bias)
                {
                    plan.Plain($"{experts}.{Names.GateUp}_bias", Experts, Gated ? 2L * Width : Width);
                    plan.Plain($"{experts}.{Names.Down}_bias", Experts, inner);
                }

                return;
            }

            if (Gated)
                plan.Linear($"{experts}.0.{Names.Gate}", Width, inner, Bias, Experts);
            plan.Linear($"{experts}.0.{Names.Up}", Width, inner, Bias, Experts);
            plan.Linear($"{experts}.0.{Names.Down}", inner, Width, Bias, Experts);
        }
    }

    /// <summary>A dense part and a mixture side by side (Gemma 4).</summary>
    public sealed record Both(Dense Always, Mixture Routed) : FeedForward
    {
        public override void Plan(TensorPlan plan, string at, long hidden)
        {
            Always.Plan(plan, at, hidden);
            Routed.Plan(plan, at, hidden);
        }
    }
}

/// <summary>How a dense feed-forward part's tensors are called.</summary>
internal sealed record DenseNames(string Module, string Gate, string Up, string Down, string? FusedGate = null)
{
    public static readonly DenseNames Llama = new("mlp", "gate_proj", "up_proj", "down_proj");
}

/// <summary>How a mixture's tensors are called.</summary>
internal sealed record MixtureNames(string Module, string Router, string Experts, string Gate, string Up, string Down)
{
    public static readonly MixtureNames Qwen = new("mlp", "gate", "experts", "gate_proj", "up_proj", "down_proj");

    public static readonly MixtureNames Mixtral = new("block_sparse_moe", "gate", "experts", "w1", "w3", "w2");

    public string GateUp { get; init; } = "gate_up_proj";

    public string Shared { get; init; } = "shared_experts";

    public string SharedGate { get; init; } = "gate_proj";

    public string SharedUp { get; init; } = "up_proj";

    public string SharedDown { get; init; } = "down_proj";
}
