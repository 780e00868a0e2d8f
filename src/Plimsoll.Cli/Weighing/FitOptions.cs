using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using Plimsoll.Cli.FleetFiles;

namespace Plimsoll.Cli.Weighing;

/// <summary>The options that name a variant; each refuses in one sentence.</summary>
internal sealed class FitOptions
{
    private const int RanksMax = 1024;
    private const long TokensMax = 1L << 30;

    private static readonly string[] WeightDtypes = ["auto", "bfloat16", "float16", "float32"];
    private static readonly string[] KvDtypes = ["auto", "fp8", "bfloat16", "float16", "float32", "q8_0", "q4_0"];

    public Option<string?> Device { get; } = new("--device")
    {
        Description = "Such as h100-80gb, of plimsoll devices; left out, the smallest shape on each",
        HelpName = "NAME",
    };

    public Option<int?> TensorParallel { get; } = Number("--tp", "Tensor-parallel ranks (default 1)", "N", RanksMax);

    public Option<int?> PipelineParallel { get; } = Number("--pp", "Pipeline stages (default 1)", "N", RanksMax);

    /// <summary>Not of every command: <see cref="AddTo"/> leaves it out.</summary>
    public Option<int?> DataParallel { get; } = Number("--dp", "Copies in one replica that share the experts, as vllm serve -dp (default 1)", "N", RanksMax);

    public Option<int?> ExpertParallel { get; } = Number("--ep", "Ranks that experts are spread over (default 1)", "N", RanksMax);

    public Option<long?> Context { get; } = new("--context")
    {
        Description = "Tokens of one sequence (default: the longest it was made for)",
        HelpName = "N",
        CustomParser = result => Whole(result.Tokens[0].Value) is { } n
            && n is > 0 and <= TokensMax ? n : Refuse<long?>(result, $"a whole number from 1 to {TokensMax}"),
    };

    public Option<int?> Concurrency { get; } = Number("--concurrency", "Sequences of that length at once (default 1)", "N", 1_000_000);

    public Option<double?> MemoryFraction { get; } = Share("--memory-fraction", "Of the device, for the engine (default: the engine's)");

    public Option<double?> MemoryShare { get; } = Share("--memory-share", "Of the device, where others share it (default 1)");

    public Option<ServingEngine?> Engine { get; } = new("--engine")
    {
        Description = "vllm, sglang, tgi, llama.cpp or triton, with @VERSION (default vllm)",
        HelpName = "NAME",
        CustomParser = result => ServingEngine.TryParse(result.Tokens[0].Value, out var engine)
            ? engine : Refuse<ServingEngine?>(result, "vllm, sglang, tgi, llama.cpp or triton, such as vllm@0.19"),
    };

    public Option<string?> WeightDtype { get; } = Word("--dtype", "Of weights that are not quantised (default auto)", WeightDtypes);

    public Option<string?> Quantize { get; } = Word("--quantize", "Quantise while loading: fp8", ["fp8"]);

    public Option<string?> KvDtype { get; } = Word("--kv-dtype", "Of the key-value cache (default auto)", KvDtypes);

    public Option<int?> MaxBatchedTokens { get; } = Number("--max-batched-tokens", "Tokens of one step (default: the engine's)", "N", 1 << 24);

    public Option<int?> MaxSequences { get; } = Number("--max-sequences", "Sequences of one step (default: the engine's)", "N", 1 << 20);

    public Option<bool> Eager { get; } = new("--eager") { Description = "No graphs are captured" };

    public Option<string?> Catalogue { get; } = new("--catalogue") { Description = "A file of your own devices, over the built-in ones", HelpName = "FILE" };

    public void AddTo(Command command)
    {
        foreach (var option in new Option[]
            {
                Device, TensorParallel, PipelineParallel, ExpertParallel, Context, Concurrency, MemoryFraction, Engine, WeightDtype, Quantize,
                KvDtype, MaxBatchedTokens, MaxSequences, Eager, MemoryShare, Catalogue,
            })
            command.Add(option);
    }

    public bool IsSplitNamed(ParseResult parsed) =>
        new[] { TensorParallel, PipelineParallel, DataParallel, ExpertParallel }.Any(option => parsed.GetValue(option) is not null);

    /// <summary>The variant that was named; on the first device of the catalogue where none was.</summary>
    /// <exception cref="CommandException">The device is not known.</exception>
    public ServingVariant Variant(ParseResult parsed, DeviceCatalogue catalogue)
    {
        var engine = parsed.GetValue(Engine) ?? ServingEngine.Vllm(new Version(0, 19));
        var copies = parsed.GetValue(DataParallel) ?? 1;
        if (copies > 1 && engine.Kind is not (EngineKind.Vllm or EngineKind.SgLang))
            throw new CommandException(ExitCode.BadInput, $"--dp is {copies}, and {engine.Name} has no copies in one replica; vllm and sglang have");
        return new ServingVariant
        {
            Device = parsed.GetValue(Device) is { } name ? Find(catalogue, name) : catalogue.Accelerators[0],
            TensorParallel = parsed.GetValue(TensorParallel) ?? 1,
            PipelineParallel = parsed.GetValue(PipelineParallel) ?? 1,
            DataParallel = copies,
            ExpertParallel = parsed.GetValue(ExpertParallel) ?? 1,
            WeightDtype = parsed.GetValue(WeightDtype) ?? "auto",
            QuantizeOnLoad = parsed.GetValue(Quantize),
            KvDtype = parsed.GetValue(KvDtype) ?? "auto",
            Context = parsed.GetValue(Context) ?? 0,
            Concurrency = parsed.GetValue(Concurrency) ?? 1,
            MemoryFraction = parsed.GetValue(MemoryFraction),
            MemoryShare = parsed.GetValue(MemoryShare) ?? 1,
            Engine = engine,
            MaxBatchedTokens = parsed.GetValue(MaxBatchedTokens),
            MaxSequences = parsed.GetValue(MaxSequences),
            Graphs = !parsed.GetValue(Eager),
        };
    }

    /// <exception cref="CommandException">The device is not known.</exception>
    public static Accelerator Find(DeviceCatalogue catalogue, string name) => catalogue.Find(name)
        ?? throw new CommandException(ExitCode.BadInput, $"--device is '{Show.Text(name)}', which the catalogue has not"
            + (catalogue.Suggest(name) is [_, ..] near ? $"; did you mean {string.Join(" or ", near)}?" : "; plimsoll devices lists it"));

    internal static Option<int?> Number(string name, string description, string help, int most, int least = 1) => new(name)
    {
        Description = description,
        HelpName = help,
        CustomParser = result => Whole(result.Tokens[0].Value) is { } n
            && n >= least && n <= most ? (int)n : Refuse<int?>(result, string.Create(CultureInfo.InvariantCulture, $"a whole number from {least} to {most}")),
    };

    // 32768 or 32,768; "2,4" is no 24.
    private static long? Whole(string text) => text.Split(',') is var groups && (groups.Length == 1 || groups[0].Length is > 0 and <= 3 && groups.Skip(1).All(group => group.Length == 3))
        && long.TryParse(string.Concat(groups), NumberStyles.None, CultureInfo.InvariantCulture, out var n) ? n : null;

    private static Option<double?> Share(string name, string description) => new(name)
    {
        Description = description,
        HelpName = "X",
        CustomParser = result => double.TryParse(result.Tokens[0].Value, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var x)
            && x is > 0 and <= 1 ? x : Refuse<double?>(result, "a share above 0, at most 1, such as 0.9"),
    };

    internal static Option<string?> Word(string name, string description, string[] words)
    {
        var option = new Option<string?>(name)
        {
            Description = description,
            HelpName = string.Join('|', words),
            CustomParser = result => words.Contains(result.Tokens[0].Value, StringComparer.Ordinal)
                ? result.Tokens[0].Value : Refuse<string?>(result, string.Join(", ", words)),
        };
        option.CompletionSources.Add(words);
        return option;
    }

    private static T? Refuse<T>(ArgumentResult result, string expected)
    {
        var name = (result.Parent as OptionResult)?.Option.Name ?? result.Argument.Name;
        result.AddError($"{name} is '{Show.Text(result.Tokens[0].Value)}'; expected {expected}.");
        return default;
    }
}
