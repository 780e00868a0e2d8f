using System.Collections.Immutable;
using System.Globalization;

namespace Plimsoll.Artifacts;

/// <summary>One model of a Triton repository: what its config.pbtxt says, and the file of each version that is loaded.</summary>
internal sealed class TritonModel
{
    private const int ConfigBytesMax = 4 << 20;
    private const int VersionsMax = 1000;

    /// <summary>The file that each backend looks for, unless default_model_filename names another.</summary>
    private static readonly ImmutableArray<(string Backend, string File)> DefaultNames =
    [
        ("onnxruntime", "model.onnx"), ("tensorrt", "model.plan"), ("pytorch", "model.pt"), ("tensorflow", "model.savedmodel"),
        ("tensorflow", "model.graphdef"), ("openvino", "model.xml"), ("python", "model.py"), ("vllm", "model.json"), ("dali", "model.dali"),
        ("fil", "checkpoint.tl"), ("fil", "xgboost.json"), ("fil", "model.txt"),
    ];

    private readonly ByteFolder _folder;
    private readonly string _name;
    private readonly string? _text;
    private readonly TextProto _config;
    private readonly IReadOnlyList<ModelFile> _files;

    public TritonModel(ByteFolder folder, string name)
    {
        (_folder, _name, _files) = (folder, name, folder.Files!);
        using var config = folder.Open("config.pbtxt");
        if (config is not null)
        {
            var file = new HeaderFile(config, "a Triton configuration");
            _text = file.ReadText(file.Length, ConfigBytesMax, "its text");
        }

        _config = TextProto.Parse($"{folder.Name}/config.pbtxt", _text ?? "");
        var versions = Loaded();
        Parts = versions.Count == 0 && Platform != "ensemble" && Engine() is { } engine
            ? [new ArtifactPart(name, Elsewhere(folder, engine.Path, $"its parameter {engine.Key}") with { Config = _text })]
            : [.. versions.Select(version => new ArtifactPart(versions.Count == 1 ? name : $"{name}/{version}", Header(version)))];
    }

    public static bool IsDefaultName(string file) => DefaultNames.Any(one => one.File == file);

    /// <summary>One for each version that is loaded.</summary>
    public ImmutableArray<ArtifactPart> Parts { get; }

    public ImmutableArray<string> Notes { get; private set; } = [];

    private string? Backend => _config.Text("backend") is { Length: > 0 } backend ? backend : null;

    private string? Platform => _config.Text("platform") is { Length: > 0 } platform ? platform : null;

    // The highest version, unless version_policy says otherwise.
    private List<int> Loaded()
    {
        var there = _files.Select(file => file.Name.Split('/')).Where(path => path.Length > 1)
            .Select(path => TritonRepository.Version(path[0])).OfType<int>().Distinct().OrderDescending().Take(VersionsMax).ToList();
        if (Platform == "ensemble" || there.Count == 0)
        {
            Notes = Platform == "ensemble" ? [$"{_name} is an ensemble of other models, and has no weights of its own."]
                : [$"{_name} has no version, and Triton would not load it."];
            return [];
        }

        var policy = _config.Message("version_policy");
        if (policy?.Message("specific") is { } specific)
        {
            var wanted = specific.Texts("versions").Select(TritonRepository.Version).OfType<int>().Distinct().ToList();
            return wanted.Find(version => !there.Contains(version)) is > 0 and var missing
                ? throw new ArtifactException($"{_folder.Name}/config.pbtxt asks for version {missing}, and there is no such folder.")
                : wanted;
        }

        if (policy?.Has("all") == true)
            return there;
        return there[..(int)Math.Clamp(policy?.Message("latest")?.Number("num_versions") ?? 1, 1, there.Count)];
    }

    private ArtifactHeader Header(int version)
    {
        var folder = _folder.Below(version.ToString(CultureInfo.InvariantCulture));
        var (file, backend) = ModelFileOf(folder);
        var header = Engine() is { } engine && !folder.Files!.Any(one => IsWeights(one.Name))
            ? Elsewhere(folder, engine.Path, $"its parameter {engine.Key}") : ReadModel(folder, file);
        var metadata = header.Metadata.ToBuilder();
        metadata["triton.version"] = version.ToString(CultureInfo.InvariantCulture);
        if (backend is not null) metadata["triton.backend"] = backend;
        if (Platform is { } platform) metadata["triton.platform"] = platform;
        if (_config.Number("max_batch_size") is { } batch) metadata["triton.max_batch_size"] = batch.ToString(CultureInfo.InvariantCulture);
        var instances = Instances();
        foreach (var (kind, count) in instances)
            metadata[$"triton.instances.{kind}"] = count.ToString(CultureInfo.InvariantCulture);
        var files = header.Files.Select(one => one with { Name = $"{_name}/{version}/{one.Name}" });
        var config = _files.FirstOrDefault(one => one.Name == "config.pbtxt");
        return header with
        {
            Files = config is null ? [.. files] : [config with { Name = $"{_name}/config.pbtxt" }, .. files],
            Config = _text ?? header.Config,
            Metadata = metadata.ToImmutable(),
            Notes = instances.Values.Sum() is > 1 and var all && !header.Metadata.ContainsKey(ArtifactHeader.ModelElsewhere)
                ? header.Notes.Add($"Triton makes {all} instances of it ({string.Join(", ", instances.Keys)}); each may hold the weights once more, and they are counted once.")
                : header.Notes,
        };
    }

    // By default_model_filename, by the backend, or by what lies there.
    private (string? File, string? Backend) ModelFileOf(ByteFolder folder)
    {
        var names = folder.Files!.Select(file => file.Name.Split('/')[0]).ToHashSet(StringComparer.Ordinal);
        var backend = Backend ?? Platform switch
        {
            "onnxruntime_onnx" => "onnxruntime",
            "tensorrt_plan" => "tensorrt",
            "pytorch_libtorch" => "pytorch",
            "tensorflow_savedmodel" or "tensorflow_graphdef" => "tensorflow",
            _ => null,
        };
        if (_config.Text("default_model_filename") is { Length: > 0 } named)
        {
            var name = ByteFolder.Checked(named) ?? throw new ArtifactException(
                $"{_folder.Name}/config.pbtxt has the default_model_filename '{Messages.Shown(named)}', which leaves the model's folder; that is refused.");
            return names.Contains(name.Split('/')[0]) ? (name, backend)
                : throw new ArtifactException($"{_folder.Name}/config.pbtxt has the default_model_filename '{Messages.Shown(name)}', and {folder.Name} holds no such file.");
        }

        var found = DefaultNames.FirstOrDefault(one => names.Contains(one.File) && (backend is null || one.Backend == backend));
        return (found.File, backend ?? found.Backend);
    }

    private static ArtifactHeader ReadModel(ByteFolder folder, string? name)
    {
        var files = folder.Files!;
        // Python code may load anything beside it, and a saved model is a folder: all bytes of the version count.
        var isFile = name is not null && files.Any(file => file.Name == name) && !name.EndsWith(".py", StringComparison.Ordinal);
        using var file = isFile ? folder.Open(name!) : null;
        if (file is null)
        {
            // An ONNX model with external data lies in a folder of its file's name.
            if (name is not null && files.Any(one => one.Name == $"{name}/{name}"))
            {
                var below = ReadModel(folder.Below(name), name);
                return below with { Files = [.. below.Files.Select(one => one with { Name = $"{name}/{one.Name}" })] };
            }

            return ArtifactReader.Unknown(folder.Name, [.. files]);
        }

        return name == "model.json" ? Vllm(folder, file) : ArtifactReader.Read(file);
    }

    // vLLM's backend names a model elsewhere, as the engine's own arguments do.
    private static ArtifactHeader Vllm(ByteFolder folder, ByteSource file)
    {
        using var arguments = JsonFile.Parse(file.Name, JsonFile.ReadText(file));
        if (arguments.RootElement.Text("model") is not { } model)
            return ArtifactReader.Unknown(folder.Name, [.. folder.Files!]);
        return Elsewhere(folder, model, "model.json");
    }

    // TensorRT-LLM's backend, and code that drives its runtime, name the engine's folder by a parameter.
    private (string Key, string Path)? Engine()
    {
        foreach (var parameter in _config.Messages("parameters"))
        {
            if (parameter.Text("key") is "gpt_model_path" or "engine_dir" && parameter.Message("value")?.Text("string_value") is { Length: > 0 } path)
                return (parameter.Text("key")!, path);
        }

        return null;
    }

    private static ArtifactHeader Elsewhere(ByteFolder folder, string model, string named) => ArtifactReader.Unknown(folder.Name, [.. folder.Files!]) with
    {
        Metadata = ImmutableDictionary<string, string>.Empty.Add(ArtifactHeader.ModelElsewhere, model),
        Notes = [$"The weights are those of '{Messages.Shown(model)}', which {named} names, and they are not here."],
    };

    private static bool IsWeights(string name) => FolderWeights.IsWeights(name)
        || name.EndsWith(".engine", StringComparison.Ordinal) || name.EndsWith(".plan", StringComparison.Ordinal);

    // Copies on each device; Triton makes one where nothing is said.
    private SortedDictionary<string, long> Instances()
    {
        var counts = new SortedDictionary<string, long>(StringComparer.Ordinal);
        foreach (var group in _config.Messages("instance_group"))
        {
            var kind = group.Text("kind") is { Length: > 5 } text && text.StartsWith("KIND_", StringComparison.Ordinal) ? text[5..].ToLowerInvariant() : "auto";
            var each = Math.Clamp(group.Number("count") ?? 1, 1, 1 << 20);
            var devices = kind == "gpu" ? Math.Max(1, group.Texts("gpus").Count()) : 1;
            counts[kind] = counts.GetValueOrDefault(kind) + each * devices;
        }

        return counts;
    }
}
