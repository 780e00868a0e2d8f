using System.Collections.Immutable;

namespace Plimsoll.Artifacts;

/// <summary>What an artefact's configuration says of it, as far as it is understood.</summary>
internal sealed record ReadModel
{
    private const string AssumedDtype = "bfloat16";

    private static readonly string[] Whole = ["F64", "F32", "F16", "BF16", "I8", "I16", "I32", "I64"];

    /// <summary>Null where the architecture is not known and cannot be guessed.</summary>
    public ArchitectureSpec? Spec { get; private init; }

    public Quantization Quantization { get; private init; } = Quantization.None;

    /// <summary>How weights are quantised, in a shape's names.</summary>
    public string? Method { get; private init; }

    public string Dtype { get; private init; } = AssumedDtype;

    /// <summary>The architecture is not known, and taken for the usual one with its fields.</summary>
    public bool Estimated { get; private init; }

    /// <summary>Something that the configuration does not say was filled in; the notes say what.</summary>
    public bool Assumed { get; private init; }

    public ImmutableArray<string> Notes { get; private init; } = [];

    /// <summary>
    /// Reads the configuration. Where there are tensors, what cannot be understood is a note; without them it is an error.
    /// </summary>
    public static ReadModel Of(ArtifactHeader header)
    {
        if (header.Format == ArtifactFormat.Gguf)
            return OfGguf(header);
        if (header.Config is null || header.Format is not (ArtifactFormat.HuggingFace or ArtifactFormat.Safetensors or ArtifactFormat.PyTorch))
            return new ReadModel();
        try
        {
            var config = ModelConfig.Parse(header.Config);
            // A component of a diffusion pipeline keeps nothing per token, and its tensors tell the rest.
            if (!header.Tensors.IsEmpty && config.Has("_class_name") && !config.Has("model_type") && !config.Has("architectures"))
                return new ReadModel();
            return OfConfiguration(config, header);
        }
        catch (ArtifactException wrong) when (!header.Tensors.IsEmpty)
        {
            return new ReadModel { Notes = [$"The weights are exact; what the model keeps per token is not known, because {wrong.Message}"] };
        }
        catch (OverflowException) when (!header.Tensors.IsEmpty)
        {
            return new ReadModel
            {
                Notes = ["The weights are exact; the numbers of config.json describe a model too large to be true and are not used."],
            };
        }
    }

    private static ReadModel OfConfiguration(ModelConfig config, ArtifactHeader header)
    {
        var quantization = QuantizationOf(config, header);
        var spec = FamilyCatalogue.Read(config);
        var estimated = spec is null;
        spec ??= FamilyCatalogue.Estimate(config, out var why) ?? throw new ArtifactException(why);
        // How an embedding model is pooled stands in a file beside it, whatever class it was published as (Qwen3-Embedding).
        if (spec.Task == ModelTask.Generate && header.Files.Any(file => file.Name == "modules.json"))
            spec = spec with { Task = ModelTask.Embed, Tied = false };
        var named = config.Text("torch_dtype", "dtype") ?? config.Section("text_config", "llm_config")?.Text("torch_dtype", "dtype");
        var notes = spec.Notes.AddRange(quantization.Notes);
        if (Dtypes.Named(named) is null)
            notes = notes.Add($"config.json names no dtype; {spec.DefaultDtype} is assumed.");
        return new ReadModel
        {
            Spec = spec,
            Quantization = quantization,
            Method = quantization.Method,
            Dtype = Dtypes.Named(named) ?? spec.DefaultDtype,
            Estimated = estimated,
            Assumed = estimated || !notes.IsEmpty,
            Notes = notes,
        };
    }

    private static Quantization QuantizationOf(ModelConfig config, ArtifactHeader header)
    {
        try
        {
            return Quantization.Of(config, header.QuantizationConfig);
        }
        catch (ArtifactException wrong) when (!header.Tensors.IsEmpty)
        {
            return Quantization.Unknown(config, wrong.Message);
        }
    }

    private static ReadModel OfGguf(ArtifactHeader header)
    {
        var spec = GgufSpec.Read(header.Metadata, header.Tensors.Length);
        return new ReadModel
        {
            Spec = spec,
            Method = header.Tensors.Any(tensor => Dtypes.Bits(tensor.Dtype) is null && !Whole.Contains(tensor.Dtype)) ? "gguf" : null,
            Dtype = "float16",
            Notes = spec is null
                ? ["The header names no architecture with its blocks and width, so what the model keeps per token is not known."] : [],
        };
    }
}
