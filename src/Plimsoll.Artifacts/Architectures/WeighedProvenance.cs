using System.Collections.Immutable;

namespace Plimsoll.Artifacts;

/// <summary>Where a weighed model's numbers come from.</summary>
internal static class WeighedProvenance
{
    public static ImmutableArray<Provenance> Of(ArtifactHeader header, WeighedModel model)
    {
        var tensors = model.Source == FootprintSource.Header;
        var told = model.Estimated || model.Assumed ? Certainty.Assumed : Certainty.Exact;
        var certainty = tensors ? Certainty.Exact : told;
        var written = model.Shape is null ? "" : $"config.json: the tensors that {model.Shape.Architecture} has with its fields";
        var listed = $"{FormatName(header)}: dtype and shape of {Count(header)}";
        var from = tensors ? listed : model.Estimated ? written + ", taken to be built as usual" : written;
        var found = ImmutableArray.CreateBuilder<Provenance>();
        found.Add(new Provenance("activeParameters", model.Shape is null ? Certainty.Assumed : told,
            model.Shape?.Layers.Any(run => run.Experts > 0) == true ? $"{from}; {Config(header)} num_experts_per_tok of the experts" : from));
        found.Add(new Provenance("byDtype", certainty, from));
        found.Add(new Provenance("components", certainty, $"{from}, by name"));
        if (model.Shape is { } shape)
        {
            found.Add(new Provenance("kvBytesPerToken", told, Caches(header, shape)));
            found.Add(new Provenance("shape", model.Estimated ? Certainty.Assumed : Certainty.Exact, Config(header) + " its architecture's fields"));
            found.Add(new Provenance("stateBytesPerSequence", told, Config(header) + " fields of its state or cross-attention"));
        }

        found.Add(new Provenance("largestTensorBytes", certainty, from));
        found.Add(new Provenance("parameters", certainty, from));
        found.Add(new Provenance("weightBytes", certainty, from));
        return [.. found.OrderBy(one => one.Number, StringComparer.Ordinal)];
    }

    private static string Caches(ArtifactHeader header, ModelShape shape)
    {
        var latent = shape.Layers.Any(run => run.Cache.Kind == CacheKind.Latent);
        var gguf = header.Format == ArtifactFormat.Gguf;
        var fields = latent
            ? gguf ? "attention.kv_lora_rank + rope.dimension_count" : "kv_lora_rank + qk_rope_head_dim"
            : gguf ? "attention.head_count_kv × (attention.key_length + attention.value_length)" : "num_key_value_heads × head_dim × 2";
        return $"{Config(header)} {fields}, over {shape.LayerCount} layers, {Dtypes.Bits(shape.ComputeDtype) / 8} bytes an element ({shape.ComputeDtype})";
    }

    private static string Config(ArtifactHeader header) => header.Format == ArtifactFormat.Gguf ? "GGUF header:" : "config.json:";

    private static string Count(ArtifactHeader header)
    {
        var tensors = header.Tensors.Length + header.Parts.Sum(part => part.Header.Tensors.Length);
        return tensors == 1 ? "1 tensor" : $"{tensors} tensors";
    }

    private static string FormatName(ArtifactHeader header) => header.Format switch
    {
        ArtifactFormat.Diffusers or ArtifactFormat.TritonRepository => "the parts' headers",
        ArtifactFormat.HuggingFace when header.Files.Any(file => file.Name.EndsWith(".bin", StringComparison.Ordinal)) => "PyTorch header",
        ArtifactFormat.Gguf => "GGUF header",
        ArtifactFormat.Onnx => "ONNX header",
        ArtifactFormat.PyTorch => "PyTorch header",
        ArtifactFormat.Lora => "adapter's header",
        _ => "safetensors header",
    };
}
