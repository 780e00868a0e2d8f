using System.Collections.Immutable;

namespace Plimsoll.Artifacts;

/// <summary>
/// All that the headers of an artefact say, before an architecture is recognised in it: what every reader returns.
/// </summary>
public sealed record ArtifactHeader
{
    /// <summary>The key in <see cref="Metadata"/> under which a format that is not known names a model elsewhere, whose weights
    /// these files have not.</summary>
    internal const string ModelElsewhere = "model";

    public required ArtifactFormat Format { get; init; }

    /// <summary>The artefact as messages name it; no credentials in it.</summary>
    public required string Source { get; init; }

    /// <summary>All files that serving needs, the one that names the others first.</summary>
    public required ImmutableArray<ModelFile> Files { get; init; }

    /// <summary>Every tensor, in the files' order; empty when no header tells (a configuration alone, an unknown format).</summary>
    public ImmutableArray<StoredTensor> Tensors { get; init; } = [];

    /// <summary>Exact bytes of the weights where they are known and <see cref="Tensors"/> lists not all of them (a PyTorch file
    /// whose pickle is not understood, or in part, or whose tensors are parts of larger storages): those listed are among them,
    /// and the rest is weighed without a shape. Null where the tensors tell them, or nothing does.</summary>
    public long? StorageBytes { get; init; }

    /// <summary>The text of config.json, of model_index.json for a pipeline, of adapter_config.json for an adapter, or of
    /// config.pbtxt for a model of a Triton repository; null without one.</summary>
    public string? Config { get; init; }

    /// <summary>The text of hf_quant_config.json or quantize_config.json; null without one.</summary>
    public string? QuantizationConfig { get; init; }

    /// <summary>What describes the model beside its tensors, as text: a GGUF header's key-values about the architecture
    /// (numbers per block joined by commas; "tokenizer.ggml.tokens.count" for the vocabulary), an adapter's rank and
    /// targets, a Triton model's backend and instances, what a file's own metadata says.</summary>
    public ImmutableDictionary<string, string> Metadata { get; init; } = ImmutableDictionary<string, string>.Empty;

    /// <summary>Parts that are artefacts themselves: components of a pipeline, models of a Triton repository.</summary>
    public ImmutableArray<ArtifactPart> Parts { get; init; } = [];

    /// <summary>What a reader should know about what was read.</summary>
    public ImmutableArray<string> Notes { get; init; } = [];
}

/// <summary>A named part of an artefact.</summary>
public sealed record ArtifactPart(string Name, ArtifactHeader Header);
