using System.Collections.Immutable;

namespace Plimsoll.Artifacts;

/// <summary>
/// Recognises a model's architecture and weighs it: from the tensors a header lists, or, where there is a
/// configuration alone, from those its architecture has. Both go through the same rules.
/// </summary>
public static class Architecture
{
    // A thousand times the largest published model; what takes more is no model, and arithmetic on it would overflow.
    private const long BytesMax = 1L << 55;

    /// <summary>
    /// Weighs an artefact by what its header and configuration say. Where there are tensors, their bytes are exact
    /// whatever the architecture is; what is not known of it then is said in the notes.
    /// </summary>
    /// <exception cref="ArtifactException">
    /// There are no tensors, and no configuration from which they follow; the message says which part is missing.
    /// </exception>
    public static WeighedModel Weigh(ArtifactHeader header)
    {
        ArgumentNullException.ThrowIfNull(header);
        try
        {
            var model = WeighChecked(header);
            return model.Weights.Value <= BytesMax ? model : throw TooLarge(header, null);
        }
        catch (OverflowException wrong)
        {
            throw TooLarge(header, wrong);
        }
    }

    /// <summary>Weighs an artefact and fills a footprint with it, each number with where it comes from.</summary>
    /// <param name="header">What its reader returned.</param>
    /// <param name="digest">Identity of its content.</param>
    /// <exception cref="ArtifactException">As for <see cref="Weigh"/>.</exception>
    public static Footprint FootprintOf(ArtifactHeader header, string digest) => FootprintOf(header, Weigh(header), digest);

    /// <summary>The same for a model that was weighed before.</summary>
    public static Footprint FootprintOf(ArtifactHeader header, WeighedModel model, string digest)
    {
        ArgumentNullException.ThrowIfNull(header);
        ArgumentNullException.ThrowIfNull(model);
        try
        {
            var footprint = ArchitectureFootprint.Of(header, model, digest);
            return footprint.OnDisk.Value <= BytesMax && footprint.KvPerToken.Value <= BytesMax && footprint.StatePerSequence.Value <= BytesMax
                ? footprint : throw TooLarge(header, null);
        }
        catch (OverflowException wrong)
        {
            throw TooLarge(header, wrong);
        }
    }

    private static ArtifactException TooLarge(ArtifactHeader header, OverflowException? wrong) => new(
        $"{header.Source} describes more than {new Bytes(BytesMax)}, which no model has: a size in its header or config.json is wrong.", wrong!);

    private static WeighedModel WeighChecked(ArtifactHeader header)
    {
        if (header.Tensors.IsEmpty && !header.Parts.IsEmpty)
            return WeighedParts.Of(header);
        // The weights lie elsewhere: what names them takes a few bytes, and tells nothing of theirs.
        if (header.Tensors.IsEmpty && header.Format == ArtifactFormat.Unknown && header.Metadata.ContainsKey(ArtifactHeader.ModelElsewhere))
            throw new ArtifactException($"{header.Source}: {header.Notes.LastOrDefault() ?? "its weights lie elsewhere."}");
        var bytesAlone = header.StorageBytes is not null || header.Config is null
            // Of a plan in a Triton repository the configuration says nothing of weights.
            || header.Format is ArtifactFormat.TensorRt or ArtifactFormat.Unknown;
        if (header.Tensors.IsEmpty && bytesAlone && !header.Files.IsEmpty)
            return BytesAlone(header);
        var read = ReadModel.Of(header);
        return header.Tensors.IsEmpty ? FromConfiguration(header, read) : FromTensors(header, read);
    }

    // No tensor and no configuration: what the files take is all there is, and no weight takes more.
    private static WeighedModel BytesAlone(ArtifactHeader header)
    {
        var read = ReadModel.Of(header with { Tensors = [new StoredTensor("all", "uint8", [1], 1)] });
        var bytes = header.StorageBytes ?? header.Files.Where(file => !file.Name.EndsWith("config.pbtxt", StringComparison.Ordinal)).Sum(file => file.Bytes);
        var exact = header.StorageBytes is not null;
        return new WeighedModel
        {
            Source = FootprintSource.Header,
            Parameters = 0,
            ActiveParameters = 0,
            Weights = new Bytes(bytes),
            LargestTensor = Bytes.Zero,
            ByDtype = [],
            Components = [new ComponentWeight("other", 0, new Bytes(bytes))],
            Notes = [.. header.Notes, .. read.Notes, "Parameters and tensors are not known."],
            Provenance =
            [
                exact ? new Provenance("weightBytes", Certainty.Exact, "sizes of the stored weights")
                    : new Provenance("weightBytes", Certainty.Assumed, "bytes on disk: weights take no more"),
            ],
        };
    }

    private static WeighedModel FromConfiguration(ArtifactHeader header, ReadModel read)
    {
        if (read.Spec is not { } spec)
        {
            throw new ArtifactException(read.Notes is [.., var why] ? $"{header.Source}: {why}"
                : $"{header.Source} has no tensors and no config.json, so nothing says what it weighs.");
        }

        if (spec.Unplanned is not null)
            throw new ArtifactException($"{header.Source}: without tensors it cannot be weighed, because {spec.Unplanned}.");
        var (ledger, largest) = Planned(spec, read);
        return Weighed(header, ledger, read, largest, FootprintSource.Architecture);
    }

    // The tensors that a configuration describes, in a ledger, and the bytes of the largest.
    private static (WeightLedger Ledger, long Largest) Planned(ArchitectureSpec spec, ReadModel read)
    {
        var plan = new TensorPlan(read.Quantization, read.Dtype);
        spec.Plan(plan);
        var ledger = new WeightLedger(spec, spec.Layers.Length);
        foreach (var tensor in plan.Tensors)
            ledger.Add(tensor);
        return (ledger, plan.Tensors.Select(tensor => tensor.Bytes).DefaultIfEmpty(0).Max());
    }

    private static WeighedModel FromTensors(ArtifactHeader header, ReadModel read)
    {
        var layers = read.Spec?.Layers.Length ?? PredictorsFrom(header.Tensors);
        var ledger = new WeightLedger(read.Spec, layers, header.Format switch
        {
            ArtifactFormat.Lora => "adapter",
            ArtifactFormat.Onnx => "other",
            _ => null,
        });
        var bits = new PackedBits(header.Tensors, read.Quantization);
        long largest = 0;
        foreach (var tensor in header.Tensors)
        {
            var parameters = StoredParameters.Of(tensor, tensor.Dtype == "int32" ? bits.Of(tensor.Name) : 0, read.Quantization.PairsInInt8);
            ledger.Add(new WeighedTensor(tensor.Name, tensor.Dtype, parameters, tensor.Bytes, 1));
            largest = Math.Max(largest, tensor.Bytes);
        }

        // Storages that no tensor is known to lie in are loaded all the same.
        ledger.AddUnnamed(Math.Max(0, (header.StorageBytes ?? 0) - ledger.Bytes));

        // A projector for images lies in a file of its own beside a GGUF model.
        foreach (var tensor in header.Parts.SelectMany(part => part.Header.Tensors))
            ledger.Add(new WeighedTensor(tensor.Name, tensor.Dtype, StoredParameters.Of(tensor, 0, pairsInInt8: false), tensor.Bytes, 1));

        if (read.Spec is { Tied: true, Task: ModelTask.Generate } && ledger.HasHead)
            ledger.DropHead();
        var weighed = Weighed(header, ledger, read, largest, FootprintSource.Header);
        return Unlike(weighed, read) is { } note ? weighed with { Notes = weighed.Notes.Add(note) } : weighed;
    }

    // Files that hold much more or less than the configuration describes are a download that broke off, or another model's.
    private static string? Unlike(WeighedModel weighed, ReadModel read)
    {
        if (read.Estimated || read.Spec is not { Unplanned: null } spec)
            return null;
        try
        {
            var described = Planned(spec, read).Ledger.Parameters();
            return Math.Abs(weighed.Parameters - (double)described) <= described / 10.0 ? null
                : $"config.json describes a model of {described:N0} parameters, and the files hold {weighed.Parameters:N0}: some may be missing, or be another model's.";
        }
        catch (Exception wrong) when (wrong is ArtifactException or OverflowException)
        {
            return null;
        }
    }

    private static WeighedModel Weighed(ArtifactHeader header, WeightLedger ledger, ReadModel read, long largest, FootprintSource source)
    {
        var active = ledger.Active();
        var notes = header.Notes.AddRange(read.Notes);
        if (active is null)
            notes = notes.Add("Nothing says how many experts a token passes, so active parameters are not known.");
        var weighed = new WeighedModel
        {
            Source = source,
            Parameters = ledger.Parameters(),
            ActiveParameters = active ?? 0,
            Weights = new Bytes(ledger.Bytes),
            LargestTensor = new Bytes(largest),
            ByDtype = [.. ledger.ByDtype.Select(pair => new DtypeWeight(pair.Key, new Bytes(pair.Value)))],
            Components = ledger.Components(),
            Shape = read.Spec is { } spec ? Shape(spec, ledger, read, source) : null,
            Estimated = read.Estimated,
            Assumed = read.Assumed,
        };
        if (weighed.Components.FirstOrDefault(component => component.Component == "predictor") is { } predictor)
        {
            notes = notes.Add($"{predictor.Parameters:N0} parameters predict further tokens: in the weights' bytes, not among the "
                + "parameters, and not loaded unless an engine is told to speculate.");
        }

        return weighed with { Notes = notes, Provenance = WeighedProvenance.Of(header, weighed) };
    }

    private static ModelShape Shape(ArchitectureSpec spec, WeightLedger ledger, ReadModel read, FootprintSource source) => new()
    {
        Architecture = spec.Architecture,
        Task = spec.Task,
        HiddenSize = spec.Hidden,
        VocabularySize = spec.Vocabulary,
        MaxPositions = spec.MaxPositions,
        AttentionHeads = spec.Heads,
        RotaryWidth = spec.RotaryWidth,
        RotaryRows = spec.RotaryRows,
        ScaledPositions = spec.ScaledPositions,
        ComputeDtype = read.Dtype,
        Quantization = read.Method,
        StatedCache = read.Quantization.Cache,
        WeightBlock = read.Quantization.Block,
        TiedEmbeddings = source == FootprintSource.Header && spec.Task == ModelTask.Generate ? !ledger.HasHead || spec.Tied : spec.Tied,
        Before = ledger.Outside(ModelSection.Before),
        Layers = ledger.Runs(),
        After = ledger.Outside(ModelSection.After),
        NotServed = ledger.Outside(ModelSection.NotServed),
        EncoderTokensMax = spec.EncoderTokensMax,
        EncoderInputElements = spec.EncoderInputElements,
        EncoderWork = spec.EncoderWork,
    };

    // Without a configuration: the first layer that joins two inputs is no layer of the model itself; 0 for none.
    private static int PredictorsFrom(ImmutableArray<StoredTensor> tensors)
    {
        var first = int.MaxValue;
        var places = new TensorPlaces(encoderDecoder: false, layers: 0);
        foreach (var tensor in tensors)
        {
            if (tensor.Name.Contains(".eh_proj.", StringComparison.Ordinal))
                first = Math.Min(first, places.Of(tensor.Name).Layer);
        }

        return first == int.MaxValue ? 0 : first;
    }
}
