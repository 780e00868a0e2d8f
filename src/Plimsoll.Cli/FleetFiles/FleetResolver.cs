using System.Collections.Immutable;
using System.Globalization;
using Plimsoll.Artifacts;
using Plimsoll.Caching;
using Plimsoll.Local;

namespace Plimsoll.Cli.FleetFiles;

/// <summary>
/// Turns a document without problems into a definition: reads the models' headers, finds the servers. What is wrong
/// with any of them is a problem of the field that named it.
/// </summary>
/// <param name="file">What was read.</param>
/// <param name="time">How long a server may take to tell what a model weighs.</param>
/// <param name="cached">A model as last weighed, where the cache holds it whole; null where it does not.</param>
/// <param name="refused">Why the machine could never hold a model, null where it could: one that it could not is given a shorter
/// context, else left out, and a note says so. Without it all models are taken.</param>
public sealed class FleetResolver(
    FleetFile file, TimeProvider time, Func<ModelId, ModelSpec?>? cached = null, Func<ModelSpec, string?>? refused = null)
{
    private const int DefaultConcurrency = 8;

    // With less a server answers little more than a greeting.
    private const int ShortestContext = 2048;

    /// <summary>Requests that a replica is given at once: with a profile as many as fill the largest batch and the next one.</summary>
    public static int ConcurrencyOf(ModelDocument model) =>
        model.Concurrency ?? (BatchProfiles.Of(model.Profile) is { } profile ? 2 * profile.BatchMax : DefaultConcurrency);

    private readonly Problems _problems = file.Problems;
    private readonly ModelResolver _models = new(file.Problems);
    private readonly List<string> _notes = [];

    /// <summary>The definition; null when there are problems. Waits for the servers of models behind addresses.</summary>
    public FleetDefinition? Resolve(CancellationToken cancellationToken)
    {
        if (_problems.Any) return null;
        var document = file.Document;
        var weigher = new ModelWeigher(file, time, cached);
        var models = ImmutableArray.CreateBuilder<ModelSpec>();
        var launches = ImmutableSortedDictionary.CreateBuilder<ModelId, LaunchSpec>();
        var fetches = ImmutableSortedDictionary.CreateBuilder<ModelId, FetchSpec>();
        for (var i = 0; i < document.Models.Length; i++)
        {
            var path = string.Create(CultureInfo.InvariantCulture, $"models[{i}]");
            var weighed = weigher.Weigh(document.Models[i], path, cancellationToken);
            if (Made(document.Models[i], path, weighed) is not { } made || Held(made, document.Models[i], path, weighed!) is not { } held) continue;
            models.Add(held.Model);
            launches[held.Model.Id] = held.Launch;
            // Without its server nobody knows what there is to fetch; the copy that is here will do.
            if (held.Fetch is not null && !weighed!.Files.IsDefault) fetches[held.Model.Id] = held.Fetch;
        }

        var jobs = new JobResolver(file);
        var started = jobs.Launches();
        var gateway = new GatewayResolver(file.Folder, _problems).Of(document.Gateway ?? new GatewayDocument());
        if (_problems.Any) return null;
        return new FleetDefinition
        {
            Name = NameOf(file),
            Spec = new FleetSpec
            {
                Models = [.. models.OrderBy(model => model.Id)],
                Training = jobs.Specs(),
                Settings = FleetSettings.Planner(document.Planner ?? new PlannerDocument()),
                Prices = FleetSettings.Prices(document.Prices),
                Mode = document.Mode ?? FleetMode.Act,
            },
            Launches = launches.ToImmutable(),
            Jobs = started,
            Fetches = fetches.ToImmutable(),
            Node = FleetSettings.Node(document.Machine ?? new MachineDocument(), file.Folder),
            Gateway = gateway,
            Withheld = document.Gateway?.ApiKey?.Env is { } name ? [name] : [],
            Notes = [.. weigher.Notes, .. _notes],
        };
    }

    /// <summary>The fleet's name: stated, else its file's.</summary>
    public static string NameOf(FleetFile file)
    {
        ArgumentNullException.ThrowIfNull(file);
        return file.Document.Name ?? NameOf(file.Path);
    }

    /// <summary>A fleet's name from a file's or folder's: what is no letter or digit becomes a dash.</summary>
    public static string NameOf(string path)
    {
        var name = Path.GetFileNameWithoutExtension(Path.TrimEndingDirectorySeparator(Path.GetFullPath(path)));
        var clean = new string([.. name.Select(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' ? c : '-')]).Trim('-', '.', '_');
        return clean.Length == 0 ? "fleet" : clean[..Math.Min(64, clean.Length)];
    }

    private (ModelSpec Model, LaunchSpec Launch, FetchSpec? Fetch)? Made(ModelDocument model, string path, WeighedArtifact? weighed)
    {
        if (Launch(model, path, weighed) is not { } launch || weighed is null) return null;
        var fetch = launch.ModelPath is null ? Fetch(model, path, weighed) : null;
        return (_models.Of(model, path, weighed.Footprint, fetch?.Shown ?? launch.ModelPath!, cached: fetch is not null), launch, fetch);
    }

    // As it is where the machine can hold it; with the longest context that it can hold; null and a note where with none.
    private (ModelSpec Model, LaunchSpec Launch, FetchSpec? Fetch)? Held(
        (ModelSpec Model, LaunchSpec Launch, FetchSpec? Fetch) made, ModelDocument model, string path, WeighedArtifact weighed)
    {
        if (refused?.Invoke(made.Model) is not { } why) return made;
        foreach (var context in ShorterContexts(model, weighed.Footprint))
        {
            var shorter = Made(model with { Context = context }, path, weighed)!.Value;
            if (refused(shorter.Model) is not null) continue;
            _notes.Add(string.Create(CultureInfo.InvariantCulture, $"model '{model.Name}' is served with context {context} of {weighed.Footprint.Shape!.MaxPositions}, for each of {ConcurrencyOf(model)} requests at once; with all of it: {why}"));
            // What is measured with one context says nothing of another.
            return shorter with { Model = shorter.Model with { Version = string.Create(CultureInfo.InvariantCulture, $"{shorter.Model.Version}-context-{context}") } };
        }

        _notes.Add($"left out: model '{model.Name}' is refused: {why}");
        return null;
    }

    // A stated one is a person's word. llama-server reserves it for each slot, its own once for all of them: the same slots must
    // come to less.
    private static IEnumerable<int> ShorterContexts(ModelDocument model, Footprint footprint)
    {
        if (model.Context is not null || !model.Command.IsEmpty || footprint.Shape is not { MaxPositions: var own }
            || ServerPresets.KindOf(model, footprint.Format) != ServerKind.LlamaServer)
            yield break;
        for (var context = 1 << 30; context >= ShortestContext; context /= 2)
        {
            if ((long)context * ConcurrencyOf(model) < own) yield return context;
        }
    }

    private LaunchSpec? Launch(ModelDocument model, string path, WeighedArtifact? weighed)
    {
        var launch = model.Command.IsEmpty ? Preset(model, path, weighed) : new LaunchSpec { Command = OwnCommand.Found(model.Command, path, file) };
        return launch is null ? null : launch with
        {
            Environment = launch.Environment.SetItems(model.Env ?? launch.Environment),
            ReadyPath = model.ReadyPath ?? launch.ReadyPath,
            SleepPath = model.SleepPath ?? launch.SleepPath,
            WakePath = model.WakePath ?? launch.WakePath,
            ModelPath = model.Cache is true || FleetChecks.IsRemote(model.Source!) ? null : Served(model, weighed),
        };
    }

    // A folder that holds one model's file stands for that file: what serves it is given the file.
    private static string? FileIn(WeighedArtifact? weighed) => weighed is { IsFolder: true, Files.IsDefaultOrEmpty: false }
        && weighed.Footprint.Format is ArtifactFormat.Onnx or ArtifactFormat.Gguf ? weighed.Files[0].Name : null;

    // What turns images into a GGUF model's tokens, in a file of its own beside it.
    private static string? ProjectorIn(WeighedArtifact? weighed) => weighed is { Files.IsDefaultOrEmpty: false }
        ? weighed.Files.Skip(1).Select(one => one.Name).FirstOrDefault(GgufNames.IsProjector) : null;

    private string Served(ModelDocument model, WeighedArtifact? weighed)
    {
        var path = FleetChecks.PathOf(model.Source!, file.Folder);
        return FileIn(weighed) is { } inside ? Path.Combine(path, inside) : path;
    }

    private FetchSpec Fetch(ModelDocument model, string path, WeighedArtifact weighed)
    {
        var (remote, files) = (FleetChecks.IsRemote(model.Source!), weighed.Files.IsDefault ? [] : weighed.Files);
        var (inside, isFolder) = (FileIn(weighed), weighed.IsFolder);
        // A file at an address of the web is kept under a plain name; elsewhere, and in folders, names are what they are.
        if (remote && !isFolder && !files.IsEmpty && SourceAddress.Parse(model.Source!) is SourceAddress.Web { Url: { } url })
            files = files.SetItem(0, files[0] with { Name = FetchSpec.FileNameOf(url) });
        if (model.Sha256 is not null && isFolder && inside is null)
            _problems.Add($"{path}.sha256", "the source is a folder of several files; dataSha256 checks each by its name");
        var hashes = model.DataSha256 ?? ImmutableSortedDictionary<string, string>.Empty;
        return new FetchSpec
        {
            Source = remote ? model.Source! : Served(model, weighed),
            IsFolder = remote && isFolder,
            ServesFirstFile = remote && inside is not null,
            Files = [.. files.Select(one => new FetchFile(one.Name, new Bytes(one.Bytes), one.Validator))],
            Sha256 = model.Sha256 is { } own && !files.IsEmpty ? hashes.SetItem(files[0].Name, own) : hashes,
        };
    }

    private LaunchSpec? Preset(ModelDocument model, string path, WeighedArtifact? weighed)
    {
        var format = weighed?.Footprint.Format;
        if (format is ArtifactFormat.Lora or ArtifactFormat.Diffusers || ServerPresets.KindOf(model, format) is not { } kind)
        {
            if (format is { } unserved)
                _problems.Add($"{path}.source", $"found {Noun(unserved)}, which no server known here serves by itself; a command of your own would do");
            return null;
        }

        if (model.MemoryFraction is not null && kind != ServerKind.Vllm)
            _problems.Add($"{path}.memoryFraction", $"{ServerPresets.ProgramOf(kind)} takes no share of a GPU's memory; leave it out");
        if (model.Sleep is true && kind != ServerKind.Vllm)
            _problems.Add($"{path}.sleep", $"{ServerPresets.ProgramOf(kind)} cannot sleep; leave it out");
        if (model.Context is not null && kind == ServerKind.PlimsollModelServer)
            _problems.Add($"{path}.context", "the model server keeps no context; leave it out");
        var batch = kind == ServerKind.PlimsollModelServer && BatchProfiles.Of(model.Profile) is { } profile ? profile.BatchMax : ConcurrencyOf(model);
        if (kind == ServerKind.PlimsollModelServer && batch > ServerPresets.ModelServerBatchMax)
        {
            var field = model.Profile.IsDefaultOrEmpty ? "concurrency" : "profile";
            _problems.Add($"{path}.{field}", $"found {batch}, and the model server runs at most {ServerPresets.ModelServerBatchMax} requests in one batch; so many or fewer would do");
        }

        if (ServerPresets.Find(kind) is { } program)
            return ServerPresets.Launch(kind, program, model, batch, ServerPresets.GpusOf(model, kind), ProjectorIn(weighed));
        _problems.Add(model.Server is null ? $"{path}.source" : $"{path}.server", kind == ServerKind.PlimsollModelServer
            ? "the model server is not built; ./plimsoll builds it, or set PLIMSOLL_MODEL_SERVER to its path"
            : $"{ServerPresets.ProgramOf(kind)} is not on the PATH; install it, or give a command of your own");
        return null;
    }

    private static string Noun(ArtifactFormat format) => format switch
    {
        ArtifactFormat.Lora => "a low-rank adapter without its base model",
        ArtifactFormat.Diffusers => "a diffusion pipeline",
        ArtifactFormat.TritonRepository => "a Triton model repository",
        ArtifactFormat.TensorRt => "a TensorRT plan",
        ArtifactFormat.PyTorch => "PyTorch weights without a config.json",
        _ => "a format that is not known",
    };
}
