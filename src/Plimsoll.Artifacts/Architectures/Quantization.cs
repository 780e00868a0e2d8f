using System.Collections.Frozen;
using System.Collections.Immutable;

namespace Plimsoll.Artifacts;

/// <summary>How a model's weights are quantised: which linear layers, and into which form.</summary>
internal sealed class Quantization
{
    // The longest published list has 712 entries for some 1,100 modules; a list of a million for as many would never end.
    private const int PatternsMax = 20_000;
    private const int ExpressionsMax = 256;
    private const long TestsMax = 2_000_000;

    public static readonly Quantization None = new() { Method = null, Notes = [] };

    private ImmutableArray<ModulePattern> _left = [];
    private FrozenDictionary<string, QuantizedForm> _byModule = FrozenDictionary<string, QuantizedForm>.Empty;
    private ImmutableArray<(ModulePattern? Target, QuantizedForm Form)> _groups = [];
    private bool _headToo;
    private bool _layersOnly;
    private bool _isMixed;
    private long _tests;

    /// <summary>The method, in the names of <see cref="ModelShape.Quantization"/>; null for none.</summary>
    public required string? Method { get; init; }

    /// <summary>Bits of a packed weight, where words hold several; 0 when none do.</summary>
    public int PackedBits { get; private init; }

    /// <summary>How keys and values are to be kept; null where it does not say.</summary>
    public StatedCache? Cache { get; private init; }

    /// <summary>The blocks of 8-bit floats that share a scale; null without.</summary>
    public WeightBlock? Block => _groups.Select(group => group.Form).Concat(_byModule.Values)
        .Where(form => form is { Layout: QuantizedLayout.Bytes, Bits: 8, BlockRows: > 1, GroupSize: > 1 } && form.Dtype != "int8")
        .Select(form => new WeightBlock(form.BlockRows, form.GroupSize)).FirstOrDefault();

    /// <summary>Whether int8 weights are pairs of 4-bit floats.</summary>
    public bool PairsInInt8 { get; private init; }

    public required ImmutableArray<string> Notes { get; init; }

    /// <summary>Bits of a module's packed weights: its own where groups of modules differ.</summary>
    public int PackedBitsOf(string module)
    {
        if (!_isMixed)
            return PackedBits;
        try
        {
            return FormOf(module, head: false) is { Layout: QuantizedLayout.Packed or QuantizedLayout.Gptq or QuantizedLayout.Awq } form ? form.Bits : PackedBits;
        }
        catch (ArtifactException)
        {
            // More patterns than are compared: the bytes are exact all the same.
            return PackedBits;
        }
    }

    /// <summary>The form of a linear layer; null when it is stored as it is.</summary>
    public QuantizedForm? FormOf(string module, bool head)
    {
        if (Method is null || (_layersOnly && !head && !TensorPlaces.IsInLayer(module)))
            return null;
        for (var end = module.Length; end > 0; end = module.LastIndexOf('.', end - 1))
        {
            if (_byModule.TryGetValue(module[..end], out var named))
                return named;
        }

        _tests += _left.Length + _groups.Length;
        if (_tests > TestsMax)
        {
            throw new ArtifactException($"config.json leaves out {_left.Length} patterns of modules; "
                + "with as many modules as it describes they are too many to compare.");
        }

        if (_groups.IsEmpty || (head && !_headToo) || _left.Any(pattern => pattern.Matches(module)))
            return null;
        foreach (var (target, form) in _groups)
        {
            if (target is null || target.Matches(module))
                return form;
        }

        return null;
    }

    /// <summary>Reads quantization_config of config.json, and hf_quant_config.json or quantize_config.json.</summary>
    /// <exception cref="ArtifactException">It names a method or a form that is not known.</exception>
    public static Quantization Of(ModelConfig config, string? beside)
    {
        ArgumentNullException.ThrowIfNull(config);
        var section = config.Section("quantization_config")
            ?? config.Section("text_config", "llm_config")?.Section("quantization_config");
        var file = beside is null ? null : ModelConfig.Parse(beside, "hf_quant_config.json");
        // Engines go by config.json's own words on the cache, and by the file beside it where it has no section.
        if (file?.Section("quantization") is { } modelopt)
            return ModelOpt(modelopt, section ?? modelopt);
        if (section is null)
            return file is not null && file.Has("bits") ? Packed(file, "gptq") : None;
        var method = section.Text("quant_method");
        return method switch
        {
            "fp8" => Fp8(section, config),
            // One float32 scale a row (Llama 3.1 405B FP8's own form).
            "fbgemm_fp8" => new Quantization
            {
                Method = "fp8",
                Notes = [],
                _left = Patterns(section, "modules_to_not_convert"),
                _groups = [(null, new QuantizedForm(QuantizedLayout.Bytes, "float8_e4m3fn", 8) { BlockRows = 1, ScaleDtype = "float32" })],
            },
            "compressed-tensors" => CompressedTensors(section, section.Has("kv_cache_scheme") ? new StatedCache("fp8", "compressed-tensors") : null),
            "gptq" or "gptqmodel" => Packed(section, "gptq"),
            "awq" => Packed(section, "awq"),
            "bitsandbytes" => Bitsandbytes(section),
            "mxfp4" => new Quantization
            {
                Method = "mxfp4",
                Notes = [],
                _left = Patterns(section, "modules_to_not_convert"),
                _groups = [(null, Mxfp4("uint8", "weight_scale"))],
            },
            "modelopt" or "modelopt_fp4" or "modelopt_mixed" => ModelOpt(section, section),
            null when section.Has("quant_algo") => ModelOpt(section, section),
            _ => throw new ArtifactException(
                $"{section.File}: quantization_config.quant_method is {method ?? "not there"}; known are fp8, fbgemm_fp8, compressed-tensors, gptq, "
                + "awq, bitsandbytes, mxfp4 and modelopt."),
        };
    }

    /// <summary>A method that is not known, of which the tensors are at hand: they are counted as they are stored.</summary>
    public static Quantization Unknown(ModelConfig config, string why) => new()
    {
        Method = config.Section("quantization_config")?.Text("quant_method"),
        Notes = [$"{why} The weights' bytes are exact; parameters are counted as they are stored, which are fewer where several are packed in one."],
    };

    private static Quantization Fp8(ModelConfig section, ModelConfig config)
    {
        var block = section.Ints("weight_block_size");
        if (block is not ([] or [> 0, > 0]))
            throw section.Wrong("weight_block_size", $"{block.Length} numbers", "two numbers above 0");
        var form = new QuantizedForm(QuantizedLayout.Bytes, "float8_e4m3fn", 8)
        {
            GroupSize = block is [_, var inputs] ? inputs : 0,
            BlockRows = block is [var rows, _] ? rows : 0,
            ScaleName = block.IsEmpty ? "weight_scale" : "weight_scale_inv",
            ScaleDtype = section.Text("scale_fmt") == "ue8m0" && config.Has("compress_ratios") ? "float8_e8m0fnu" : "float32",
            InputScale = section.Text("activation_scheme") == "static",
        };
        // DeepSeek V4 keeps its experts at four bits, and says so beside the rest.
        var experts = config.Text("expert_dtype") == "fp4" ? Mxfp4("int8", "scale") : null;
        if (section.Text("moe_quant_algo") == "NVFP4")
            experts = NvFp4();
        return new Quantization
        {
            Method = experts is null ? "fp8" : section.Has("moe_quant_algo") ? "nvfp4" : "mxfp4",
            PairsInInt8 = experts?.Dtype == "int8",
            Notes = [],
            _left = Patterns(section, "modules_to_not_convert"),
            _groups = experts is null ? [(null, form)]
                : [(ModulePattern.Of("*.experts.*", section.File), experts), (null, form)],
        };
    }

    private static Quantization CompressedTensors(ModelConfig section, StatedCache? cache)
    {
        var format = section.Text("format");
        var groups = ImmutableArray.CreateBuilder<(ModulePattern?, QuantizedForm)>();
        foreach (var (_, group) in Groups(section))
        {
            var form = GroupForm(group, group.Text("format") ?? format);
            foreach (var target in Targets(group))
                groups.Add((target, form));
        }

        var packed = groups.Select(group => group.Item2).Where(form => form.Layout == QuantizedLayout.Packed).ToList();
        return new Quantization
        {
            Method = section.IsObject("config_groups") && groups.Count > 0 ? Named(groups[0].Item2) : "compressed-tensors",
            PackedBits = packed.FirstOrDefault()?.Bits ?? 0,
            Cache = cache,
            _isMixed = packed.DistinctBy(form => form.Bits).Skip(1).Any(),
            Notes = [],
            _left = Patterns(section, "ignore"),
            _groups = [.. groups.OrderBy(group => group.Item1 is null)],
            _headToo = true,
        };
    }

    private static QuantizedForm GroupForm(ModelConfig group, string? format)
    {
        var weights = group.Section("weights")
            ?? throw new ArtifactException(
                $"{group.File} has a quantisation group without weights; its folder can only be weighed with its tensors.");
        var (bits, type) = (weights.Int("num_bits"), weights.Text("type") ?? "int");
        var size = weights.OptionalInt("group_size") ?? 0;
        if (bits == 4 && type == "float")
        {
            return format?.StartsWith("mxfp4", StringComparison.Ordinal) == true || size == 32
                ? Mxfp4("uint8", "weight_scale") with { WeightName = "weight_packed" }
                : NvFp4() with { WeightName = format is null ? "weight" : "weight_packed" };
        }

        if (format == "pack-quantized" || (bits < 8 && type == "int"))
        {
            return bits is > 0 and <= 8 ? new QuantizedForm(QuantizedLayout.Packed, "int32", bits)
            {
                GroupSize = size,
                ScaleDtype = "bfloat16",
                ZeroPoints = !weights.Bool("symmetric", true),
            }
            : throw weights.Wrong("num_bits", $"{bits}", "1 to 8 bits");
        }

        if (bits != 8)
            throw weights.Wrong("num_bits", $"{bits}", "8, or 4 for packed weights");
        var block = weights.Ints("block_structure");
        return new QuantizedForm(QuantizedLayout.Bytes, type == "float" ? "float8_e4m3fn" : "int8", 8)
        {
            GroupSize = block is [_, var inputs] ? inputs : size,
            BlockRows = block is [var rows, _] ? rows : weights.Text("strategy") is "channel" or "group" ? 1 : 0,
            ScaleDtype = "bfloat16",
            InputScale = group.Section("input_activations") is { } activations && !activations.Bool("dynamic"),
        };
    }

    private static Quantization ModelOpt(ModelConfig section, ModelConfig cached)
    {
        if (!section.Has("quant_algo") && section.Has("config_groups"))
            return CompressedTensors(section, StatedBy(cached));
        var left = Patterns(section, "exclude_modules").AddRange(Patterns(section, "ignore"));
        var byModule = new Dictionary<string, QuantizedForm>(StringComparer.Ordinal);
        foreach (var (name, layer) in section.Section("quantized_layers")?.Members() ?? [])
        {
            if (Algorithm(layer.Text("quant_algo"), section) is { } form)
                byModule[name] = form;
        }

        var algorithm = section.Text("quant_algo", "moe_quant_algo");
        var mixed = algorithm is "MIXED_PRECISION" || byModule.Count > 0;
        var whole = mixed ? null : Algorithm(algorithm, section);
        var unsaid = left.IsEmpty && byModule.Count == 0;
        return new Quantization
        {
            Method = whole is not null ? Named(whole) : byModule.Count == 0 ? null : Named(byModule.Values.MinBy(form => form.Bits)!),
            Notes = unsaid && whole is not null
                ? [$"{section.File} does not say which layers are left as they are; embeddings, the head, routers and convolutions are taken to be."]
                : [],
            Cache = StatedBy(cached),
            _left = left,
            _byModule = byModule.ToFrozenDictionary(StringComparer.Ordinal),
            _groups = whole is null ? [] : [(null, whole)],
            _headToo = !unsaid,
        };
    }

    // A scheme says that it is static, of eight bits and a float's, or an engine takes it for none; so it does an algorithm that it does not know.
    private static StatedCache? StatedBy(ModelConfig section)
    {
        try
        {
            var stated = section.IsObject("kv_cache_scheme")
                ? section.Section("kv_cache_scheme") is { } scheme && scheme.Has("dynamic") && !scheme.Bool("dynamic") && scheme.OptionalInt("num_bits") == 8 && scheme.Text("type") == "float"
                : (section.Text("kv_cache_scheme") ?? section.Text("kv_cache_quant_algo"))?.Equals("FP8", StringComparison.OrdinalIgnoreCase) == true;
            return stated ? new StatedCache("fp8", "modelopt") : null;
        }
        catch (ArtifactException)
        {
            // Fields of another kind say nothing of the cache; the weights are weighed all the same.
            return null;
        }
    }

    private static QuantizedForm? Algorithm(string? name, ModelConfig section) => name switch
    {
        null or "NO_QUANT" => null,
        "FP8" => new QuantizedForm(QuantizedLayout.Bytes, "float8_e4m3fn", 8) { InputScale = true },
        "FP8_PB_WO" or "FP8_BLOCK" => new QuantizedForm(QuantizedLayout.Bytes, "float8_e4m3fn", 8) { GroupSize = 128, BlockRows = 128 },
        "FP8_PER_CHANNEL_PER_TOKEN" => new QuantizedForm(QuantizedLayout.Bytes, "float8_e4m3fn", 8) { BlockRows = 1 },
        "MXFP8" => new QuantizedForm(QuantizedLayout.Bytes, "float8_e4m3fn", 8) { GroupSize = 32, BlockRows = 1, ScaleDtype = "uint8" },
        "NVFP4" => NvFp4(),
        "W4A16_NVFP4" => NvFp4() with { InputScale = false },
        "MXFP4" => Mxfp4("uint8", "weight_scale"),
        _ => throw section.Wrong("quant_algo", name, "FP8, MXFP8, NVFP4 or MXFP4"),
    };

    // Both take the linear layers within the text's layers: towers of images and projectors stay as they are, and GPTQ's
    // configurations do not say so (vLLM pull request 10169).
    private static Quantization Packed(ModelConfig section, string method)
    {
        var bits = Bits(section) ?? 4;
        var whole = new QuantizedForm(method == "awq" ? QuantizedLayout.Awq : QuantizedLayout.Gptq, "int32", bits) { GroupSize = GroupSize(section) ?? 0 };
        var (left, own) = Dynamic(section, whole);
        return new Quantization
        {
            Method = method,
            PackedBits = bits,
            Notes = [],
            _left = [.. Patterns(section, "modules_to_not_convert"), .. left],
            _groups = [.. own, (null, whole)],
            _headToo = section.Bool("lm_head"),
            _layersOnly = true,
            _isMixed = own.Any(group => group.Form.Bits != bits),
        };
    }

    // GPTQModel's exceptions: "-:" and an expression leaves modules out, "+:" or nothing before it gives them bits of their own.
    private static (List<ModulePattern> Left, List<(ModulePattern? Target, QuantizedForm Form)> Own) Dynamic(ModelConfig section, QuantizedForm whole)
    {
        var left = new List<ModulePattern>();
        var own = new List<(ModulePattern?, QuantizedForm)>();
        foreach (var (name, rule) in section.Section("dynamic")?.Members() ?? [])
        {
            if (left.Count + own.Count >= ExpressionsMax)
                throw section.Wrong("dynamic", $"more than {ExpressionsMax} expressions", $"at most {ExpressionsMax}");
            var pattern = ModulePattern.Of("re:" + (name.StartsWith("-:", StringComparison.Ordinal) || name.StartsWith("+:", StringComparison.Ordinal) ? name[2..] : name), section.File);
            if (name.StartsWith("-:", StringComparison.Ordinal))
                left.Add(pattern);
            else
                own.Add((pattern, whole with { Bits = Bits(rule) ?? whole.Bits, GroupSize = GroupSize(rule) ?? whole.GroupSize }));
        }

        return (left, own);
    }

    private static int? Bits(ModelConfig section) => section.OptionalInt("bits", "w_bit") is not { } bits ? null
        : bits is 2 or 3 or 4 or 8 ? bits : throw section.Wrong("bits", $"{bits}", "2, 3, 4 or 8");

    // -1 for a whole row.
    private static int? GroupSize(ModelConfig section) => (section.Number("group_size") ?? section.Number("q_group_size")) is not { } size ? null
        : size > 0 ? checked((int)size) : 0;

    private static Quantization Bitsandbytes(ModelConfig section)
    {
        var four = section.Bool("load_in_4bit") || section.Bool("_load_in_4bit");
        return new Quantization
        {
            Method = "bitsandbytes",
            PackedBits = four ? 4 : 0,
            Notes = [],
            _left = Patterns(section, "llm_int8_skip_modules"),
            _groups = [(null, four
                ? new QuantizedForm(QuantizedLayout.Bitsandbytes4, "uint8", 4)
                {
                    GroupSize = 64,
                    Nested = section.Bool("bnb_4bit_use_double_quant"),
                }
                : new QuantizedForm(QuantizedLayout.Bitsandbytes8, "int8", 8))],
        };
    }

    private static QuantizedForm NvFp4() => new(QuantizedLayout.Float4, "uint8", 4)
    {
        GroupSize = 16,
        ScaleDtype = "float8_e4m3fn",
        Nested = true,
        InputScale = true,
    };

    private static QuantizedForm Mxfp4(string dtype, string scale) => new(QuantizedLayout.Float4, dtype, 4)
    {
        GroupSize = 32,
        ScaleDtype = dtype == "int8" ? "float8_e8m0fnu" : "uint8",
        ScaleName = scale,
    };

    private static string Named(QuantizedForm form) => form switch
    {
        { Layout: QuantizedLayout.Float4, Nested: true } => "nvfp4",
        { Layout: QuantizedLayout.Float4 } => "mxfp4",
        { Layout: QuantizedLayout.Bytes, Dtype: "int8" } => "int8",
        { Layout: QuantizedLayout.Bytes } => "fp8",
        { Layout: QuantizedLayout.Packed } => $"int{form.Bits}",
        _ => "compressed-tensors",
    };

    private static IEnumerable<KeyValuePair<string, ModelConfig>> Groups(ModelConfig section) =>
        (section.Section("config_groups")?.Members() ?? []).OrderBy(group => group.Key, StringComparer.Ordinal);

    // "Linear" is every linear layer.
    private static ImmutableArray<ModulePattern?> Targets(ModelConfig group) =>
        group.Texts("targets") is not { IsEmpty: false } targets ? [null]
        : targets.Contains("Linear") ? [null] : [.. Patterns(group, "targets")];

    private static ImmutableArray<ModulePattern> Patterns(ModelConfig section, string name)
    {
        var texts = section.Texts(name);
        var expressions = texts.Count(text => text.StartsWith("re:", StringComparison.Ordinal));
        if (texts.Length > PatternsMax || expressions > ExpressionsMax)
        {
            throw section.Wrong(name, $"a list of {texts.Length}, {expressions} of them expressions",
                $"at most {PatternsMax}, and {ExpressionsMax} expressions");
        }

        return [.. texts.Select(text => ModulePattern.Of(text, section.File))];
    }
}
